"""After MySQL was restored to an earlier time: the ids that it gives out next must be new to everybody else."""

from __future__ import annotations

import threading
import time

from clinical.topics import TOPICS
from infra.clients import mysql_connection, with_retries
from infra.identifiers import quoted_table
from infra.log import get_logger
from infra.settings import Settings
from producers.bootstrap import create_topics
from producers.cursor import CursorState
from producers.transactions import ReadingLog

log = get_logger("restore")


def reconcile(settings: Settings) -> None:
    """Let the source table give out ids above the producer's cursor.

    A row with an id that was read before would be taken for one that is in Hive already, and be lost. Raises
    UnavailableError when MySQL or Kafka is away. Doing it again changes nothing. Only for the embedded MySQL, whose
    devices are kept out meanwhile; a Kafka without a cursor has read nothing.
    """
    with_retries(settings, lambda: create_topics(settings, TOPICS))
    stored = ReadingLog(settings, threading.Event()).load_cursor()
    if stored is None:
        return
    cursor = CursorState.from_bytes(stored, time.monotonic()).cursor
    password = settings.secret("mysql_root_password")
    with mysql_connection(settings, "root", password) as connection, connection.cursor() as statement:
        # MySQL goes on above the highest id of the table when that is higher still.
        statement.execute(f"ALTER TABLE {quoted_table(settings.source.table)} AUTO_INCREMENT = {cursor + 1}")
    if settings.source.key_only_grows:
        log.warning(
            "whoever writes the table must begin above what was read", table=settings.source.table, cursor=cursor
        )
    else:
        log.info("new ids begin above what was read", table=settings.source.table, cursor=cursor)
