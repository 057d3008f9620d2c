#!/usr/bin/env python3
"""Our AVIF encoder beside sharp's at equal ssimulacra2: bytes and CPU of the encoding alone, between the two qualities
that enclose the score. Both get the same pixels (sharp's resize), one thread each, 4:2:0 unless said otherwise.
usage: avif.py [--widths 300,1200] [--score 70] [--binary TOOL] FILE…      Needs node; installs sharp from npm."""
import argparse, pathlib, statistics, sys
from sides import Bench, at

ENCODERS = {
    "sharp e0": ("sharp", "avif", 0),
    "sharp e4": ("sharp", "avif", 4),
    "ours s9": ("ours", "avif", 9, "420"),
    "ours s8": ("ours", "avif", 8, "420"),
    "ours s8 444": ("ours", "avif", 8, "444"),
    "ours s7": ("ours", "avif", 7, "420"),
    "ours s6": ("ours", "avif", 6, "420"),
}
QUALITIES = [30, 40, 50, 60, 70, 80]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--widths", default="300,1200")
    parser.add_argument("--score", type=float, default=70)
    parser.add_argument("--binary", help="a tool that is built already")
    parser.add_argument("--only", default=",".join(ENCODERS))
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    bench = Bench(args.binary)
    names = args.only.split(",")
    for width in map(int, args.widths.split(",")):
        rows = {}
        for photo in args.files:
            reference = bench.reference(photo, width)
            for name in names:
                points = [bench.measure(reference, ENCODERS[name], q, 3 if width <= 400 else 1) for q in QUALITIES]
                rows.setdefault(photo, {})[name] = (at(points, args.score, 1), at(points, args.score, 0))
        print(f"\n{width} px, ssimulacra2 {args.score:g}: bytes / CPU ms\n\n| photograph | " + " | ".join(names) + " |")
        print("|---" * (len(names) + 1) + "|")
        for photo, row in rows.items():
            cells = [f"{b:.0f} / {ms:.1f}" if b else "–" for b, ms in row.values()]
            print(f"| {pathlib.Path(photo).name} | " + " | ".join(cells) + " |")
        for base in names[:2]:
            cells = []
            for name in names:
                pairs = [(row[name], row[base]) for row in rows.values() if row[name][0] and row[base][0]]
                ratio = lambda i: statistics.median(a[i] / b[i] for a, b in pairs) if pairs else float("nan")
                cells.append(f"{ratio(0):.2f} / {ratio(1):.2f}")
            print(f"| median ratio to {base} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
