#!/usr/bin/env python3
"""Hits from memory beside nginx serving the same bytes as a static file with the same headers, in interleaved rounds.

usage: benches/load/hits.py [--binary target/release/pixedge] [--rounds 5] [--seconds 4] [--connections 64]
Needs wrk and nginx. Prints requests/s and CPU microseconds a request for each, and the medians of the ratios.
"""
import argparse, http.client, os, pathlib, re, shutil, signal, socket, statistics, subprocess, tempfile, time
from common import BINARY, port

PATH = "/i/demo/w_420,f_webp,q_80"


def cpu_of(pid):
    """Seconds of a process and its children that still run."""
    total = 0.0
    pids = [pid] + [int(p) for p in subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()]
    for one in pids:
        fields = pathlib.Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def wait_for(address):
    for _ in range(200):
        try:
            socket.create_connection(address, 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nobody listens on {address}")


def get(number, path):
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer, answer.read()


NGINX = """
worker_processes 2; daemon off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {{ image/webp webp; }}
  open_file_cache max=100 inactive=60s;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {dir}; location / {{ {headers} }} }} }}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--no-headers", action="store_true", help="nginx sends its own headers only")
    options = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp())
    work.chmod(0o755)  # nginx changes its user
    ours, theirs = port(), port()
    (work / "config.yaml").write_text("limits: { per_address: null, per_key: null }\nlibrary: { unsigned: open }\n")
    servers = [subprocess.Popen([options.binary, "serve", "--demo", "--config", work / "config.yaml", "--data-dir", work / "data",
                                 "--listen", f"127.0.0.1:{ours}"], stderr=(work / "log").open("w"))]
    try:
        wait_for(("127.0.0.1", ours))
        for _ in range(2):
            answer, body = get(ours, PATH)
        assert answer.status == 200 and "hit; detail=memory" in answer.headers["cache-status"], answer.headers
        (work / "picture.webp").write_bytes(body)
        own = {"content-type", "content-length", "date", "last-modified", "etag", "accept-ranges"}
        headers = "" if options.no_headers else " ".join(
            'add_header %s "%s";' % (name, value.replace('"', '\\"')) for name, value in answer.headers.items() if name.lower() not in own)
        (work / "nginx.conf").write_text(NGINX.format(dir=work, port=theirs, headers=headers))
        servers.append(subprocess.Popen(["nginx", "-c", work / "nginx.conf", "-p", work]))
        wait_for(("127.0.0.1", theirs))
        print(f"{len(body)} bytes, {len(answer.headers)} headers, {options.connections} connections, {os.cpu_count()} CPUs")
        rows = {"pixedge": [], "nginx": []}
        for _ in range(options.rounds):
            for name, server, url in [("pixedge", servers[0], f"http://127.0.0.1:{ours}{PATH}"),
                                      ("nginx", servers[1], f"http://127.0.0.1:{theirs}/picture.webp")]:
                before = cpu_of(server.pid)
                out = subprocess.run(["wrk", "-t2", f"-c{options.connections}", f"-d{options.seconds}s", "--latency", url],
                                     capture_output=True, text=True, check=True).stdout
                cpu = cpu_of(server.pid) - before
                done = int(re.search(r"(\d+) requests in", out)[1])
                rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])
                p99 = re.search(r"99%\s+(\S+)", out)[1]
                assert "Non-2xx" not in out and "Socket errors" not in out, out
                rows[name].append((rate, cpu / done * 1e6))
                print(f"{name:8} {rate:9.0f} requests/s  {cpu / done * 1e6:6.2f} us CPU  p99 {p99}")
        ratio = lambda i: statistics.median(a[i] / b[i] for a, b in zip(rows["pixedge"], rows["nginx"]))
        print(f"median of ratios: {ratio(0):.2f} x requests/s, {ratio(1):.2f} x CPU")
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
            server.wait(20)
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
