#!/usr/bin/env python3
"""CPU of the eight widths of a srcset asked together, over that of the largest alone.

usage: benches/load/srcset.py PHOTO.jpg [--binary target/release/pixedge] [--rounds 7] [--widths 320,480,…]
Each round asks a fresh copy of the photo for the largest width, and another copy for all widths at once. Prints server CPU
milliseconds, and reads, decodes and encodes by the server's own counters.
"""
import argparse, http.client, os, pathlib, shutil, signal, socket, statistics, subprocess, tempfile, threading, time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def cpu_ms(pid):
    """From the scheduler, in nanoseconds, of all threads that live."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e6


def get(number, path):
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


def counters(number):
    text = get(number, "/metrics")[1].decode()
    count = lambda name: sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))
    return [count(f"pixedge_{name}_total") for name in ("source_reads", "decodes", "encodes")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=pathlib.Path)
    parser.add_argument("--binary", default=ROOT / "target/release/pixedge")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--widths", default="320,480,640,800,960,1280,1600,1920")
    options = parser.parse_args()
    widths = [int(width) for width in options.widths.split(",")]
    work = pathlib.Path(tempfile.mkdtemp())
    (work / "pics").mkdir()
    for n in range(2 * options.rounds + 1):
        shutil.copy(options.photo, work / f"pics/{n}.jpg")
    (work / "config.yaml").write_text("sources: { pics: { scheme: fs, root: pics, unsigned: open } }\ncache: { disk: 0 }\n")
    number = port()
    server = subprocess.Popen([options.binary, "serve", "--config", work / "config.yaml", "--listen", f"127.0.0.1:{number}"],
                              stdout=subprocess.DEVNULL, stderr=(work / "log").open("w"))
    try:
        for _ in range(200):
            try:
                get(number, "/healthz")
                break
            except OSError:
                time.sleep(0.05)
        url = lambda n, width: f"/r/pics/w_{width},q_80,f_webp/{n}.jpg"

        def spent(n, asked):
            before, counted = cpu_ms(server.pid), counters(number)
            statuses = []
            barrier = threading.Barrier(len(asked))
            def one(width):
                barrier.wait()
                statuses.append(get(number, url(n, width))[0])
            threads = [threading.Thread(target=one, args=(width,)) for width in asked]
            [t.start() for t in threads]
            [t.join() for t in threads]
            assert statuses == [200] * len(asked), statuses
            cpu = cpu_ms(server.pid) - before
            return cpu, [b - a for a, b in zip(counted, counters(number))]

        spent(2 * options.rounds, widths[:1])
        ratios = []
        for n in range(options.rounds):
            alone, _ = spent(2 * n, [max(widths)])
            together, counted = spent(2 * n + 1, widths)
            ratios.append(together / alone)
            print(f"{max(widths)} alone {alone:7.1f} ms   all {together:7.1f} ms   {together / alone:.2f} x   "
                  f"reads {counted[0]:.0f} decodes {counted[1]:.0f} encodes {counted[2]:.0f}")
        print(f"median of ratios: {statistics.median(ratios):.2f}")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
