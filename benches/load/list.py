#!/usr/bin/env python3
"""How long a page of a list takes out of a million images, on each engine, for four clients at once.

usage: benches/load/list.py [--binary target/release/pixedge] [--images 1000000] [--engines sqlite,postgres,mariadb] [--requests 200]
Needs PostgreSQL and MariaDB for their engines. The account that asks has half of the images. Prints p50 and p99 in
milliseconds for every list; ends with 1 if a p99 is above --limit.
"""
import argparse, asyncio, datetime, json, pathlib, subprocess, sys, tempfile, time, urllib.parse
from common import BINARY, Server, get, percentile
from engines import Engine, NAMES

CLIENTS = 4


class Client:
    """One connection that stays open."""

    def __init__(self, number, token):
        self.number, self.token, self.pair = number, token, None

    async def get(self, path):
        if self.pair is None:
            self.pair = await asyncio.open_connection("127.0.0.1", self.number)
        reader, writer = self.pair
        begun = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = await reader.readexactly(length)
        took = time.perf_counter() - begun
        status = int(head.split()[1])
        assert status == 200, (path, status, body[:300])
        return json.loads(body), took

    def close(self):
        if self.pair:
            self.pair[1].close()


def post(number, path, body):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 300, text
    return json.loads(text)


def day(days):
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def lists(albums, everybody):
    """Names and paths; `*` goes through the pages by cursor."""
    month = f"from={day(400)}&to={day(370)}"
    years = f"from={day(1500)}&to={day(100)}"
    large, middle, small = albums
    rows = [("first page", ""), ("first page of 500", "limit=500"), ("pages by cursor", "*"), ("page 500", "page=500"), ("page 5000", "page=5000"),
            ("page 500 of 100", "page=500&limit=100")]
    rows += [(f"by {sort}", f"sort={sort}") for sort in ["oldest", "name", "size", "views"]]
    rows += [(f"by {sort}, by cursor", f"*sort={sort}") for sort in ["oldest", "name", "size", "views"]]
    rows += [(f"by {sort}, page 500", f"sort={sort}&page=500") for sort in ["oldest", "name", "size", "views"]]
    for what, album in [("large", large), ("middle", middle), ("small", small)]:
        rows += [(f"{what} album", f"album={album}"), (f"{what} album, its order", f"album={album}&sort=album"),
                 (f"{what} album, by size", f"album={album}&sort=size")]
    rows += [("large album, page 500", f"album={large}&page=500"), ("large album, its order, by cursor", f"*album={large}&sort=album")]
    for what, tag in [("common", "tag babale"), ("rare", "tag wukole")]:
        tag = urllib.parse.quote(tag)
        rows += [(f"{what} tag", f"tag={tag}"), (f"{what} tag, by cursor", f"*tag={tag}"), (f"{what} tag, by views", f"tag={tag}&sort=views"),
                 (f"{what} tag, by name", f"tag={tag}&sort=name"), (f"{what} tag, page 500", f"tag={tag}&page=500")]
    rows += [("a month", month), ("a month, by size", f"{month}&sort=size"), ("a month, by views", f"{month}&sort=views"), ("a month, by name", f"{month}&sort=name"),
             ("four years", years), ("four years, by size", f"{years}&sort=size"), ("format", "format=avif"), ("format, by size", "format=avif&sort=size"),
             ("format, by name", "format=gif&sort=name"), ("visibility", "visibility=private"), ("visibility, by views", "visibility=private&sort=views"),
             ("size range", "min_bytes=100000&max_bytes=110000"), ("size range, by size", "min_bytes=100000&max_bytes=110000&sort=size"),
             ("narrow size range", "min_bytes=100000&max_bytes=100020"), ("no such size", "min_bytes=900000000")]
    for what, q in [("common word", "babale"), ("every word", "tag"), ("rare word", "babari"), ("a number", "123456"), ("beginning", "bak*"),
                    ("two words", "babale kobale"), ("common and rare", "jpg babari"), ("no such word", "nothere"), ("Chinese", "夏天"), ("one character", "山")]:
        q = urllib.parse.quote(q, safe="*")
        rows += [(f"search, {what}", f"q={q}"), (f"search, {what}, by size", f"q={q}&sort=size"), (f"search, {what}, by name", f"q={q}&sort=name")]
    rows += [("tag, word and month", f"tag={urllib.parse.quote('tag babale')}&q=kobale&{month}"), ("tag, format", f"tag={urllib.parse.quote('tag babale')}&format=avif")]
    rows = [(name, "/v1/images", query) for name, query in rows]
    rows += [("trash", "/v1/trash", ""), ("trash, by size", "/v1/trash", "sort=size"), ("trash, page 100", "/v1/trash", "page=100"), ("albums", "/v1/albums", ""), ("tags", "/v1/tags", "")]
    if everybody:
        rows = [("first page", "/v1/images", "owner=all"), ("page 500", "/v1/images", "owner=all&page=500"), ("page 10000", "/v1/images", "owner=all&page=10000"),
                ("by cursor", "/v1/images", "*owner=all"), ("a month", "/v1/images", f"owner=all&{month}"), ("a month, by size", "/v1/images", f"owner=all&{month}&sort=size"),
                ("size range", "/v1/images", "owner=all&min_bytes=100000&max_bytes=110000")]
        rows += [(f"by {sort}", "/v1/images", f"owner=all&sort={sort}") for sort in ["oldest", "size", "views"]]
        rows += [(f"by {sort}, page 500", "/v1/images", f"owner=all&sort={sort}&page=500") for sort in ["oldest", "size", "views"]]
        rows += [("trash", "/v1/trash", "owner=all"), ("accounts", "/v1/admin/users", ""), ("jobs", "/v1/admin/jobs", ""), ("audit", "/v1/admin/audit", "")]
        rows = [(f"everybody's: {name}", path, query) for name, path, query in rows]
    return rows


async def measure(clients, path, query, requests):
    times, total = [], None

    async def one(client):
        nonlocal total
        cursor = None
        for _ in range(requests // CLIENTS):
            url = f"{path}?{query.lstrip('*')}"
            if query.startswith("*") and cursor:
                url += f"&cursor={cursor}"
            answer, took = await client.get(url)
            times.append(took * 1000)
            meta = answer.get("meta", {})
            cursor, total = meta.get("next"), meta.get("total", total)

    await clients[0].get(f"{path}?{query.lstrip('*')}")
    await asyncio.gather(*(one(client) for client in clients))
    return percentile(times, 0.5), percentile(times, 0.99), max(times), total


async def all_lists(number, token, everybody, options, results, engine):
    clients = [Client(number, token) for _ in range(CLIENTS)]
    albums = []
    if not everybody:
        answer, _ = await clients[0].get("/v1/albums?limit=100")
        by_size = sorted(answer["albums"], key=lambda album: -album["images"])
        albums = [by_size[at]["id"] for at in (0, len(by_size) // 2, -1)]
    for name, path, query in lists(albums or ["", "", ""], everybody):
        if options.only and options.only not in name:
            continue
        try:
            p50, p99, most, total = await measure(clients, path, query, options.requests)
        except AssertionError as error:
            print(f"{engine:9} {name:42} FAILED {error}", flush=True)
            results.setdefault(name, {})[engine] = (float("nan"), float("inf"))
            continue
        results.setdefault(name, {})[engine] = (p50, p99)
        slow = "  <-- SLOW" if p99 > options.limit else ""
        print(f"{engine:9} {name:42} p50 {p50:7.1f}  p99 {p99:7.1f}  most {most:7.1f} ms  total {total}{slow}", flush=True)
    for client in clients:
        client.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--engines", default=",".join(NAMES))
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--limit", type=float, default=100.0)
    parser.add_argument("--only", help="lists whose name holds this")
    parser.add_argument("--hold", action="store_true", help="wait for a line on standard input before the end, to look at plans")
    options = parser.parse_args()
    results = {}
    for name in options.engines.split(","):
        with Engine(name) as engine, tempfile.TemporaryDirectory() as data:
            place = f"data_dir: {data}\n" + (f"database: {{ url: '{engine.url}' }}\n" if engine.url else "")
            config = pathlib.Path(data) / "seed.yaml"
            config.write_text(place)
            command = [options.binary, "--config", config]
            print(name, engine.url or data, subprocess.run([*command, "dev", "seed", "--images", str(options.images)], check=True, capture_output=True, text=True).stdout.strip(), flush=True)
            engine.settle()
            word = b"a password of length\n"
            subprocess.run([*command, "user", "passwd", "seed-1"], input=word, check=True, capture_output=True)
            subprocess.run([*command, "user", "create", "root", "--role", "admin"], input=word, check=True, capture_output=True)
            with Server(options.binary, place) as server:
                for login, everybody in [("seed-1", False), ("root", True)]:
                    answer = post(server.port, "/v1/login", {"username": login, "password": word.decode().strip()})
                    asyncio.run(all_lists(server.port, answer["access_token"], everybody, options, results, name))
                if options.hold:
                    input("held; Enter ends")
    print("\n| list | " + " | ".join(options.engines.split(",")) + " |\n|---|" + "---|" * len(options.engines.split(",")))
    for name, row in results.items():
        print(f"| {name} | " + " | ".join(f"{p50:.0f} / {p99:.0f}" for p50, p99 in row.values()) + " |")
    slow = [name for name, row in results.items() if any(p99 > options.limit for _, p99 in row.values())]
    sys.exit(f"above {options.limit} ms: {slow}" if slow else 0)


if __name__ == "__main__":
    main()
