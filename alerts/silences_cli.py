"""Commands: `ward alarms silence` and `ward alarms silences`."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from pymysql.cursors import Cursor
from rich.table import Table

from alerts.commands import console, database
from alerts.database import in_transaction, now_ms
from alerts.entries import (
    as_duration,
    as_moment,
    author_of,
    one_clean_line,
    parse_duration,
    parse_moment,
    reason_of,
    zone_of,
)
from alerts.silences import LONGEST_MS, Kind, Silence, add_silence, lift, load_silences
from alerts.wards import wards_of_alarms, wards_on_record
from clinical.vitals import JUDGED
from infra.errors import ConfigurationError, WardError
from infra.settings import Settings, load_settings

SHOWN_MS = 7 * 86_400_000
"""How long ago a silence may have ended to be listed with --all."""

NAME_MAX = 190

Scope = tuple[str | None, str | None, str | None]
"""Patient, ward and attribute; None: every one."""


def silence(
    author: Annotated[str, typer.Option(help="Who silences: your name.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    patient: Annotated[str | None, typer.Option(help="Only mails about the patient of this id.")] = None,
    ward: Annotated[str | None, typer.Option(help="Only mails about this ward, spelt as the mails spell it.")] = None,
    attribute: Annotated[str | None, typer.Option(help="Only mails about this attribute, for example glucose.")] = None,
    everything: Annotated[bool, typer.Option("--everything", help="Every mail about patients: say it.")] = False,
    duration: Annotated[str | None, typer.Option("--for", metavar="DURATION", help="30m, 2h, 1d; 7d at most.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Or until when: 2026-01-31T14:00, in the zone of the mails.")
    ] = None,
    starts: Annotated[str | None, typer.Option("--from", metavar="TIME", help="From when. Default: now.")] = None,
    maintenance: Annotated[
        bool, typer.Option("--maintenance", help="It is a maintenance window: work on devices or servers.")
    ] = False,
) -> None:
    """Send no mails about a patient, a ward or an attribute for a time. All is recorded meanwhile, and shown by `list`.

    What is given together must hold together: --ward ICU --attribute glucose keeps back glucose on the ICU only.
    """
    settings = load_settings()
    zone, now = zone_of(settings), now_ms()
    kind: Kind = "maintenance" if maintenance else "silence"
    who, why = author_of(author), reason_of(reason)
    scope = check_scope(patient, ward, attribute, everything)
    begins, ends = check_times(duration, until, starts, zone, now)
    with database(settings) as connection:
        made = in_transaction(connection, lambda cursor: add_silence(cursor, kind, *scope, begins, ends, who, why, now))
        with connection.cursor() as cursor:
            note = _unknown_ward(settings, cursor, scope[1], now)
    if note:
        console().print(note)
    console().print(
        f"{_name(kind)} {made}: no mails about {describe(scope)} from {as_moment(begins, zone)} to "
        f"{as_moment(ends, zone)} {zone.key}. `./ward alarms silences --lift {made} --author …` ends it."
    )


def silences(
    lifted: Annotated[
        int | None, typer.Option("--lift", metavar="ID", help="End this one now; it needs --author.")
    ] = None,
    author: Annotated[str | None, typer.Option(help="Who lifts it: your name.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those that were lifted or ended within a week, too.")] = (
        False
    ),
) -> None:
    """List the silences and maintenance windows that hold now or will, or end one of them."""
    settings = load_settings()
    zone, now = zone_of(settings), now_ms()
    if (lifted is None) != (author is None):
        raise ConfigurationError("--lift and --author go together: which silence ends, and who ends it.")
    who = author_of(author) if author is not None else ""
    with database(settings) as connection:
        if lifted is not None:
            if not in_transaction(connection, lambda cursor: lift(cursor, lifted, who, now)):
                raise WardError(f"No silence {lifted} holds or is to come: `./ward alarms silences` lists them.")
            console().print(f"Silence {lifted} is over.")
            return
        with connection.cursor() as cursor:
            found = load_silences(cursor, now - SHOWN_MS if everything else now)
    shown = [one for one in found if everything or one.lifted_at is None]
    console().print(_table(shown, zone, now) if shown else "Nothing is silenced.")


def check_scope(patient: str | None, ward: str | None, attribute: str | None, everything: bool) -> Scope:
    """What a new silence matches. Raises ConfigurationError, naming what is possible."""
    if everything == any(part is not None for part in (patient, ward, attribute)):
        raise ConfigurationError(
            "Say what is silenced: --patient, --ward or --attribute, or several of them; or --everything alone."
        )
    ward = ward if ward is None else one_clean_line(ward)
    for name, part in (("patient", patient), ("ward", ward)):
        if part is not None and not 0 < len(part) <= NAME_MAX:
            raise ConfigurationError(f"--{name} has 1 to {NAME_MAX} characters.")
    if attribute is not None and attribute not in JUDGED:
        raise ConfigurationError(f"There is no attribute {attribute!r}; there are {', '.join(JUDGED)}.")
    return patient, ward, attribute


def check_times(
    duration: str | None, until: str | None, starts: str | None, zone: ZoneInfo, now: int
) -> tuple[int, int]:
    """From when to when, epoch ms. Raises ConfigurationError for what is no time, or none that makes sense."""
    if (duration is None) == (until is None):
        raise ConfigurationError("Say how long: --for 2h, or --until 2026-01-31T14:00; one of the two.")
    begins = now if starts is None else parse_moment(starts, zone)
    ends = parse_moment(until, zone) if until is not None else begins + parse_duration(duration or "", LONGEST_MS)
    if ends <= max(begins, now):
        raise ConfigurationError("The end lies before the start, or is past already.")
    if ends - begins > LONGEST_MS:
        raise ConfigurationError(f"That is too long: {as_duration(LONGEST_MS)} is the most, and it can be renewed.")
    return begins, ends


def describe(scope: Scope) -> str:
    """What a silence matches, in words."""
    named = zip(("patient", "ward", "attribute"), scope, strict=True)
    return ", ".join(f"{name} {value}" for name, value in named if value is not None) or "any patient"


def _unknown_ward(settings: Settings, cursor: Cursor, ward: str | None, now: int) -> str | None:
    on_record = wards_on_record(settings, now) if ward is not None else None
    if on_record is None or ward in on_record | wards_of_alarms(cursor, now):
        return None
    return f"Note: no patient is on ward {ward!r} now; spell it as the table of patients does."


def _name(kind: Kind) -> str:
    return "Maintenance window" if kind == "maintenance" else "Silence"


def _table(found: list[Silence], zone: ZoneInfo, now: int) -> Table:
    table = Table("id", "kind", "no mails about", f"from ({zone.key})", "to", "state", "author", "reason")
    for column in (table.columns[2], *table.columns[5:]):
        column.overflow = "fold"
    for one in found:
        table.add_row(
            str(one.silence_id),
            one.kind,
            describe((one.patient_id, one.ward, one.attribute)),
            as_moment(one.starts_at, zone),
            as_moment(one.ends_at, zone),
            _state(one, zone, now),
            one.author,
            one.reason,
        )
    return table


def _state(one: Silence, zone: ZoneInfo, now: int) -> str:
    if one.lifted_at is not None:
        return f"lifted {as_moment(one.lifted_at, zone)} by {one.lifted_by}"
    if one.ends_at <= now:
        return "over"
    return "in force" if one.starts_at <= now else "to come"
