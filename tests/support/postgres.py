"""A PostgreSQL server of a test: its own folder, its own port, a password."""

import os
import pwd
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "op:en@ses/äm%e"
_BY_DEBIAN = "/usr/lib/postgresql"


class Server:
    """A server that can be stopped and started again."""

    def __init__(self, folder, programs):
        self._programs = programs
        # PostgreSQL refuses to run as root, and others may not enter pytest's folders.
        self._user = "nobody" if os.getuid() == 0 else None
        self._data = folder / "data"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        if self._user is not None:
            user = pwd.getpwnam(self._user)
            os.chown(folder, user.pw_uid, user.pw_gid)
        secret = folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run("initdb", "--auth=scram-sha-256", "--username=someone", f"--pwfile={secret}")
        secret.unlink()

    @property
    def url(self):
        """The URL of its database, with the password."""
        secret = quote(PASSWORD, safe="")
        return f"postgresql://someone:{secret}@127.0.0.1:{self.port}/postgres"

    @property
    def data(self):
        """The folder with its tables and its log of changes."""
        return self._data

    def start(self):
        options = f"-p {self.port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = self._data / "server.log"
        self._run("pg_ctl", "start", "--wait", f"--log={log}", f"--options={options}")

    def stop(self):
        self._run("pg_ctl", "stop", "--wait", "--mode=immediate")

    def _run(self, program, *arguments):
        line = [str(self._programs / program), "-D", str(self._data), *arguments]
        # Its output would keep a pipe open as long as the server runs.
        done = subprocess.run(
            line, user=self._user, cwd="/", stdout=subprocess.DEVNULL, timeout=60, check=False
        )
        assert done.returncode == 0, line


def server_in(folder):
    """A server that is not started yet; skips where PostgreSQL is not installed."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    found = [*Path(_BY_DEBIAN).glob("*/bin/initdb")]
    if (elsewhere := shutil.which("initdb")) is not None:
        found.append(Path(elsewhere))
    if not found:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    return Server(folder, found[0].parent)
