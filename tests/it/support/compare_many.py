"""Judges many pictures against their references with the corpus' own comparison; one process, because loading it takes a second.
usage: compare_many.py SHARED LIST    LIST has lines `op TAB shorter side of the source TAB reference TAB candidate TAB trusted or off`
Prints a line for every failure, and for every operation `rate OP passed/all RATE` over trusted references and `whole …` over all."""
import collections, json, pathlib, sys

shared, pairs = pathlib.Path(sys.argv[1]), sys.argv[2]
sys.path.insert(0, str(shared / "tools"))
sys.dont_write_bytecode = True
import compare

thresholds = json.load(open(shared / "corpus/thresholds.json"))["ops"]
target = {"w300": 300, "cover200": 200, "rot90": 100, "gray": 100}
passed, seen = collections.Counter(), collections.Counter()
whole_passed, whole_seen = collections.Counter(), collections.Counter()
for line in open(pairs):
    op, side, reference, candidate, trust = line.rstrip("\n").split("\t")
    trusted = trust == "trusted"
    limit = thresholds[op]["down" if int(side) >= target[op] else "up"]
    seen[op] += trusted
    whole_seen[op] += 1
    try:
        got = compare.best_shift(reference, candidate) if op == "cover200" else compare.measure(reference, candidate)
    except Exception as error:
        print("fail", op, reference, error)
        continue
    if got["psnr"] >= limit["psnr"] and got["ssim"] >= limit["ssim"] and (got["alpha_mae"] or 0) <= limit["alpha_mae"]:
        passed[op] += trusted
        whole_passed[op] += 1
    else:
        print("fail", op, reference, json.dumps(got))
for op in seen:
    print("rate", op, f"{passed[op]}/{seen[op]}", round(passed[op] / seen[op], 4))
for op in seen:
    print("whole", op, f"{whole_passed[op]}/{whole_seen[op]}", round(whole_passed[op] / whole_seen[op], 4))
