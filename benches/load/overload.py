#!/usr/bin/env python3
"""Far more misses than there is time for, and hits beside them: who is served, who is refused, and how fast.

usage: benches/load/overload.py PHOTO.jpg [--binary …] [--seconds 20] [--rate 200] [--hits 200]
`--rate` distinct misses a second (w_1200, AVIF) and `--hits` hits a second are sent open-loop. Prints the share of hits that was served
and their p99 beside that of an idle server, the p99 of refusals, peak memory, and how soon after the load a miss is served again.
"""
import argparse, asyncio, pathlib, time
from common import BINARY, Server, fetch, percentile


async def open_loop(number, paths, rate, seconds):
    tasks, begun, sent = [], time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < seconds:
        while sent < now * rate:
            tasks.append(asyncio.create_task(fetch(number, paths(sent))))
            sent += 1
        await asyncio.sleep(0.005)
    return await asyncio.gather(*tasks)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rate", type=float, default=200)
    parser.add_argument("--hits", type=float, default=200)
    options = parser.parse_args()
    with Server(options.binary, "", [("0.jpg", options.photo)]) as server:
        hit = "/r/pics/w_300,f_webp/0.jpg"
        asyncio.run(fetch(server.port, hit))
        hits = lambda _: hit
        # Each miss is another crop, so none is shared.
        misses = lambda n: f"/r/pics/ex_{n % 200}:{n // 200}:2000:1500,w_1200,f_avif/0.jpg"
        p99 = lambda done, want: percentile([s * 1000 for status, s in done if status == want], .99)
        idle = asyncio.run(open_loop(server.port, hits, options.hits, 3))

        async def both():
            return await asyncio.gather(open_loop(server.port, hits, options.hits, options.seconds),
                                        open_loop(server.port, misses, options.rate, options.seconds))

        under, missed = asyncio.run(both())
        begun = time.perf_counter()
        while asyncio.run(fetch(server.port, f"/r/pics/w_{int(time.time() * 1000) % 500 + 600},f_jpg/0.jpg"))[0] != 200:
            time.sleep(0.05)
        recovery = time.perf_counter() - begun
        served = sum(status == 200 for status, _ in under) / len(under)
        print(f"hits: {served:.2%} of {len(under)} served, p99 {p99(under, 200):.1f} ms (idle {p99(idle, 200):.1f} ms)")
        kinds = {status: sum(s == status for s, _ in missed) for status in sorted({s for s, _ in missed})}
        print(f"misses: {kinds}, refusals p99 {p99(missed, 503):.1f} ms")
        print(f"peak {server.memory_mb('VmHWM'):.0f} MB; a miss is served again after {recovery:.2f} s")


if __name__ == "__main__":
    main()
