"""PostgreSQL and MariaDB for the load scripts: a server of their own in a temporary folder, as a user without rights."""
import os, pathlib, shutil, signal, subprocess, tempfile, time

from common import port

NAMES = ["sqlite", "postgres", "mariadb"]
NOBODY = 65534


def _program(name):
    versions = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(versions[-1]) if versions else shutil.which(name) or shutil.which(name, path="/usr/sbin")


class Engine:
    """`url` is None for SQLite. Servers have the memory of a small installation (256 MB) and otherwise their own defaults."""

    def __init__(self, name):
        self.name, self.url, self.process = name, None, None
        if name == "sqlite":
            return
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.port = port()
        if os.geteuid() == 0:
            os.chown(self.folder, NOBODY, NOBODY)
        getattr(self, f"_{name}")()

    def _run(self, *command):
        subprocess.run(command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=(self.folder / "log").open("a"), **self._user())

    def _serve(self, *command):
        log = (self.folder / "log").open("a")
        self.process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, **self._user())

    def _user(self):
        return {"user": NOBODY, "group": NOBODY} if os.geteuid() == 0 else {}

    def _postgres(self):
        data = self.folder / "data"
        self._run(_program("initdb"), "-U", "pixedge", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D", data)
        self._serve(_program("postgres"), "-D", data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self.folder,
                    "-c", "shared_buffers=256MB", "-c", "max_wal_size=2GB")
        self._until(lambda: self.sql("SELECT 1"))
        self.sql("CREATE DATABASE pixedge")
        self.url = f"postgres://pixedge@127.0.0.1:{self.port}/pixedge"

    def _mariadb(self):
        (self.folder / "init.sql").write_text("CREATE DATABASE IF NOT EXISTS pixedge;\nCREATE USER IF NOT EXISTS pixedge@'%' IDENTIFIED BY 'word';\n"
                                              "GRANT ALL ON *.* TO pixedge@'%';\n")
        self._run("mariadb-install-db", "--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", f"--datadir={self.folder}/data")
        self._serve(_program("mariadbd"), "--no-defaults", f"--datadir={self.folder}/data", f"--port={self.port}", "--bind-address=127.0.0.1",
                    f"--socket={self.folder}/socket", "--skip-log-bin", "--innodb-buffer-pool-size=256M", f"--init-file={self.folder}/init.sql")
        self._until(lambda: self.sql("SELECT 1"))
        self.url = f"mysql://pixedge:word@127.0.0.1:{self.port}/pixedge"

    def sql(self, text, database=None):
        if self.name == "postgres":
            command = [_program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "pixedge", "-d", database or "postgres", "-Atc", text]
        else:
            command = ["mariadb", "--no-defaults", "-h", "127.0.0.1", "-P", str(self.port), "-u", "pixedge", "--password=word", "-N", "-e", text]
            command += [database] if database else []
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def _until(self, works):
        for _ in range(600):
            try:
                return works()
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise SystemExit((self.folder / "log").read_text())

    def settle(self):
        """What its own upkeep would have done by and by since a million rows came."""
        if self.name == "postgres":
            self.sql("VACUUM ANALYZE", "pixedge")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.send_signal(signal.SIGINT if self.name == "postgres" else signal.SIGTERM)
            self.process.wait(60)
            shutil.rmtree(self.folder)
