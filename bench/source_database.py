"""A MySQL of the benchmark's own, for every contender the same: the stack's server and configuration, with a binlog.

Debezium reads the binlog, which the stack's own MySQL does not write, for nothing of ours reads it.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.programs import Program, running
from infra import initialise
from infra.clients import mysql_connection
from infra.errors import UnavailableError, WardError
from infra.render import data_dir, fill, values
from infra.secrets import write_private
from infra.settings import Settings
from infra.waiting import wait_for
from producers.bootstrap import create_tables

START_SECONDS = 60.0
REPLICATION_USER = "bench_replication"
BINLOG = """
server-id = 1
log-bin = binlog
binlog-format = ROW
binlog-row-image = FULL
"""
REPLICATION_ACCOUNT = """\
CREATE USER '{user}'@'%' IDENTIFIED BY '{password}';
GRANT SELECT, RELOAD, SHOW DATABASES, LOCK TABLES, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO '{user}'@'%';
"""


@dataclass(frozen=True)
class SourceDatabase:
    """`settings`: the stack's, with this server as MySQL. The hospital's tables are there, and empty."""

    settings: Settings
    replication_password: str
    server_pid: int


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def source_database(settings: Settings, directory: Path) -> Iterator[SourceDatabase]:
    """The server, with its data below `directory`; stopped at the end, the data left to the caller.

    Raises WardError when it does not start.
    """
    own = settings.model_copy(
        update={"mysql": settings.mysql.model_copy(update={"host": "127.0.0.1", "port": free_port()})}
    )
    password = secrets.token_urlsafe()
    command = _prepare(own, directory, password)
    with running(command, {}, directory, settings.log_dir / "bench-mariadb.log") as server:
        if not wait_for(lambda: _answers(own, server, password), START_SECONDS, 0.1):
            raise WardError(f"The benchmark's MySQL does not answer after {START_SECONDS:.0f} s.")
        create_tables(own)
        yield SourceDatabase(own, password, server.pid)


def _prepare(settings: Settings, directory: Path, password: str) -> list[str]:
    """Configuration and system tables; the command that starts the server. Passwords are in private files only."""
    place = settings.model_copy(update={"state_dir": directory})
    place.log_dir.mkdir(parents=True)
    known = values(settings) | {
        "data": str(data_dir(place)),
        "run": str(directory),
        "conf": str(directory),
        "port_mysql": str(settings.mysql_port),
    }
    account = REPLICATION_ACCOUNT.format(user=REPLICATION_USER, password=password)
    write_private(directory / "mariadb" / "init.sql", fill("mariadb/init.sql", known) + account)
    configuration = directory / "mariadb" / "my.cnf"
    write_private(configuration, fill("mariadb/my.cnf", known) + BINLOG)
    initialise.mariadb(place)
    return [initialise.find_program("mariadbd"), f"--defaults-file={configuration}"]


def _answers(settings: Settings, server: Program, password: str) -> bool:
    """Whether the last account of the init file may enter."""
    server.require_alive()
    try:
        mysql_connection(settings, REPLICATION_USER, password).close()
    except UnavailableError:
        return False
    return True
