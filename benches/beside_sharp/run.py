#!/usr/bin/env python3
"""CPU of pixedge and of sharp on the same pictures, interleaved in one run; prints medians and their ratio.
usage: run.py [--rounds 12] [--width 300] [--format jpeg|webp|png] [--quality 80] FILE…
Needs node; installs sharp from npm into target/bench-tools."""
import argparse, json, pathlib, statistics, subprocess, sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = ROOT / "target/bench-tools"


def build():
    made = subprocess.run(
        ["cargo", "bench", "--bench", "render_loop", "--no-run", "--message-format=json"],
        cwd=ROOT, check=True, capture_output=True, text=True).stdout
    found = [json.loads(line) for line in made.splitlines() if '"executable"' in line]
    return next(m["executable"] for m in found if m.get("target", {}).get("name") == "render_loop" and m["executable"])


def sharp():
    TOOLS.mkdir(parents=True, exist_ok=True)
    if not (TOOLS / "node_modules/sharp").exists():
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", "sharp@0.35.5"], cwd=TOOLS, check=True)
    script = TOOLS / "sharp.mjs"
    script.write_text((HERE / "sharp.mjs").read_text())
    return script


class Side:
    """A process that answers the CPU milliseconds of so many repetitions."""

    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TOOLS)

    def go(self, times):
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        ms, size = self.process.stdout.readline().split()
        return float(ms) / times, int(size)

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--times", type=int, default=5, help="repetitions in a round")
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--format", default="jpeg")
    parser.add_argument("--quality", type=int, default=80)
    parser.add_argument("--binary", help="a render_loop that is built already")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    ours_binary, sharp_script = args.binary or build(), sharp()
    short = {"jpeg": "jpg"}.get(args.format, args.format)
    spec = f"w_{args.width},q_{args.quality},f_{short}"
    print(f"{'file':40} {'ours ms':>9} {'sharp ms':>9} {'ratio':>6} {'ours B':>8} {'sharp B':>8}")
    ratios = []
    for name in args.files:
        path = str(pathlib.Path(name).resolve())
        ours = Side([ours_binary, path, spec])
        peer = Side(["node", str(sharp_script), path, str(args.width), args.format, str(args.quality)])
        pairs = [(ours.go(args.times), peer.go(args.times)) for _ in range(args.rounds + 2)][2:]
        ours.end(), peer.end()
        a, b = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        ratios.append(statistics.median(x[0] / y[0] for x, y in pairs))
        print(f"{pathlib.Path(name).name:40} {a:9.2f} {b:9.2f} {ratios[-1]:6.2f} {pairs[-1][0][1]:8} {pairs[-1][1][1]:8}")
    print(f"median ratio {statistics.median(ratios):.2f} over {len(ratios)} files, {args.rounds} interleaved rounds of {args.times}")


if __name__ == "__main__":
    sys.exit(main())
