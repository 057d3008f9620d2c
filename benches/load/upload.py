#!/usr/bin/env python3
"""How long an upload of 10 MB takes, as a form and by PUT to a signed URL, from the first byte to the end of the answer.

usage: benches/load/upload.py [--binary target/release/pixedge] [--times 20] [--megabytes 10]
Each picture is another one, as noise in an uncompressed BMP. Ends with 1 if a median is a second or more.
"""
import argparse, http.client, json, os, statistics, struct, sys, time
from common import BINARY, Server


def picture(megabytes):
    width = 1000
    height = megabytes * 1_000_000 // (3 * width)
    size = 3 * width * height
    head = b"BM" + struct.pack("<IHHI", 54 + size, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, size, 0, 0, 0, 0)
    return head + os.urandom(size)


def send(number, method, path, body, headers):
    connection = http.client.HTTPConnection("127.0.0.1", number)
    connection.connect()
    begun = time.perf_counter()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    took = time.perf_counter() - begun
    assert answer.status in (200, 201), (answer.status, text)
    return json.loads(text), took


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=10)
    options = parser.parse_args()
    slow = False
    with Server(options.binary, "auth: { registration: open }\n") as server:
        text = {"content-type": "application/json"}
        made, _ = send(server.port, "POST", "/v1/register", json.dumps({"username": "ana", "password": "password123"}), text)
        bearer = {"authorization": f"Bearer {made['access_token']}"}
        signed, _ = send(server.port, "POST", "/v1/uploads/sign", json.dumps({"once": False}), {**text, **bearer})
        path = signed["url"].split("/", 3)[3]
        for what in ["form", "put"]:
            times, before = [], server.cpu_ms()
            for _ in range(options.times):
                body = picture(options.megabytes)
                if what == "form":
                    head = b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a.bmp"\r\n\r\n'
                    body = head + body + b"\r\n--XyZ--\r\n"
                    _, took = send(server.port, "POST", "/v1/images", body, {**bearer, "content-type": "multipart/form-data; boundary=XyZ"})
                else:
                    _, took = send(server.port, "PUT", f"/{path}", body, {"content-type": "image/bmp"})
                times.append(took * 1000)
            median = statistics.median(times)
            slow |= median >= 1000
            print(f"{what:5} {options.megabytes} MB: median {median:.0f} ms, slowest {max(times):.0f} ms, {(server.cpu_ms() - before) / options.times:.0f} ms CPU each, peak {server.memory_mb('VmHWM'):.0f} MB")
    sys.exit(1 if slow else 0)


if __name__ == "__main__":
    main()
