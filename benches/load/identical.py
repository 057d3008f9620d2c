#!/usr/bin/env python3
"""Identical misses: many ask for the same picture at the same moment, and it is made once.

usage: benches/load/identical.py PHOTO.jpg [--binary …] [--keys 10] [--clients 1000] [--first-leaves]
Prints statuses, and how many originals were read, decoded and encoded for all of them. With --first-leaves one more client asks first, and
hangs up as soon as the others have asked. Ends with 1 if a picture was made twice or a client that stayed was not served.
"""
import argparse, asyncio, collections, pathlib, sys
from common import BINARY, Server, fetch


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--keys", type=int, default=10)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--first-leaves", action="store_true")
    options = parser.parse_args()
    copies = [(f"{n}.jpg", options.photo) for n in range(options.keys)]
    with Server(options.binary, "", copies) as server:

        async def all_at_once(path):
            if options.first_leaves:
                _, first = await asyncio.open_connection("127.0.0.1", server.port)
                first.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
                await first.drain()
            others = asyncio.gather(*(fetch(server.port, path) for _ in range(options.clients)))
            if options.first_leaves:
                # Once round the loop: the others have asked, or are about to.
                await asyncio.sleep(0)
                first.transport.abort()
            return await others

        statuses = collections.Counter()
        for name, _ in copies:
            statuses.update(status for status, _ in asyncio.run(all_at_once(f"/r/pics/w_640,f_webp/{name}")))
        made = {what: int(server.counter(f"{what}_total")) for what in ("source_reads", "decodes", "encodes")}
        print(f"{options.keys} keys × {options.clients} clients: statuses {dict(statuses)}, {made}")
    sys.exit(set(statuses) != {200} or set(made.values()) != {options.keys})


if __name__ == "__main__":
    main()
