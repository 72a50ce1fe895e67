"""Forgetting threshold snapshots that were superseded long ago.

python -m hbase.housekeeping
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import orjson
import typer

from hbase.snapshots import forget
from infra.errors import UnavailableError
from infra.log import configure_logging
from infra.settings import load_settings
from infra.stream import EX_TEMPFAIL


def main() -> None:
    """Forget threshold snapshots that were superseded more than `retention.threshold_snapshots_days` ago.

    Prints what was deleted as JSON. Exit status: 0 done, 75 HDFS is away.
    """
    configure_logging()
    settings = load_settings()
    try:
        old = forget(settings, datetime.now(UTC) - timedelta(days=settings.retention.threshold_snapshots_days))
    except UnavailableError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error
    print(orjson.dumps({"threshold_snapshots": len(old)}).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
