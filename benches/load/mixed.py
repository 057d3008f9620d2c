#!/usr/bin/env python3
"""Whether memory stops growing: thousands of different transforms of pictures of all formats, and what is resident after each part.

usage: benches/load/mixed.py PICTURE… [--binary …] [--count 4000] [--clients 16]
Every request is another one, so that everything is made; the cache in memory is small and the bitmap cache off.
"""
import argparse, asyncio, pathlib, random
from common import BINARY, Server, fetch

SPECS = ["w_{w},f_{f}", "w_{w},h_{w},c_fill,g_auto,f_{f}", "w_{w},a_{a},b_blur,f_{f}", "ex_0.1:0.2:0.5:0.6,w_{w},blur_3,f_{f}",
         "w_{w},gray,sharp_1,f_{f}", "trim,w_{w},r_20,f_{f}", "w_{w},h_{w},c_pad,b_auto,l_text:~SGVsbG8,f_{f}", "w_{w},f_{f},q_40", "w_{w},sat_1.5,hue_40,bo_3:c00,f_{f}"]
FORMATS = ["webp", "webp", "jpg", "jpg", "avif", "png", "gif", "tiff"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=pathlib.Path)
    parser.add_argument("--binary", default=BINARY)
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    copies = [(f"{n}{file.suffix}", file) for n, file in enumerate(options.pictures)]
    dice = random.Random(1)
    paths = []
    for number in range(options.count):
        spec = dice.choice(SPECS).format(w=40 + number * 7 % 760, f=dice.choice(FORMATS), a=number % 90 + 0.5)
        paths.append(f"/r/pics/{spec}/-/{dice.choice(copies)[0]}")
    config = "cache: { memory: 32MiB }\nimages: { bitmap_cache: 0, queue: 120s, timeout: 60s }\n"
    with Server(options.binary, config, copies) as server:
        print(f"start: {server.memory_mb('VmRSS'):.0f} MB")
        parts = 8
        for part in range(parts):
            left = paths[part * len(paths) // parts:(part + 1) * len(paths) // parts]
            statuses = []

            async def client():
                while left:
                    statuses.append((await fetch(server.port, left.pop(), 120))[0])

            async def load():
                await asyncio.gather(*(client() for _ in range(options.clients)))

            asyncio.run(load())
            refused = {status: statuses.count(status) for status in set(statuses) - {200}}
            print(f"after {(part + 1) * len(paths) // parts}: {server.memory_mb('VmRSS'):.0f} MB, peak {server.memory_mb('VmHWM'):.0f} MB {refused or ''}", flush=True)


main()
