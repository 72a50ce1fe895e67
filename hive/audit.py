"""The audit: every row that MySQL took in during some time is in Hive exactly once, landed or rejected, by id.

    python -m hive.audit --from 2026-01-31T10:00:00Z --to 2026-01-31T11:00:00Z

It only reads; with `--earlier` it also notes how many rows the hour had, and audits those hours before it again of
which MySQL has more rows than were noted. Both sides are streamed in ascending order of ids, so memory does not grow
with their number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from clinical.tables import REJECTED_READINGS, VITAL_READINGS
from hive.audited_hours import grown_since, is_an_hour, note
from hive.client import hive_session
from hive.id_merge import Difference, compare, stored_ids
from hive.landed import NotYetLandedError, wait_until_landed
from hive.source_rows import HOUR, find_rows, id_range, of_no_time, source_ids
from hive.wall_clock import literal
from infra.errors import ConfigurationError, WardError
from infra.log import configure_logging
from infra.settings import Settings, load_settings
from infra.stream import EX_CONFIG, EX_TEMPFAIL

NAMED_IDS = 20
DEFAULT_WAIT_SECONDS = 120.0


@dataclass(frozen=True)
class AuditResult:
    """What the audit of rows inserted in `[start, end)` found.

    `source_rows`: rows in MySQL; `hive_rows`: readings and rejected readings in Hive. The id lists hold the first
    LISTED_IDS of each kind, ascending, the counts all.
    """

    start: datetime
    end: datetime
    difference: Difference

    @property
    def source_rows(self) -> int:
        return self.difference.expected

    @property
    def hive_rows(self) -> int:
        return self.difference.found

    @property
    def missing_ids(self) -> list[int]:
        """In MySQL and not in Hive."""
        return self.difference.missing.first

    @property
    def unexpected_ids(self) -> list[int]:
        """In Hive and not in MySQL."""
        return self.difference.unexpected.first

    @property
    def duplicate_ids(self) -> list[int]:
        """More than once in Hive."""
        return self.difference.duplicates.first

    @property
    def counts(self) -> dict[str, int]:
        found = self.difference
        return {
            "source_rows": found.expected,
            "hive_rows": found.found,
            "missing": found.missing.count,
            "unexpected": found.unexpected.count,
            "duplicates": found.duplicates.count,
        }

    @property
    def agrees(self) -> bool:
        found = self.difference
        return not (found.missing.count or found.unexpected.count or found.duplicates.count)

    def sentence(self) -> str:
        """The finding for a person, naming the first ids of each kind."""
        hour = f"inserted from {self.start:%Y-%m-%d %H:%M:%S} to {self.end:%Y-%m-%d %H:%M:%S} UTC"
        if self.agrees:
            return f"All {self.source_rows} rows {hour} are in Hive, each once."
        found = self.difference
        kinds = [
            (found.missing, "are in MySQL and not in Hive"),
            (found.unexpected, "are in Hive and not in MySQL"),
            (found.duplicates, "are in Hive more than once"),
        ]
        parts = [f"{ids.count} {what} ({_named(ids.first, ids.count)})" for ids, what in kinds if ids.count]
        return f"MySQL and Hive differ in the readings {hour}: {'; '.join(parts)}."

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON values."""
        return {
            "from": self.start.isoformat(),
            "to": self.end.isoformat(),
            "agrees": self.agrees,
            **self.counts,
            "missing_ids": self.missing_ids[:NAMED_IDS],
            "unexpected_ids": self.unexpected_ids[:NAMED_IDS],
            "duplicate_ids": self.duplicate_ids[:NAMED_IDS],
        }


def audit_hour(
    settings: Settings, start: datetime, end: datetime, wait_seconds: float = DEFAULT_WAIT_SECONDS
) -> AuditResult:
    """Compare the rows inserted in `[start, end)` (aware times) with Hive, once they can all have landed.

    A row that has no time of insertion belongs to no hour: what is in Hive under the time of its receipt is left out.

    Raises NotYetLandedError when they have not within `wait_seconds`, or when one is missing and rows were committed
    meanwhile, which may be on their way (try again later); ConfigurationError when the source has no time of insertion,
    UnavailableError when a server is away.
    """
    if not settings.source.inserted_at_column:
        raise ConfigurationError(
            f"The audit goes by the time of insertion, and {settings.source.table} has no column for it: name one in "
            "source.inserted_at_column."
        )
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    rows = find_rows(settings, start, end)
    ids = id_range(settings, rows)
    wait_until_landed(settings, rows.settled_at, ids, wait_seconds)
    # Hive sorts before it gives the first id. MySQL, asked before that, would wait to be read, and give up.
    with hive_session(settings) as session:
        found = stored_ids(session.run(hive_statement(settings, start, end)).rows)
        with closing(source_ids(settings, rows)) as expected:
            difference = compare(expected, found)
    if difference.missing.count and id_range(settings, rows) != ids:
        raise NotYetLandedError(
            f"Rows inserted before {end:%Y-%m-%d %H:%M:%S} UTC were committed during the audit and may be on their way."
        )
    if difference.unexpected.count:
        difference.unexpected.remove(of_no_time(settings, difference.unexpected.first))
    return AuditResult(start, end, difference)


def audit_and_note(settings: Settings, start: datetime, end: datetime, wait_seconds: float) -> Iterator[AuditResult]:
    """Audit that hour, and after it the hours before it of which MySQL has more rows now than at their own audit.

    Rows that are committed after the audit of their hour are found like this. How many rows a full hour has is noted
    once none is missing; so an hour with a missing one is audited again until it is there. Raises as `audit_hour` does.
    """
    yield _noted(settings, audit_hour(settings, start, end, wait_seconds))
    for hour in grown_since(settings, start):
        yield _noted(settings, audit_hour(settings, hour, hour + HOUR, wait_seconds))


def _noted(settings: Settings, result: AuditResult) -> AuditResult:
    if not result.difference.missing.count and is_an_hour(result.start, result.end):
        note(settings, result.start, result.source_rows)
    return result


def hive_statement(settings: Settings, start: datetime, end: datetime) -> str:
    """HQL for the ids of all readings (`landed` 1) and rejected ones (0) inserted in `[start, end)`, ascending."""
    return (
        "SELECT reading_id, landed FROM ("
        f" SELECT reading_id, 1 AS landed FROM {VITAL_READINGS.full_name}"
        f" WHERE {recorded_and_inserted(settings, start, end)}"
        f" UNION ALL SELECT reading_id, 0 AS landed FROM {REJECTED_READINGS.full_name}"
        f" WHERE event_date BETWEEN '{start:%Y-%m-%d}' AND '{end:%Y-%m-%d}' AND {_inserted(start, end)}"
        " AND attribute IS NULL AND reading_id IS NOT NULL"
        ") r ORDER BY reading_id"
    )


def recorded_and_inserted(settings: Settings, start: datetime, end: datetime) -> str:
    """HQL condition: inserted in `[start, end)`, in a table that is partitioned by the day of recording.

    That may be `max_age_days` before the insertion and `max_future_seconds` after it.
    """
    oldest = start - timedelta(days=settings.readings.max_age_days)
    newest = end + timedelta(seconds=settings.readings.max_future_seconds)
    return f"event_date BETWEEN '{oldest:%Y-%m-%d}' AND '{newest:%Y-%m-%d}' AND {_inserted(start, end)}"


def _inserted(start: datetime, end: datetime) -> str:
    return f"inserted_at >= TIMESTAMP '{literal(start)}' AND inserted_at < TIMESTAMP '{literal(end)}'"


def _named(ids: list[int], count: int) -> str:
    more = ", …" if count > NAMED_IDS else ""
    return "ids " + ", ".join(map(str, ids[:NAMED_IDS])) + more


def parse_time(text: str) -> datetime:
    """An ISO time; UTC unless it says so. Raises BadParameter."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is not an ISO time such as 2026-01-31T10:00:00Z") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def main(
    start: Annotated[str, typer.Option("--from", help="First moment of insertion, ISO 8601; UTC unless it says so.")],
    end: Annotated[str, typer.Option("--to", help="End, not included.")],
    wait: Annotated[float, typer.Option(help="Seconds to wait until landing has passed.")] = DEFAULT_WAIT_SECONDS,
    missing_file: Annotated[
        Path | None, typer.Option("--missing-ids", help="Write the ids that are missing in Hive here, one a line.")
    ] = None,
    earlier: Annotated[
        bool,
        typer.Option("--earlier", help="Then audit hours before it again that have more rows than at their audit."),
    ] = False,
) -> None:
    """Audit the readings that MySQL took in between two times: each must be in Hive exactly once.

    Prints the finding as JSON, with those of hours before it under `earlier`. Exit status: 0 all there, 1 a difference,
    75 not landed yet or a server away, 78 a wrong setting.
    """
    configure_logging()
    with told_by_status():
        settings, begin, until = load_settings(), parse_time(start), parse_time(end)
        if earlier:
            results = list(audit_and_note(settings, begin, until, wait))
        else:
            results = [audit_hour(settings, begin, until, wait)]
    if missing_file is not None:
        missing = (reading_id for result in results for reading_id in result.missing_ids)
        missing_file.write_text("".join(f"{reading_id}\n" for reading_id in missing))
    own, *others = results
    print(orjson.dumps(own.as_json() | {"earlier": [other.as_json() for other in others]}).decode(), flush=True)
    if all(result.agrees for result in results):
        return
    for result in results:
        if not result.agrees:
            print(result.sentence(), file=sys.stderr)
    raise typer.Exit(1)


@contextmanager
def told_by_status() -> Iterator[None]:
    """An error within becomes a sentence on standard error and an exit status: 78 for a wrong setting, else 75."""
    try:
        yield
    except WardError as error:
        print(error, file=sys.stderr)
        status = EX_CONFIG if isinstance(error, ConfigurationError) else EX_TEMPFAIL
        raise typer.Exit(status) from error


if __name__ == "__main__":
    typer.run(main)
