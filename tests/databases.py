"""Real database servers from Debian, each in a folder of its own, on a port of its own."""

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from typing_extensions import override

PATIENCE_S = 30.0
USER, PASSWORD, DATABASE = "loader", "s3cret-of-the-database", "shop"


@dataclass(frozen=True)
class Database(ABC):
    """A server that runs, and how it is reached."""

    scheme: str
    port: int

    def dsn(self, *, user: str = USER, password: str = PASSWORD, database: str = DATABASE) -> str:
        """As a test's Secret holds it."""
        return f"{self.scheme}://{user}:{password}@127.0.0.1:{self.port}/{database}"

    @abstractmethod
    def ask(self, statement: str) -> str:
        """What a statement gives its superuser: a line a row, columns parted by tabs."""


@dataclass(frozen=True)
class Postgres(Database):
    """A PostgreSQL server."""

    folder: Path

    @override
    def ask(self, statement: str) -> str:
        where = ["-h", self.folder, "-p", str(self.port), "-U", "postgres", "-d", DATABASE]
        return _checked(["psql", *where, "-qAt", "-F", "\t", "-c", statement]).strip()


@contextlib.contextmanager
def postgres(cores: str | None = None) -> Iterator[Postgres]:
    """A PostgreSQL with pg_stat_statements, a user and a database; ``cores``: it has these only."""
    home, port = program("postgres").parent, _free_port()
    # Not pytest's folder: its owner alone may look into that, and a socket's path is short.
    with tempfile.TemporaryDirectory(prefix="perfrun-pg-", dir="/tmp") as name:
        folder = Path(name)
        data = folder / "data"
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        _checked([*_AS_POSTGRES, home / "initdb", "-D", data, *_INITDB])
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(port),
            "unix_socket_directories": name,
            "shared_preload_libraries": "pg_stat_statements",
            "fsync": "off",
            "max_connections": "200",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with (folder / "log").open("wb") as log:
            pinned = ["taskset", "-c", cores] if cores is not None else []
            command: list[object] = [*pinned, *_AS_POSTGRES, home / "postgres", "-D", data]
            words = [str(word) for word in (*command, *options)]
            process = subprocess.Popen(words, stdout=log, stderr=log, cwd="/")
        server = Postgres("postgresql", port, folder)
        try:
            _until_ready(process, [home / "pg_isready", "-q", "-h", name, "-p", str(port)], folder)
            _checked([home / "createdb", "-h", name, "-p", str(port), "-U", "postgres", DATABASE])
            server.ask(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
            server.ask(f"GRANT ALL ON SCHEMA public TO {USER}")
            server.ask("CREATE EXTENSION pg_stat_statements")
            yield server
        finally:
            # Fast: connections that are open are ended.
            _checked([*_AS_POSTGRES, home / "pg_ctl", "-D", data, "-m", "fast", "-w", "stop"])
            process.wait(timeout=PATIENCE_S)


@contextlib.contextmanager
def pgbouncer(server: Postgres, pooling: str) -> Iterator[Postgres]:
    """A PgBouncer before a server, with its defaults but for how it pools: session, transaction."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="perfrun-pgb-", dir="/tmp") as name:
        folder = Path(name)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        (folder / "users").write_text(f'"{USER}" "{PASSWORD}"\n')
        settings = {
            "listen_addr": "127.0.0.1",
            "listen_port": port,
            "unix_socket_dir": "",
            "auth_type": "scram-sha-256",
            "auth_file": folder / "users",
            "pool_mode": pooling,
        }
        lines = [f"{key} = {value}\n" for key, value in settings.items()]
        to = f"{DATABASE} = host=127.0.0.1 port={server.port}\n"
        (folder / "ini").write_text(f"[databases]\n{to}[pgbouncer]\n{''.join(lines)}")
        with (folder / "log").open("wb") as log:
            command = [*_AS_POSTGRES, "pgbouncer", str(folder / "ini")]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/")
        try:
            probe = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
            _until_ready(process, [*probe, "-d", DATABASE], folder)
            yield replace(server, port=port)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)


_INITDB = (
    "--auth=scram-sha-256",
    "--auth-local=trust",
    "--username=postgres",
    "--encoding=UTF8",
    "--locale=C",
    "--no-sync",
)
_AS_POSTGRES = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []


def program(name: str) -> Path:
    """A program of the newest PostgreSQL that is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    if not found:
        raise FileNotFoundError("there is no PostgreSQL server: apt-get install postgresql")
    return found[-1] / name


def _until_ready(process: "subprocess.Popen[bytes]", probe: list[object], folder: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while subprocess.run([str(word) for word in probe], check=False).returncode:
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the server did not start:\n{(folder / 'log').read_text()[-2000:]}")
        time.sleep(0.05)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _checked(command: list[object]) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Mariadb(Database):
    """A MariaDB server."""

    folder: Path

    @override
    def ask(self, statement: str) -> str:
        command = ["mariadb", "-S", self.folder / "sock", "-u", "root", "-N", "-B", DATABASE]
        return _checked([*command, "-e", statement]).strip()


@contextlib.contextmanager
def mariadb() -> Iterator[Mariadb]:
    """A MariaDB with a user and a database."""
    port = _free_port()
    with tempfile.TemporaryDirectory(prefix="perfrun-my-", dir="/tmp") as name:
        folder = Path(name)
        user = "mysql" if os.geteuid() == 0 else getpass.getuser()
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        data = folder / "data"
        ours = ["--no-defaults", f"--datadir={data}", f"--user={user}"]
        _checked(["mariadb-install-db", *ours, "--auth-root-authentication-method=normal"])
        settings = [
            f"--port={port}",
            "--bind-address=127.0.0.1",
            f"--socket={folder / 'sock'}",
            f"--pid-file={folder / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(["mariadbd", *ours, *settings], stdout=log, stderr=log)
        server = Mariadb("mysql", port, folder)
        try:
            probe = ["mariadb-admin", "-S", folder / "sock", "-u", "root", "--silent", "ping"]
            _until_ready(process, probe, folder)
            _checked(["mariadb-admin", "-S", folder / "sock", "-u", "root", "create", DATABASE])
            server.ask(f"CREATE USER {USER}@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'")
            server.ask(f"GRANT ALL ON {DATABASE}.* TO {USER}@'127.0.0.1'")
            yield server
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_S)
