"""Rows of the source table that never reached Hive, sent once more: what an audit has found missing.

python -m producers.resend --ids-file missing.txt
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Annotated

import orjson
import typer

from clinical.topics import VITAL_INFO
from infra.errors import ConfigurationError, UnavailableError
from infra.log import configure_logging
from infra.settings import Settings, load_settings
from infra.stream import EX_CONFIG, EX_TEMPFAIL
from producers.cursor import Gap
from producers.encoding import RowEncoder
from producers.sending_again import Item, Sent, send_again
from producers.source import SourceReader

IDS_A_QUERY = 500


def resend(settings: Settings, ids: Iterable[int]) -> Sent:
    """Publish the rows of these ids on `vital-info`, all or none; a row that was sent again before is not sent.

    Call it only for rows that are certain not to be on their way, as the audit is. Names are `table:id`. An id that the
    table no longer has is passed over. Raises ConfigurationError for a table that does not fit the settings,
    UnavailableError when MySQL or Kafka is away: nothing was sent then.
    """
    return send_again(settings, list(_items(settings, ids)))


def _items(settings: Settings, ids: Iterable[int]) -> Iterator[Item]:
    with closing(SourceReader(settings)) as reader:
        encoder = RowEncoder(reader.open())
        wanted = [Gap(number, number, 0.0) for number in sorted(set(ids))]
        for start in range(0, len(wanted), IDS_A_QUERY):
            rows = reader.within(wanted[start : start + IDS_A_QUERY], IDS_A_QUERY)
            messages = encoder.encode(rows, time.time_ns() // 1_000_000)
            for row, (key, value) in zip(rows, messages, strict=True):
                yield Item(f"{settings.source.table}:{row[0]}", VITAL_INFO, key, value)


def main(
    ids_file: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="One id a line.")],
) -> None:
    """Send the rows of these ids once more. Prints what was sent as JSON.

    Exit status: 0 done, 75 a server is away, 78 a wrong setting or file.
    """
    configure_logging()
    try:
        ids = [int(line) for line in ids_file.read_text().split()]
    except ValueError as error:
        print(f"{ids_file} holds something else than ids: {error}", file=sys.stderr)
        raise typer.Exit(EX_CONFIG) from error
    try:
        sent = resend(load_settings(), ids)
    except UnavailableError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_TEMPFAIL) from error
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EX_CONFIG) from error
    gone = len(set(ids)) - len(sent.now) - len(sent.before)
    print(orjson.dumps({"sent": len(sent.now), "sent_before": len(sent.before), "gone": gone}).decode(), flush=True)


if __name__ == "__main__":
    typer.run(main)
