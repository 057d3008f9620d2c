"""The server's database as a file, for administrators."""

import os
import sys

from . import _config
from ._api import Api
from ._failure import Denied, Failure


def download_backup(path="images_server.db", full=False):
    """Saves it, whole or not at all: `{"path", "bytes"}`, or `{"error": text}`. `full` has the secrets in it that a
    restored server needs."""
    part = f"{os.fspath(path)}.part"
    try:
        with Api(_config.load()).open("GET", "/v1/admin/backup" + ("?full=true" if full else "")) as response:
            size = _copy(response, part)
        os.replace(part, path)
        return {"path": os.fspath(path), "bytes": size}
    except Denied as denied:
        return {"error": str(denied)}
    except Exception as error:  # noqa: BLE001 - callers were promised a dict
        return {"error": f"下载失败: {error}"}
    finally:
        if os.path.exists(part):
            os.remove(part)


def _copy(response, part):
    announced = response.headers.get("Content-Length")
    size = 0
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        while piece := response.read(256 * 1024):
            if size == 0 and not piece.startswith(b"SQLite format 3\0"):
                raise Failure("what the server sends as a backup is no SQLite file")
            size += len(piece)
            file.write(piece)
    if size == 0 or (announced is not None and int(announced) != size):
        raise Failure("the backup ended early")
    return size


def main():
    done = download_backup(*sys.argv[1:2])
    if "error" in done:
        print(done["error"], file=sys.stderr)
        return 1
    print(done["path"])
    return 0
