"""What is known of one's pictures without asking: an SQLite file that the command `pixedge-client` shares. It is only ever
a cache: what is wrong with it costs requests and fails nothing."""

import json
import os
import sqlite3
import time

# The version of the tables; `client/src/cache.rs` has the same. A file of another one is begun anew.
VERSION = 1
TABLES = (
    """CREATE TABLE IF NOT EXISTS pictures (
        account TEXT NOT NULL,
        md5 TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        id TEXT NOT NULL,
        url TEXT NOT NULL,
        expires_at INTEGER,
        checked_at INTEGER NOT NULL,
        image TEXT NOT NULL,
        PRIMARY KEY (account, md5)
    ) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS unfinished (
        account TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        wish TEXT NOT NULL,
        location TEXT NOT NULL,
        PRIMARY KEY (account, sha256, wish)
    ) WITHOUT ROWID""",
)


def now_ms():
    return int(time.time() * 1000)


class Cache:
    """The cache of one account; `None` as a path is a cache that knows nothing."""

    def __init__(self, path, account):
        self._account = account
        self._connection = None
        if path is None:
            return
        try:
            self._connection = _open(path)
        except (sqlite3.Error, OSError):
            pass

    def find(self, md5):
        """The picture as the server told of it, when that expires and when it was told, in milliseconds; or `None`."""
        row = self._ask(
            "SELECT image, expires_at, checked_at FROM pictures WHERE account = ? AND md5 = ?", (self._account, md5)
        )
        if not row:
            return None
        try:
            return json.loads(row[0]), row[1], row[2]
        except ValueError:
            return None

    def put(self, image, expires_at):
        kept = {name: value for name, value in image.items() if name not in ("duplicate", "exif")}
        self._ask(
            "INSERT OR REPLACE INTO pictures (account, md5, sha256, id, url, expires_at, checked_at, image)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._account,
                image["md5"],
                image["sha256"],
                image["id"],
                image["url"],
                expires_at,
                now_ms(),
                json.dumps(kept, ensure_ascii=False),
            ),
        )

    def forget(self, md5):
        self._ask("DELETE FROM pictures WHERE account = ? AND md5 = ?", (self._account, md5))

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, statement, values):
        if self._connection is None:
            return None
        try:
            return self._connection.execute(statement, values).fetchone()
        except sqlite3.Error:
            return None


def _open(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connect(path)
    except sqlite3.DatabaseError as error:
        # A file that is locked is neither broken nor ours to remove.
        if isinstance(error, sqlite3.OperationalError):
            raise
        path.unlink()
        return _connect(path)


def _connect(path):
    # Addresses of private pictures are in it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=10, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            connection.execute("DROP TABLE IF EXISTS pictures")
            connection.execute("DROP TABLE IF EXISTS unfinished")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        for table in TABLES:
            connection.execute(table)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection
