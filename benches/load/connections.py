#!/usr/bin/env python3
"""Many connections that stay open at once, each asking for pictures from memory and for the API in turn.

usage: benches/load/connections.py [--binary target/release/pixedge] [--connections 1000] [--requests 20]
Ends with 1 at the first wrong answer or broken connection.
"""
import argparse, asyncio, resource, sys, time
from common import BINARY, Server, percentile
from list import post

PATHS = ["/i/demo/w_200,f_webp,q_80", "/v1/images?limit=5", "/i/demo-portrait/w_120,f_jpg", "/v1/me", "/i/demo-alpha/w_64,f_png", "/v1/albums"]


async def ask(reader, writer, path, token):
    bearer = f"Authorization: Bearer {token}\r\n" if path.startswith("/v1") else ""
    begun = time.perf_counter()
    writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\n{bearer}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.split("content-length:")[1].split("\r\n")[0]))
    assert head.split()[1] == "200", (path, head)
    return (time.perf_counter() - begun) * 1000


async def go(server, token, options):
    warm = await asyncio.open_connection("127.0.0.1", server.port)
    for path in PATHS:
        await ask(*warm, path, token)
    pairs = []
    for _ in range(options.connections):
        pairs.append(await asyncio.open_connection("127.0.0.1", server.port))
    times, begun = {"/i": [], "/v": []}, time.perf_counter()

    async def one(number, pair):
        for at in range(options.requests):
            path = PATHS[(number + at) % len(PATHS)]
            times[path[:2]].append(await ask(*pair, path, token))

    results = await asyncio.gather(*(one(number, pair) for number, pair in enumerate(pairs)), return_exceptions=True)
    took = time.perf_counter() - begun
    wrong = [result for result in results if result is not None]
    done = sum(map(len, times.values()))
    print(f"{options.connections} connections open at once, {done} requests in {took:.1f} s ({done / took:.0f}/s), {len(wrong)} broken; peak {server.memory_mb('VmHWM'):.0f} MB")
    for kind, name in [("/i", "pictures"), ("/v", "API")]:
        print(f"  {name:9} p50 {percentile(times[kind], 0.5):.0f} ms, p99 {percentile(times[kind], 0.99):.0f} ms, with all asking at once")
    if wrong:
        print(wrong[:3])
    return not wrong and done == options.connections * options.requests


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--requests", type=int, default=20)
    options = parser.parse_args()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    config = "auth: { registration: open }\nhttp: { max_connections_per_address: 5000 }\n"
    with Server(options.binary, config, demo=True) as server:
        made = post(server.port, "/v1/register", {"username": "ana", "password": "password123"})
        fine = asyncio.run(go(server, made["access_token"], options))
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
