"""The process that `what_if` asks: a question as JSON on stdin; progress and one answer as lines of JSON on stdout.

Nothing is written and nobody is mailed. It ends when the page that asked is gone: its next line then finds no reader.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from alerts.comparison import Comparison, History, replay_on
from alerts.expected import changed_seconds_of
from alerts.manner import rule_of
from alerts.readings_of_day import load_window
from clinical.thresholds import ThresholdRow, read_table
from dashboard.limits.what_if import HOURS
from hbase.edits import RefusedError
from hbase.snapshots import latest
from hbase.table import Cells
from infra.errors import WardError
from infra.settings import Settings, load_settings


def main() -> None:
    """Answer the question on stdin."""
    question = orjson.loads(sys.stdin.buffer.read())
    try:
        _say(meaning=answer(load_settings(), question["cells"], question["attributes"]))
    except BrokenPipeError:
        raise SystemExit(1) from None
    except WardError as error:
        _say(problem=str(error))


def answer(settings: Settings, cells: Cells, attributes: Sequence[str]) -> dict[str, Any]:
    """The fields of a `Meaning`. Raises WardError with a sentence for whoever asked."""
    rows, problems = read_table(cells)
    if problems:
        raise RefusedError(problems)
    snapshot = latest(settings)
    if snapshot is None:
        raise WardError("No thresholds are in force yet: there is nothing to compare with.")
    _say(doing=f"Reading the last {HOURS} hours out of Hive …")
    end = datetime.now(UTC)
    history = load_window(settings, end - timedelta(hours=HOURS), end, attributes)
    count = len(history.patients)

    def done(patients: int) -> None:
        _say(doing=f"Replaying: {patients} of {count} patients …")

    found = replay_on(
        history,
        of_attributes(snapshot.rows, attributes),
        of_attributes(rows, attributes),
        rule_of(settings),
        done,
        changed_seconds_of(settings),
    )
    return meaning_of(found, history, attributes)


def of_attributes(rows: Sequence[ThresholdRow], attributes: Sequence[str]) -> list[ThresholdRow]:
    """Only the rows of those attributes."""
    return [row for row in rows if row.attribute in attributes]


def meaning_of(found: Comparison, history: History, attributes: Sequence[str]) -> dict[str, Any]:
    """A comparison as the fields of a `Meaning`."""
    return {
        "attributes": list(attributes),
        "patients": len(history.patients),
        "alarms_before": sum(count.before for count in found.alarms.values()),
        "alarms_after": sum(count.after for count in found.alarms.values()),
        "mails_before": sum(count.before for count in found.mails.values()),
        "mails_after": sum(count.after for count in found.mails.values()),
        "missed": len(found.missed),
        "new": len(found.new),
        "severity": len(found.severity),
    }


def _say(**said: object) -> None:
    sys.stdout.buffer.write(orjson.dumps(said) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
