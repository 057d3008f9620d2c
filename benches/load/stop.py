#!/usr/bin/env python3
"""A stop under load: every request that was under way when SIGTERM came is answered.

usage: benches/load/stop.py PHOTO.jpg [--binary …] [--rounds 5] [--clients 32] [--misses 8]
Clients ask for a hit over and over, each on connections of their own that are opened for each request, others for pictures that take
a while to be made. After two seconds the server is told to stop. A client ends when it is refused a connection; whoever was
connected and not answered whole is a failure. Ends with 1 if there was one.
"""
import argparse, asyncio, os, pathlib, signal, sys, time
from common import BINARY, Server, fetch

HIT = "/r/pics/w_300,f_webp/0.jpg"


async def ask(number, path):
    """What became of one request: `ok`, `refused` (503, told to come back), `closed` (no connection) or `failed`."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
    except OSError:
        return "closed"
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.read(), 60)
    except (OSError, asyncio.TimeoutError):
        return "failed"
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    length = [int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    if head.startswith(b"HTTP/1.1 503"):
        return "refused"
    return "ok" if head.startswith(b"HTTP/1.1 200") and length and len(body) == length[0] else "failed"


async def go(server, options, counts):
    async def client(path):
        number = 0
        while True:
            what = await ask(server.port, path(number))
            counts[what] = counts.get(what, 0) + 1
            if what == "closed":
                return
            number += 1

    tasks = [asyncio.create_task(client(lambda _: HIT)) for _ in range(options.clients)]
    for first in range(options.misses):
        slow = lambda number, first=first: f"/r/pics/ex_{first}:{number}:2000:1500,w_1200,f_avif/0.jpg"
        tasks.append(asyncio.create_task(client(slow)))
    await asyncio.sleep(2)
    before, begun = dict(counts), time.perf_counter()
    os.kill(server.process.pid, signal.SIGTERM)
    await asyncio.gather(*tasks)
    return before, time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--misses", type=int, default=8)
    options = parser.parse_args()
    failed = 0
    for _ in range(options.rounds):
        counts = {}
        with Server(options.binary, "", [("0.jpg", options.photo)]) as server:
            asyncio.run(fetch(server.port, HIT))
            before, took = asyncio.run(go(server, options, counts))
            code = server.process.wait(60)
        after = {what: counts[what] - before.get(what, 0) for what in counts}
        failed += counts.get("failed", 0) + (code != 0)
        print(f"{counts.get('ok', 0)} answered, {after.get('ok', 0)} of them after SIGTERM, {counts.get('refused', 0)} told to come back, "
              f"{counts.get('failed', 0)} failed; closed after {took:.2f} s, exit {code}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
