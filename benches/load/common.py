"""What the load scripts share: a server of their own, CPU by its scheduler, and a small client."""
import asyncio, http.client, os, pathlib, shutil, signal, socket, subprocess, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = ROOT / "target/release/pixedge"


def port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def get(number, path):
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()


class Server:
    """pixedge over a folder source `pics` that may be asked for everything, in a folder of its own."""

    def __init__(self, binary, config="", copies=(), demo=False):
        self.work = pathlib.Path(tempfile.mkdtemp())
        (self.work / "pics").mkdir()
        for name, photo in copies:
            shutil.copy(photo, self.work / "pics" / name)
        (self.work / "config.yaml").write_text(
            "sources: { pics: { scheme: fs, root: pics, unsigned: open } }\n"
            "limits: { per_address: null, per_key: null }\n" + config)
        self.port = port()
        self.process = subprocess.Popen(
            [binary, "serve", "--config", self.work / "config.yaml", "--listen", f"127.0.0.1:{self.port}", *(["--demo"] if demo else [])],
            stdout=subprocess.DEVNULL, stderr=(self.work / "log").open("w"))
        for _ in range(400):
            try:
                get(self.port, "/healthz")
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit((self.work / "log").read_text())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(40)
        shutil.rmtree(self.work)

    def cpu_ms(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e6

    def memory_mb(self, field):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) / 1000

    def counter(self, name):
        text = get(self.port, "/metrics")[1].decode()
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(f"pixedge_{name}"))


async def fetch(number, path, timeout=60):
    """Status and seconds of one request on a connection of its own."""
    begun = time.perf_counter()

    async def go():
        reader, writer = await asyncio.open_connection("127.0.0.1", number)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        return int(answer.split(b" ", 2)[1]) if answer else 0

    try:
        status = await asyncio.wait_for(go(), timeout)
    except (OSError, asyncio.TimeoutError):
        status = 0
    return status, time.perf_counter() - begun


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))] if values else float("nan")
