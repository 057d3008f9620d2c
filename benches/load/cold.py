#!/usr/bin/env python3
"""Misses only: CPU milliseconds a picture, and the peak of resident memory, at a number of clients.

usage: benches/load/cold.py PHOTO.jpg… [--binary …] [--width 300] [--format jpg|webp|avif] [--clients 8] [--count 64]
Every request is for a copy of its own, so that nothing is shared. Beside other servers: the same load is in shared/bench.
"""
import argparse, asyncio, pathlib
from common import BINARY, Server, fetch, percentile


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="+", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--format", default="jpg")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--config", default="cache: { memory: 32MiB }\nimages: { bitmap_cache: 0, queue: 60s }\n")
    options = parser.parse_args()
    copies = [(f"{n}.jpg", options.photos[n % len(options.photos)]) for n in range(options.count)]
    with Server(options.binary, options.config, copies) as server:
        paths = [f"/r/pics/w_{options.width},q_80,f_{options.format}/{name}" for name, _ in copies]
        asyncio.run(fetch(server.port, paths[0].replace(f"w_{options.width}", "w_16")))
        before = server.cpu_ms()

        async def load():
            left, done = list(paths), []

            async def client():
                while left:
                    done.append(await fetch(server.port, left.pop()))

            await asyncio.gather(*(client() for _ in range(options.clients)))
            return done

        done = asyncio.run(load())
        cpu = (server.cpu_ms() - before) / len(done)
        failed = [status for status, _ in done if status != 200]
        times = [seconds * 1000 for _, seconds in done]
        print(f"{len(done)} pictures, {len(failed)} failed, {cpu:.1f} ms CPU each, p50 {percentile(times, .5):.0f} ms, "
              f"p99 {percentile(times, .99):.0f} ms, peak {server.memory_mb('VmHWM'):.0f} MB")


if __name__ == "__main__":
    main()
