#!/usr/bin/env python3
"""Fits the tables of q_auto (src/transform/quality.rs): for each format and width, the number on the codec's own scale with
which photographs reach each class's ssimulacra2 in the median. Encoders run as plans ask for while a person waits; the
scores between two measured numbers are interpolated.
usage: fit.py [--formats jpeg,webp,avif] [--widths 100,300,640,1280] [--binary TOOL] FILE…"""
import argparse, statistics, sys
from sides import Bench

TARGETS = {"best": 82, "good": 74, "eco": 66, "low": 56}
EFFORT = {"jpeg": 0, "webp": 2, "avif": 8}
QUALITIES = [20, 30, 40, 50, 55, 60, 65, 70, 75, 80, 85, 90, 94, 97]


def number(curve, target):
    """Where a rising curve of (q, score) reaches the target."""
    best = curve[0]
    for low, high in zip(curve, curve[1:]):
        best = max(best, high, key=lambda p: p[1])
        if low[1] <= target <= high[1]:
            return low[0] + (high[0] - low[0]) * (target - low[1]) / ((high[1] - low[1]) or 1)
    return 100 if target > best[1] else curve[0][0]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--formats", default="jpeg,webp,avif")
    parser.add_argument("--widths", default="100,300,640,1280")
    parser.add_argument("--binary", help="a tool that is built already")
    parser.add_argument("files", nargs="+")
    args = parser.parse_args()
    bench = Bench(args.binary)
    for form in args.formats.split(","):
        for width in map(int, args.widths.split(",")):
            curves, pixels = [], []
            for photo in args.files:
                reference = bench.reference(photo, width)
                encoder = ("ours", form, EFFORT[form], "420")
                curve, top = [], -1000
                for q in QUALITIES:
                    top = max(top, bench.measure(reference, encoder, q)[2])
                    curve.append((q, top))
                curves.append(curve)
            row = {name: round(statistics.median(number(c, target) for c in curves)) for name, target in TARGETS.items()}
            spread = [round(number(c, TARGETS["good"])) for c in curves]
            print(f"{form} {width} px: {row}   good per photograph: {sorted(spread)}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
