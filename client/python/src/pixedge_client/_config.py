"""Which server, who one is there, and where the cache lies. The file is the one of the command `pixedge-client`."""

import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ._failure import Failure

REVALIDATE = 3600
PATIENCE = 60


@dataclass(frozen=True)
class Config:
    server: str
    key: str | None
    username: str | None
    password: str | None
    cache: Path | None
    # Seconds for which the cache is believed without asking the server.
    revalidate: float
    # Seconds for which one request may be put off by a server that is busy.
    patience: float

    def account(self):
        """Whose the rows of the cache are; the command `pixedge-client` writes the same."""
        if self.key:
            who = "key:" + hashlib.sha256(self.key.encode()).hexdigest()[:16]
        elif self.username and self.password is not None:
            who = "user:" + self.username
        else:
            who = "anyone"
        return f"{self.server} {who}"


def load():
    """The configuration as it is now."""
    stored = _stored()
    of_file = (stored.get("server") or "").rstrip("/")
    server = (os.environ.get("PIXEDGE_SERVER") or of_file).rstrip("/")
    if not server.startswith(("http://", "https://")):
        raise Failure("no server is configured: run `pixedge-client login`, or set PIXEDGE_SERVER and PIXEDGE_KEY")
    # Credentials are for the server that they were made for.
    if server != of_file:
        stored = {name: value for name, value in stored.items() if name not in ("key", "username", "password")}
    key = os.environ.get("PIXEDGE_KEY") or stored.get("key")
    cache = os.environ.get("PIXEDGE_CLIENT_CACHE") or stored.get("cache") or _usual("XDG_CACHE_HOME", "LOCALAPPDATA", ".cache", "client.db")
    return Config(
        server=server,
        key=key,
        username=stored.get("username"),
        password=stored.get("password"),
        cache=None if cache in (None, "off") else Path(cache),
        revalidate=float(stored.get("revalidate", REVALIDATE)),
        patience=float(stored.get("patience", PATIENCE)),
    )


def _stored():
    named = os.environ.get("PIXEDGE_CLIENT_CONFIG")
    if named:
        return _read(Path(named))
    usual = _usual("XDG_CONFIG_HOME", "APPDATA", ".config", "client.json")
    candidates = [usual] if usual else []
    if not os.environ.get("PIXEDGE_SERVER"):
        candidates += _old_places()
    for path in candidates:
        if path.is_file():
            return _read(path)
    return {}


def _old_places():
    """Where programs of image_proxy_project have their configuration: beside themselves or one folder up."""
    here = Path.cwd()
    program = Path(sys.argv[0]).resolve().parent if sys.argv and sys.argv[0] else here
    for folder in (here, here.parent, program, program.parent):
        yield folder / "config" / "config.json"
        yield folder / "image_proxy_project" / "config" / "config.json"


def _read(path):
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Failure(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise Failure(f"{path}: is no JSON: {error}") from error
    if not isinstance(stored, dict):
        raise Failure(f"{path}: is no JSON object")
    if isinstance(stored.get("server"), dict):
        return _of_old(stored, path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise Failure(f"{path}: others can read the credentials in it: chmod 600 {path}")
    return stored


def _of_old(old, path):
    """`server.domain`, `server.port` and the first of `users`."""
    domain = str(old["server"].get("domain") or "").rstrip("/")
    port = old["server"].get("port")
    if not domain:
        raise Failure(f"{path}: `server.domain` is missing")
    if "://" in domain:
        server = domain
    elif port in (None, 80):
        server = f"http://{domain}"
    elif port == 443:
        server = f"https://{domain}"
    else:
        server = f"http://{domain}:{port}"
    users = old.get("users") or [{}]
    return {"server": server, "username": users[0].get("username"), "password": users[0].get("password")}


def _usual(unix, windows, below_home, name):
    if os.name == "nt":
        folder = os.environ.get(windows)
    else:
        folder = os.environ.get(unix)
        if not folder or not os.path.isabs(folder):
            home = os.environ.get("HOME")
            folder = home and os.path.join(home, below_home)
    return Path(folder) / "pixedge" / name if folder else None
