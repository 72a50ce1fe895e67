"""The stack itself: what `status` says, what survives, what listens, what it needs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil
import pytest
import requests
from pymysql.connections import Connection

from infra.airflow_database import SPARK_POOL
from infra.clients import hbase_connection, hdfs, mysql_connection
from infra.errors import UnavailableError
from infra.secrets import NAMES
from infra.servers import all_of, log_file
from infra.settings import PROJECT_ROOT, Settings
from infra.supervise import Process, processes, start, stop, wait_ready

pytestmark = pytest.mark.stops_servers

Await = Callable[..., Any]
GIB = 2**30
LIMIT_BYTES = 10 * GIB


def ward(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROJECT_ROOT / "ward", *arguments], capture_output=True, text=True, check=False)


def family(process: Process) -> list[psutil.Process]:
    """The program's process and all below it; none if it has ended since it was listed."""
    try:
        parent = psutil.Process(process.pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cmdline(process: psutil.Process) -> list[str]:
    """The words of its command line, none if it has ended since it was listed."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def restart(settings: Settings, name: str) -> None:
    stop(settings, name)
    assert not processes(settings)[name].running
    start(settings, name)
    wait_ready(settings, name)


def test_status_shows_every_server_and_stream_as_up(stack: Settings, await_condition: Await) -> None:
    shown = await_condition(
        lambda: (each := ward("status")).returncode == 0 and each, 300, "something is not up", interval=3
    )
    for server in all_of(stack):
        line = next(line for line in shown.stdout.splitlines() if line.startswith(f"{server.name} "))
        assert " up " in line
        assert server.page(stack) in line


def test_a_second_up_downloads_nothing_and_leaves_everything_running_as_it_was(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: process.pid for name, process in processes(stack).items() if name not in ("mailer",)}
    for protocol in ("http", "https", "all"):  # nobody answers there: whatever is asked for does not come
        for name in (f"{protocol}_proxy", f"{protocol}_proxy".upper()):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    done = ward("up")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "install" not in done.stdout + done.stderr
    after = processes(stack)
    assert {name: after[name].pid for name in before} == before


def test_a_restarted_database_has_kept_its_rows(stack: Settings, mysql_root: Connection[Any]) -> None:
    with mysql_root.cursor() as cursor:
        cursor.execute("CREATE DATABASE IF NOT EXISTS lifecycle_test")
        cursor.execute("CREATE TABLE IF NOT EXISTS lifecycle_test.kept (word VARCHAR(20))")
        cursor.execute("DELETE FROM lifecycle_test.kept")
        cursor.execute("INSERT INTO lifecycle_test.kept VALUES ('across')")
    restart(stack, "mariadb")
    password = stack.secret("mysql_root_password")
    with mysql_connection(stack, "root", password) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT word FROM lifecycle_test.kept")
        assert cursor.fetchall() == (("across",),)
        cursor.execute("DROP DATABASE lifecycle_test")


def test_a_restarted_file_system_has_kept_its_files(stack: Settings) -> None:
    path = stack.hdfs_path("staging", "lifecycle-test.txt")
    with hdfs(stack).open(path, "wb") as file:
        file.write(b"across a restart")
    restart(stack, "datanode")
    with hdfs(stack).open(path, "rb") as file:
        assert file.read() == b"across a restart"
    hdfs(stack).rm(path)


@pytest.fixture
def small_table(stack: Settings, await_condition: Await) -> Iterator[str]:
    """An HBase table of the test's own, with the family `t`. HBase may have ended with the DataNode, which this test or
    another restarted, and be on its way back: it then takes no new table, and keeps what it is told to delete."""

    def created() -> str:
        name = f"lifecycle-{uuid.uuid4().hex[:8]}"
        with hbase_connection(stack) as connection:
            connection.create_table(name, {"t": {}})
        return name

    def deleted() -> bool:
        with hbase_connection(stack) as connection:
            if name.encode() in connection.tables():
                connection.delete_table(name, disable=True)
        return True

    name = str(await_condition(created, 120, "HBase takes no new table", 2))
    yield name
    await_condition(deleted, 120, "HBase does not delete the table", 2)


def test_hbase_comes_back_with_every_acknowledged_row_when_it_could_not_write_its_log(
    stack: Settings, small_table: str, await_condition: Await
) -> None:
    """A region server that cannot write its log ends, and it is only a part of HBase's process."""
    acknowledged, enough = list[bytes](), threading.Event()

    def write(writer: int) -> None:
        while not enough.is_set():
            with suppress(UnavailableError), hbase_connection(stack) as connection:
                while not enough.is_set():
                    row = f"{writer}-{len(acknowledged):06}".encode()
                    connection.table(small_table).put(row, {b"t:written": b"1"})
                    acknowledged.append(row)

    with ThreadPoolExecutor(4) as writers:
        for number in range(4):
            writers.submit(write, number)
        try:
            await_condition(lambda: acknowledged, 60, "nothing can be written")
            before = processes(stack)["hbase"].pid
            restart(stack, "datanode")
            await_condition(lambda: processes(stack)["hbase"].pid not in (0, before), 120, "HBase goes on without it")
            wait_ready(stack, "hbase-thrift")
            known = len(acknowledged)
            await_condition(lambda: len(acknowledged) > known + 10, 120, "HBase takes no rows any more")
        finally:
            enough.set()
    with hbase_connection(stack) as connection:
        assert set(acknowledged) <= {row for row, _columns in connection.table(small_table).scan()}


def test_a_killed_server_is_started_again(stack: Settings, await_condition: Await) -> None:
    pid = processes(stack)["inbox"].pid
    os.kill(pid, signal.SIGKILL)
    await_condition(lambda: processes(stack)["inbox"].pid not in (0, pid), 60, "the inbox was not started again")
    wait_ready(stack, "inbox")


def test_nothing_listens_beyond_the_loopback(stack: Settings) -> None:
    pids = {child.pid for process in processes(stack).values() if process.pid for child in family(process)}
    listening = [
        connection.laddr.ip
        for connection in psutil.net_connections("inet")
        if connection.laddr and connection.status == psutil.CONN_LISTEN and connection.pid in pids
    ]
    assert len(listening) >= len(all_of(stack)) - 1
    assert {ip for ip in listening if not ip.removeprefix("::ffff:").startswith("127.") and ip != "::1"} == set()


def test_the_whole_stack_needs_less_than_ten_gibibytes(stack: Settings) -> None:
    assert 1 * GIB < sum(process.memory_bytes() for process in processes(stack).values()) < LIMIT_BYTES


def test_no_secret_is_on_a_command_line_or_in_a_log(stack: Settings) -> None:
    told = [
        line
        for process in processes(stack).values()
        if process.pid
        for child in family(process)
        for line in cmdline(child)
    ]
    assert len(told) > len(all_of(stack))
    told += [log_file(stack, server.name).read_text(errors="replace") for server in all_of(stack)]
    for name in NAMES:
        assert not any(stack.secret(name) in text for text in told), name


@pytest.mark.parametrize("account", ["admin", "viewer"])
def test_airflow_knows_its_accounts_and_spark_tasks_run_one_at_a_time(stack: Settings, account: str) -> None:
    url = f"http://127.0.0.1:{stack.ports.airflow}"
    password = stack.secret(f"airflow_{account}_password")
    login = requests.post(f"{url}/auth/token", json={"username": account, "password": password}, timeout=30)
    login.raise_for_status()
    header = {"Authorization": f"Bearer {login.json()['access_token']}"}
    pool = requests.get(f"{url}/api/v2/pools/{SPARK_POOL}", headers=header, timeout=30)
    assert pool.status_code == 200, pool.text
    assert pool.json()["slots"] == 1


def test_the_readers_account_cannot_write(stack: Settings) -> None:
    import pymysql

    from infra.clients import reader_connection

    with reader_connection(stack) as connection, connection.cursor() as cursor:
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute("DELETE FROM health.patients_vital_info WHERE id < 0")
        with pytest.raises(pymysql.err.OperationalError, match="denied"):
            cursor.execute(f"SELECT 1 FROM {stack.mysql.alerts_database}.alarms")
