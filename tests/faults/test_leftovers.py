"""A server that is killed in the middle of a query leaves nothing of the patients behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from hive.client import QueryError, query
from infra.clients import hdfs
from infra.errors import UnavailableError
from infra.hiveserver2 import scratch_dir
from infra.settings import Settings
from infra.supervise import processes, temporary_dir, wait_ready

pytestmark = pytest.mark.stops_servers

Await = Callable[..., Any]
LONG = "SELECT a.patient_id, b.reading_id FROM health.vital_readings a CROSS JOIN health.vital_readings b ORDER BY 1, 2"


def left(settings: Settings) -> set[str]:
    """What the sessions of HiveServer2 have written, on HDFS and on this machine."""
    local = (path for path in temporary_dir(settings, "hiveserver2").rglob("*") if path.is_file())
    return {*hdfs(settings).find(scratch_dir(settings)), *map(str, local)}


def test_a_killed_hiveserver2_comes_back_without_what_its_queries_had_written(
    stack: Settings, await_condition: Await
) -> None:
    wait_ready(stack, "hiveserver2")
    before = left(stack)

    def ask() -> None:
        with suppress(UnavailableError, QueryError):
            query(stack, LONG)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    await_condition(lambda: len(left(stack) - before) > 2, 120, "the query writes nothing")
    killed = processes(stack)["hiveserver2"].pid
    os.kill(killed, signal.SIGKILL)
    asking.join(60)
    assert not asking.is_alive()
    written = left(stack)
    assert written - before
    await_condition(lambda: processes(stack)["hiveserver2"].pid not in (0, killed), 60, "it is not started again")
    wait_ready(stack, "hiveserver2")
    assert left(stack) & written == set()
