#!/usr/bin/env python3
"""CPU of the eight widths of a srcset asked together, over that of the largest alone.

usage: benches/load/srcset.py PHOTO.jpg [--binary target/release/pixedge] [--rounds 7] [--widths 320,480,…]
Each round asks a fresh copy of the photo for the largest width, and another copy for all widths at once. Prints server CPU
milliseconds, and reads, decodes and encodes by the server's own counters.
"""
import argparse, pathlib, statistics, threading
from common import BINARY, Server, get


def counters(server):
    return [server.counter(f"{name}_total") for name in ("source_reads", "decodes", "encodes")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--widths", default="320,480,640,800,960,1280,1600,1920")
    options = parser.parse_args()
    widths = [int(width) for width in options.widths.split(",")]
    copies = [(f"{n}.jpg", options.photo) for n in range(2 * options.rounds + 1)]
    with Server(options.binary, "cache: { disk: 0 }\n", copies) as server:
        url = lambda n, width: f"/r/pics/w_{width},q_80,f_webp/{n}.jpg"

        def spent(n, asked):
            before, counted = server.cpu_ms(), counters(server)
            statuses = []
            barrier = threading.Barrier(len(asked))
            def one(width):
                barrier.wait()
                statuses.append(get(server.port, url(n, width))[0])
            threads = [threading.Thread(target=one, args=(width,)) for width in asked]
            [t.start() for t in threads]
            [t.join() for t in threads]
            assert statuses == [200] * len(asked), statuses
            cpu = server.cpu_ms() - before
            return cpu, [b - a for a, b in zip(counted, counters(server))]

        spent(2 * options.rounds, widths[:1])
        ratios = []
        for n in range(options.rounds):
            alone, _ = spent(2 * n, [max(widths)])
            together, counted = spent(2 * n + 1, widths)
            ratios.append(together / alone)
            print(f"{max(widths)} alone {alone:7.1f} ms   all {together:7.1f} ms   {together / alone:.2f} x   "
                  f"reads {counted[0]:.0f} decodes {counted[1]:.0f} encodes {counted[2]:.0f}")
        print(f"median of ratios: {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
