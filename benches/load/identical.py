#!/usr/bin/env python3
"""Identical misses: many ask for the same picture at the same moment, and it is made once.

usage: benches/load/identical.py PHOTO.jpg [--binary …] [--keys 10] [--clients 1000]
Prints statuses, and how many originals were read, decoded and encoded for all of them.
"""
import argparse, asyncio, collections, pathlib
from common import BINARY, Server, fetch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--clients", type=int, default=1000)
    options = parser.parse_args()
    copies = [(f"{n}.jpg", options.photo) for n in range(options.keys)]
    with Server(options.binary, "", copies) as server:

        async def all_at_once(path):
            return await asyncio.gather(*(fetch(server.port, path) for _ in range(options.clients)))

        statuses = collections.Counter()
        for name, _ in copies:
            statuses.update(status for status, _ in asyncio.run(all_at_once(f"/r/pics/w_640,f_webp/{name}")))
        made = {what: int(server.counter(f"{what}_total")) for what in ("source_reads", "decodes", "encodes")}
        print(f"{options.keys} keys × {options.clients} clients: statuses {dict(statuses)}, {made}")


if __name__ == "__main__":
    main()
