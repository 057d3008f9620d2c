#!/usr/bin/env python3
"""A thumbnail of a large photograph on a machine that does nothing else: the time that one person waits.

usage: benches/load/thumbnail.py PHOTO [--binary …] [--width 200] [--rounds 9]
Every round is a copy of its own, so that nothing is cached. The first request after a start is left out.
"""
import argparse, asyncio, pathlib, statistics
from common import BINARY, Server, fetch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--width", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    copies = [(f"{n}.jpg", options.photo) for n in range(options.rounds + 1)]
    with Server(options.binary, "", copies) as server:
        asyncio.run(fetch(server.port, f"/r/pics/w_{options.width},f_jpg/0.jpg"))
        size = options.photo.stat().st_size / 1e6
        for form in ("jpg", "webp", "avif"):
            times = []
            for number in range(1, options.rounds + 1):
                status, seconds = asyncio.run(fetch(server.port, f"/r/pics/w_{options.width},f_{form}/{number}.jpg?v={form}"))
                assert status == 200, status
                times.append(seconds * 1000)
            print(f"{size:.1f} MB -> {options.width} px {form}: median {statistics.median(times):.0f} ms, slowest {max(times):.0f} ms")


main()
