"""Forgetting who looked at which patient, and changed what, long ago.

python -m dashboard.housekeeping
"""

from __future__ import annotations

import sys
from contextlib import closing

import orjson
import typer

from alerts.database import mysql_errors, now_ms
from alerts.housekeeping import DAY_MS, SCAN_SECONDS, delete_old
from infra.clients import alerts_connection
from infra.errors import UnavailableError
from infra.log import configure_logging
from infra.settings import Settings, load_settings
from infra.stream import EX_TEMPFAIL


def forget_acts(settings: Settings, before_ms: int) -> int:
    """Delete what the audit says of before that time (epoch ms); how many lines. Raises UnavailableError.

    A crash leaves the rest for the next time.
    """
    with mysql_errors(settings), closing(alerts_connection(settings, read_timeout=SCAN_SECONDS)) as connection:
        return delete_old(connection, "page_audit", "entry_id", "at < %s", before_ms)


def main() -> None:
    """Forget the ward page's audit after `retention.page_audit_days`.

    Prints what was deleted as JSON. Exit status: 0 done, 75 a server is away.
    """
    configure_logging()
    settings = load_settings()
    try:
        found = forget_acts(settings, now_ms() - settings.retention.page_audit_days * DAY_MS)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error
    print(orjson.dumps({"page_audit": found}).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
