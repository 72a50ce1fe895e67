"""Technical alarms of the threshold table: each raised once when its cause appears, cleared once when it has gone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import orjson

from clinical.messages import TechnicalAlarm
from clinical.topics import TECHNICAL_ALARMS
from infra.clients import hdfs
from infra.errors import UnavailableError
from infra.kafka_io import publish
from infra.log import get_logger
from infra.settings import Settings

INVALID = "threshold_table_invalid"
EMPTY = "threshold_table_empty"
AWAY = "hbase_unavailable"
UNWRITABLE = "threshold_snapshot_unwritable"
AHEAD = "threshold_cells_ahead"
"""Cells were written while a clock was ahead: what is put there in the HBase shell is not seen until then."""

PUBLISH_TIMEOUT_SECONDS = 2
"""Short, for it holds up the caller's loop; an alarm that did not go out is tried again at the next one."""

log = get_logger("thresholds")


class Memory(Protocol):
    """Where the kinds that were raised are kept across restarts."""

    def read(self) -> set[str]: ...

    def write(self, kinds: set[str]) -> None: ...


class AlarmBoard:
    """What is wrong now against what ops were told.

    `raise_` and `clear` only note; `tell` publishes the difference and remembers it. A crash between publishing and
    remembering repeats the message; its key is the same.
    """

    def __init__(self, send: Callable[[TechnicalAlarm], None], memory: Memory, source: str) -> None:
        self._send = send
        self._memory = memory
        self._source = source
        self._wrong: dict[str, str] = {}
        self._settled: set[str] = set()
        self._told: set[str] | None = None

    def raise_(self, kind: str, detail: str) -> None:
        """That kind of thing is wrong."""
        if self._wrong.get(kind) != detail:
            log.warning("threshold table", kind=kind, detail=detail)
        self._wrong[kind] = detail
        self._settled.add(kind)

    def clear(self, *kinds: str) -> None:
        """Those kinds of things are right."""
        for kind in kinds:
            self._wrong.pop(kind, None)
            self._settled.add(kind)

    def tell(self, now_ms: int) -> None:
        """Publish what changed. What cannot be published stays to be told at the next call.

        A kind that was raised before a restart is cleared only after it was seen to be right.
        """
        try:
            if self._told is None:
                self._told = self._memory.read()
            for kind in sorted(set(self._wrong) - self._told):
                self._publish(kind, self._wrong[kind], now_ms, cleared=False)
            for kind in sorted((self._told & self._settled) - set(self._wrong)):
                self._publish(kind, "The cause has gone.", now_ms, cleared=True)
        except UnavailableError as error:
            log.warning("technical alarm not published yet", reason=str(error))

    def _publish(self, kind: str, detail: str, now_ms: int, cleared: bool) -> None:
        assert self._told is not None
        self._send(
            TechnicalAlarm(
                alarm_key=f"{self._source}:{kind}",
                source=self._source,
                kind=kind,
                detail=detail,
                raised_at=now_ms,
                cleared=cleared,
            )
        )
        self._told = self._told - {kind} if cleared else self._told | {kind}
        self._memory.write(self._told)


def kafka_sender(settings: Settings) -> Callable[[TechnicalAlarm], None]:
    """Publishes to the topic of technical alarms. Raises UnavailableError."""

    def send(alarm: TechnicalAlarm) -> None:
        publish(settings, TECHNICAL_ALARMS, alarm["alarm_key"], alarm, timeout_seconds=PUBLISH_TIMEOUT_SECONDS)

    return send


class HdfsMemory:
    """The raised kinds in a small file beside the snapshots; unreadable means none."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._path = settings.hdfs_path("thresholds", "alarms-raised")

    def read(self) -> set[str]:
        """Kinds that were raised and not cleared. Raises UnavailableError."""
        try:
            content = orjson.loads(hdfs(self._settings).cat_file(self._path))
            return {str(kind) for kind in content}
        except (FileNotFoundError, ValueError, TypeError):
            return set()
        except (OSError, RuntimeError) as error:
            raise UnavailableError("HDFS", self._settings.webhdfs_url, error) from error

    def write(self, kinds: set[str]) -> None:
        """Keep `kinds`. Raises UnavailableError."""
        try:
            hdfs(self._settings).pipe_file(self._path, orjson.dumps(sorted(kinds)))
        except (OSError, RuntimeError) as error:
            raise UnavailableError("HDFS", self._settings.webhdfs_url, error) from error
