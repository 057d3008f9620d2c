"""What avif.py and fit.py share: our encoders and sharp as processes that answer a line with a line."""
import json, pathlib, subprocess, tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TOOLS = ROOT / "target/bench-tools"


class Side:
    def __init__(self, command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=TOOLS)

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        assert answer, f"no answer to {words}"
        return answer


def ours(binary=None):
    if not binary:
        made = subprocess.run(["cargo", "bench", "--bench", "quality", "--no-run", "--message-format=json"],
                              cwd=ROOT, check=True, capture_output=True, text=True).stdout
        found = [json.loads(line) for line in made.splitlines() if '"executable"' in line]
        binary = next(m["executable"] for m in found if m["executable"] and m["target"]["name"] == "quality")
    return Side([binary])


def sharp():
    TOOLS.mkdir(parents=True, exist_ok=True)
    if not (TOOLS / "node_modules/sharp").exists():
        subprocess.run(["npm", "install", "--silent", "--no-fund", "--no-audit", "sharp@0.35.5"], cwd=TOOLS, check=True)
    script = TOOLS / "quality.mjs"
    script.write_text((HERE / "sharp.mjs").read_text())
    return Side(["node", str(script)])


class Bench:
    """One folder of references, and every result scored against its own."""

    def __init__(self, binary=None):
        self.ours, self.sharp = ours(binary), sharp()
        self.folder = tempfile.TemporaryDirectory()

    def path(self, name):
        return pathlib.Path(self.folder.name) / name

    def reference(self, photo, width):
        out = self.path(f"{pathlib.Path(photo).stem}-{width}.png")
        if not out.exists():
            self.sharp.ask("prepare", pathlib.Path(photo).resolve(), width, out)
        return out

    def measure(self, reference, encoder, quality, times=1):
        """CPU milliseconds, bytes and score of one encoder: ("ours", format, effort, chroma) or ("sharp", format, effort)."""
        side, form, effort, *chroma = encoder
        out, seen = self.path("result"), self.path("result.png")
        if side == "ours":
            ms, size = self.ours.ask("encode", reference, form, quality, effort, chroma[0], times, out)
        else:
            ms, size = self.sharp.ask("encode", reference, form, quality, effort, times, out)
        self.sharp.ask("decode", out, seen)
        (score,) = self.ours.ask("score", reference, seen)
        return float(ms), int(size), float(score)


def at(points, score, column):
    """The value of a column where a row's score would be this, between its neighbours; points rise in score."""
    points = sorted(points, key=lambda p: p[2])
    for low, high in zip(points, points[1:]):
        if low[2] <= score <= high[2]:
            share = (score - low[2]) / ((high[2] - low[2]) or 1)
            return low[column] + (high[column] - low[column]) * share
    return None
