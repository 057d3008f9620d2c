"""An upload: what the cache knows is not asked, what the server has is not sent."""

import hashlib
import os
from datetime import datetime

from . import _config
from ._api import Api
from ._cache import Cache, now_ms
from ._failure import Denied, Failure, NotFound, Refused, Unreachable

PIECE = 256 * 1024
# Files above this are held against the server's limit before they are sent.
LARGE = 4 << 20
# Addresses of private pictures end within a day.
LONGEST_PRIVATE = 12 * 3600


def get_image_url(file_path):
    """The picture's URL on the server, or `None`, whatever went wrong. Sends the file only if the server lacks it."""
    try:
        url = upload_or_get(file_path).get("url")
        return url if isinstance(url, str) else None
    except Exception:  # noqa: BLE001 - callers were promised that nothing is raised
        return None


def upload_or_get(file_path):
    """What the server knows of the picture, which is sent to it if it lacks it; `{"error": text}` where that failed."""
    try:
        path = os.fspath(file_path)
        if not os.path.isfile(path):
            return {"error": f"文件不存在: {path}"}
        return _upload_or_get(path)
    except Denied as denied:
        return {"error": str(denied)}
    except Exception as error:  # noqa: BLE001 - callers were promised a dict
        return {"error": f"上传失败: {error}"}


def _upload_or_get(path):
    config = _config.load()
    md5, sha256, size = _hashes(path)
    if size == 0:
        raise Failure(f"{path} is empty")
    api = Api(config)
    cache = Cache(config.cache, config.account())
    try:
        try:
            known = _known(api, cache, config, md5, sha256)
        except Denied:
            raise
        except Failure as failure:
            return {"error": f"查询图片信息失败: {failure}"}
        if known is not None:
            return _told("existing", known)
        image = _send(api, path, sha256, size)
        if image["sha256"] != sha256:
            with api.open("DELETE", f"/v1/images/{image['id']}"):
                pass
            raise Failure(f"{path} was changed while it was sent; nothing was kept")
        cache.put(image, _milliseconds(image.get("expires_at")))
        return _told("existing" if image.get("duplicate") else "uploaded", image)
    finally:
        cache.close()


def _known(api, cache, config, md5, sha256):
    """What the cache knows and still may say, or else what the server has; `None` if it has nothing."""
    now = now_ms()
    image = None
    found = cache.find(md5)
    if found is not None:
        image, expires_at, checked_at = found
        if image.get("sha256") != sha256 or (expires_at is not None and expires_at <= now):
            image = None
    if image is not None:
        age = (now - checked_at) / 1000
        is_private = image.get("visibility") != "public"
        longest = min(config.revalidate, LONGEST_PRIVATE) if is_private else config.revalidate
        if 0 <= age < longest:
            return image
        if is_private and not 0 <= age < LONGEST_PRIVATE:
            # Nothing to fall back to: its address may have ended.
            image = None
    try:
        answer = api.json("GET", f"/v1/images/by-hash/{sha256}")
    except NotFound:
        cache.forget(md5)
        return None
    except Unreachable:
        if image is None:
            raise
        return image
    except Denied as denied:
        # Nobody looks up with a key that may only upload; the server tells then.
        if denied.code == "missing_scope":
            return None
        raise
    cache.put(answer, _milliseconds(answer.get("expires_at")))
    return answer


def _send(api, path, sha256, size):
    if size > LARGE:
        with api.open("OPTIONS", "/v1/uploads") as response:
            most = response.headers.get("Tus-Max-Size", "")
        if most.isdigit() and size > int(most):
            raise Refused(f"{path} has {size} bytes, and the server takes {most} at most (too_many_bytes)")
    # No file holds its own hash in hexadecimal digits.
    boundary = f"pixedge-{sha256[:32]}"
    name = os.path.basename(path).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode("utf-8", "replace")
    tail = f"\r\n--{boundary}--\r\n".encode()

    def body():
        yield head
        left = size
        with open(path, "rb") as file:
            while left > 0 and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
        yield tail

    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    return api.json("POST", "/v1/images", headers, body, len(head) + size + len(tail))["images"][0]


def _hashes(path):
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    with open(path, "rb") as file:
        while piece := file.read(PIECE):
            md5.update(piece)
            sha256.update(piece)
            size += len(piece)
    return md5.hexdigest(), sha256.hexdigest(), size


def _told(status, image):
    expires_at = _milliseconds(image.get("expires_at"))
    return {
        "status": status,
        "url": image["url"],
        "name": image["name"],
        "width": image.get("width"),
        "height": image.get("height"),
        "access_count": image.get("views", 0),
        "expire_at": None if expires_at is None else expires_at // 1000,
        "md5": image["md5"],
        "id": image["id"],
    }


def _milliseconds(text):
    if text is None:
        return None
    # Python 3.10 knows no `Z`.
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
