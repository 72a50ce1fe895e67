"""Command `./ward alarms replay`: what other thresholds would have done to a day that is in Hive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from alerts.comparison import Changed, Comparison, Count, replay_on
from alerts.expected import changed_seconds_of
from alerts.manner import rule_of
from alerts.readings_of_day import load_day
from clinical.thresholds import ThresholdRow, read_table
from clinical.vitals import JUDGED
from hbase.files import keyed, read_csv
from hbase.snapshots import latest
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings, load_settings

SEVERITIES = ("high", "medium", "low")
LISTED = 20
"""Episodes of one kind that are listed; of more only the number is told."""

console = Console(markup=False, highlight=False)


def replay(
    thresholds: Annotated[
        Path,
        typer.Argument(
            metavar="THRESHOLDS_CSV",
            help="A file as `./ward thresholds export` writes it. Attributes without rows in it keep those in force.",
        ),
    ],
    day: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Which day (UTC).", show_default="today")
    ] = None,
) -> None:
    """Run the alarms over a day of history with other thresholds, and show what would have changed.

    Nothing is written and nobody is mailed. Nobody acknowledges in it, either: alarms are reminded of and escalated for
    as long as they last, by both sets alike.
    """
    on = day.date() if day else datetime.now(UTC).date()
    show(replay_day(load_settings(), on, thresholds), on)


def replay_day(settings: Settings, day: date, thresholds: Path) -> Comparison:
    """The thresholds in force against those of the file, on the readings of one day.

    Raises ConfigurationError naming every problem of a bad table, WardError when there is nothing to compare with or
    no reading, UnavailableError without Hive or HDFS.
    """
    snapshot = latest(settings)
    if snapshot is None:
        raise WardError("No thresholds are in force yet: there is nothing to compare with.")
    other = other_table(thresholds, snapshot.rows)
    rule, changed_seconds = rule_of(settings), changed_seconds_of(settings)
    return replay_on(load_day(settings, day), snapshot.rows, other, rule, changed_seconds=changed_seconds)


def other_table(path: Path, in_force: Iterable[ThresholdRow]) -> list[ThresholdRow]:
    """The rows of the file, and those in force of the attributes and the patients' own limits that it does not name.

    Raises ConfigurationError naming every problem.
    """
    signed = {key: {**cells, "updated_by": "replay"} for key, cells in keyed(read_csv(path)).items()}
    rows, problems = read_table(signed)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigurationError(f"{path} is no threshold table that could come into force:\n{listed}")
    named = {(row.attribute, row.patient_id) for row in rows}
    return [*rows, *(row for row in in_force if (row.attribute, row.patient_id) not in named)]


def show(found: Comparison, day: date) -> None:
    """Print what would have changed."""
    console.print(_counts_table(found, day))
    for title, episodes in (
        ("No longer mailed about", found.missed),
        ("Newly mailed about", found.new),
        ("Mailed about with another severity", found.severity),
    ):
        console.print(f"{title}: {len(episodes)}")
        if episodes:
            console.print(_episodes_table(episodes))


def _counts_table(found: Comparison, day: date) -> Table:
    table = Table("", "severity", "in force", "file", "change", title=f"{day}, UTC")
    for attribute in JUDGED:
        for severity in SEVERITIES:
            count = next((n for key, n in found.alarms.items() if key == (attribute, severity)), None)
            if count is not None:
                table.add_row(f"alarms of {attribute}", severity, *_cells(count))
    table.add_row("alarms", "all", *_cells(_sum(found.alarms.values())), end_section=True)
    for severity in SEVERITIES:
        if count := next((n for key, n in found.mails.items() if key == severity), None):
            table.add_row("mails", severity, *_cells(count))
    table.add_row("mails", "all", *_cells(_sum(found.mails.values())))
    return table


def _sum(counts: Iterable[Count]) -> Count:
    every = list(counts)
    return Count(sum(count.before for count in every), sum(count.after for count in every))


def _cells(count: Count) -> tuple[str, str, str]:
    return f"{count.before:,}", f"{count.after:,}", f"{count.after - count.before:+,}"


def _episodes_table(episodes: Sequence[Changed]) -> Table:
    table = Table("began", "patient", "attribute", "severity", "lasted")
    for one in episodes[:LISTED]:
        alarm = one.alarm
        began = datetime.fromtimestamp(alarm.began_at / 1000, UTC)
        lasted = "still open" if alarm.ended_at is None else f"{(alarm.ended_at - alarm.began_at) // 1000} s"
        severity = " -> ".join(filter(None, (one.before, one.after)))
        table.add_row(f"{began:%H:%M:%S}", alarm.patient_id, f"{alarm.attribute} {alarm.direction}", severity, lasted)
    if len(episodes) > LISTED:
        table.add_row("…", f"{len(episodes) - LISTED} more", "", "", "")
    return table
