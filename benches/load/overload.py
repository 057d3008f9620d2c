#!/usr/bin/env python3
"""Far more misses than there is time for, and hits beside them: who is served, who is refused, and how fast.

usage: benches/load/overload.py PHOTO.jpg [--binary …] [--seconds 60] [--times 20] [--share 0.25] [--connections 64]
Needs h2load (Debian's nghttp2-client), which asks for the hits over HTTP/2: a connection that waits for answers goes on asking, so a late
answer delays no other request. The most hits a second is what it gets without a rate, and how many misses can be made (w_1200, AVIF) what as
many clients get as there are processors. Then `--times` as many distinct misses, and `--share` of the most hits, are asked for at once.
Prints what is promised beside what came out; ends with 1 if a promise is broken.
"""
import argparse, asyncio, os, pathlib, subprocess, sys, tempfile, time
from common import BINARY, Server, fetch, percentile

HIT = "/r/pics/w_300,f_webp/0.jpg"
CONFIG = "images: { memory_budget: 256MiB }\ncache: { memory: 64MiB }\n"
CONFIGURED_MB = (256 + 64) * 1.048576


def miss(number):
    """Each is another crop, so none is shared."""
    return f"/r/pics/ex_{number % 200}:{number // 200}:2000:1500,w_1200,f_avif/0.jpg"


async def closed_loop(number, clients, seconds):
    """How many misses a second are made when each client waits for its own."""
    done, begun = [], time.perf_counter()

    async def one(first):
        at = first
        while time.perf_counter() - begun < seconds:
            done.append(await fetch(number, miss(at)))
            at += clients

    await asyncio.gather(*(one(100_000 + n) for n in range(clients)))
    assert all(status == 200 for status, _ in done), done
    return len(done) / (time.perf_counter() - begun)


async def open_loop(number, rate, seconds):
    tasks, begun, sent = [], time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < seconds:
        while sent < now * rate:
            tasks.append(asyncio.create_task(fetch(number, miss(sent))))
            sent += 1
        await asyncio.sleep(0.002)
    return await asyncio.gather(*tasks)


class Hits:
    """A running h2load; without a rate it asks for as many as it gets."""

    def __init__(self, port, seconds, connections, rate=None):
        self.seconds, self.rate = seconds, rate
        self.log = tempfile.NamedTemporaryFile()
        pace = [f"--rps={rate / connections:.2f}", "-m", "100"] if rate else ["-m", "1"]
        command = ["h2load", "-p", "h2c", "-c", str(connections), "-D", str(seconds), *pace, f"--log-file={self.log.name}",
                   f"http://127.0.0.1:{port}{HIT}"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def told(self):
        """How many were served, how many were asked for, and p50 and p99 of the served in milliseconds."""
        assert self.process.wait() == 0
        rows = [line.split("\t") for line in open(self.log.name)]
        times = [int(took) / 1000 for _, status, took in rows if status == "200"]
        return len(times), len(rows), percentile(times, .5), percentile(times, .99)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--times", type=float, default=20)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    kept = []

    def promise(name, held, text):
        kept.append(held)
        print(f"{'ok    ' if held else 'BROKEN'} {name}: {text}", flush=True)

    with Server(options.binary, CONFIG, [("0.jpg", options.photo)]) as server:
        assert asyncio.run(fetch(server.port, HIT))[0] == 200
        most = Hits(server.port, 5, options.connections).told()[0] / 5
        rate = most * options.share
        _, _, idle50, idle99 = Hits(server.port, 10, options.connections, rate).told()
        capacity = asyncio.run(closed_loop(server.port, os.cpu_count(), 10))
        print(f"at most {most:.0f} hits/s, {rate:.0f}/s alone: p50 {idle50:.2f} ms, p99 {idle99:.2f} ms; {capacity:.1f} misses/s can be made,"
              f" {capacity * options.times:.0f}/s are asked for during {options.seconds} s", flush=True)
        beside = Hits(server.port, options.seconds, options.connections, rate)
        missed = asyncio.run(open_loop(server.port, capacity * options.times, options.seconds))
        begun = time.perf_counter()
        served, asked, p50, p99 = beside.told()
        number = 200_000
        while (status := asyncio.run(fetch(server.port, miss(number)))[0]) != 200:
            assert status == 503, status
            number += 1
            time.sleep(0.05)
        recovery = time.perf_counter() - begun
        _, _, after50, after99 = Hits(server.port, 5, options.connections, rate).told()
        of = lambda want: [took * 1000 for status, took in missed if status == want]
        kinds = {status: len(of(status)) for status in sorted({status for status, _ in missed})}
        peak = server.memory_mb("VmHWM")
    promise("hits served", served / asked >= 0.999, f"{served / asked:.3%} of {asked}, {asked / options.seconds:.0f}/s of the {rate:.0f}/s that were wanted")
    promise("hits' p99 at most 5 x that of an idle server", p99 <= 5 * idle99, f"p50 {p50:.2f}, p99 {p99:.2f} ms = {p99 / idle99:.1f} x")
    promise("misses are made or refused, nothing else", set(kinds) <= {200, 503}, f"{kinds}; made ones p50 {percentile(of(200), .5):.0f} ms, p99 {percentile(of(200), .99):.0f} ms")
    promise("refusals' p99 under 50 ms", percentile(of(503), .99) < 50, f"p50 {percentile(of(503), .5):.1f}, p99 {percentile(of(503), .99):.1f} ms")
    promise("peak memory at most what is configured + 20 %", peak <= CONFIGURED_MB * 1.2, f"{peak:.0f} MB of {CONFIGURED_MB:.0f} MB configured")
    promise("a miss is made within 2 s of the end", recovery < 2, f"{recovery:.2f} s; hits then p50 {after50:.2f}, p99 {after99:.2f} ms")
    sys.exit(0 if all(kept) else 1)


if __name__ == "__main__":
    main()
