"""Commands: `ward alarms …`."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from alerts import silences_cli
from alerts.alarm_facts import acknowledged, facts
from alerts.alarms_table import (
    AlarmRow,
    Choice,
    Step,
    check_prefix,
    find_alarm,
    list_alarms,
    load_alarm,
    load_history,
    not_acknowledgeable,
)
from alerts.commands import console, database
from alerts.database import in_transaction, now_ms
from alerts.entries import as_moment, author_of, parse_duration, reason_of, zone_of
from alerts.orders import LONGEST_MS, await_outcome, place_order
from alerts.replay import replay
from infra.errors import WardError
from infra.settings import load_settings

ENGINE_SECONDS = 10.0
"""How long the engine, which looks for orders twice a second, may take before its silence is reported."""

SHOWN_ID = 12
"""Characters of an id in a list: enough to name the alarm in another command."""
alarms = typer.Typer(
    help="What alarms there are, their history, and who looks after them.",
    no_args_is_help=True,
)

AlarmId = Annotated[str, typer.Argument(metavar="ALARM_ID", help="As `list` names it; its first 6 characters or more.")]


@alarms.command("list")
def list_command(
    ward: Annotated[str | None, typer.Option(help="Only alarms of this ward.")] = None,
    patient: Annotated[str | None, typer.Option(help="Only alarms of the patient of this id.")] = None,
    severity: Annotated[
        Literal["high", "medium", "low", "technical"] | None, typer.Option(help="Only alarms of this severity now.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Those that are over or still pending, too; the newest first.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many at most.")] = 50,
) -> None:
    """List the open alarms, the most urgent first: what, where, since when, and who has acknowledged it."""
    settings = load_settings()
    zone = zone_of(settings)
    with database(settings) as connection, connection.cursor() as cursor:
        found = list_alarms(cursor, Choice(ward, patient, severity, everything), limit + 1)
    if not found:
        console().print("No such alarm." if everything else "No open alarm; --all shows those that are over.")
        return
    console().print(_list_table(found[:limit], zone))
    if len(found) > limit:
        console().print("There are more: --limit shows them.")


@alarms.command("show")
def show_command(alarm_id: AlarmId) -> None:
    """Show one alarm and its whole history: each step, who or what took it, why, and the mail that it gave."""
    settings = load_settings()
    zone = zone_of(settings)
    check_prefix(alarm_id)
    with database(settings) as connection, connection.cursor() as cursor:
        alarm = find_alarm(cursor, alarm_id)
        steps = load_history(cursor, alarm.alarm_id)
    shown = Table.grid(padding=(0, 2))
    for name, value in facts(alarm, zone):
        shown.add_row(name, value)
    console().print(shown)
    console().print(_history_table(steps, zone))


@alarms.command("ack")
def ack_command(
    alarm_id: AlarmId,
    author: Annotated[str, typer.Option(help="Who acknowledges it: your name.")],
    reason: Annotated[str, typer.Option(help="Why, or what is being done about it.")],
    duration: Annotated[str, typer.Option("--for", metavar="DURATION", help="For how long: 30m, 2h; 8h at most.")] = (
        "30m"
    ),
) -> None:
    """Acknowledge an alarm: no reminders and no escalation for a time, or until it becomes more severe or is over."""
    settings = load_settings()
    check_prefix(alarm_id)
    who, why, lasts = author_of(author), reason_of(reason), parse_duration(duration, LONGEST_MS)
    with database(settings) as connection:
        with connection.cursor() as cursor:
            alarm = find_alarm(cursor, alarm_id)
        if problem := not_acknowledgeable(alarm):
            raise WardError(problem)
        now, shown = now_ms(), alarm.condition
        order = in_transaction(
            connection, lambda cursor: place_order(cursor, alarm.alarm_id, who, why, now + lasts, False, now, shown)
        )
        outcome = await_outcome(connection, order, ENGINE_SECONDS)
        if outcome is None:
            console().print(
                "Recorded. The alert engine does not answer: this takes effect when it is back, see `./ward status`."
            )
            return
        with connection.cursor() as cursor:
            after = load_alarm(cursor, alarm.alarm_id)
    if after is None or after.state != "acknowledged":
        raise WardError(outcome)
    console().print(outcome)


alarms.command("replay")(replay)
alarms.command("silence")(silences_cli.silence)
alarms.command("silences")(silences_cli.silences)


def _list_table(found: list[AlarmRow], zone: ZoneInfo) -> Table:
    table = Table("alarm", "severity", "state", "ward", "patient", "what", f"since ({zone.key})", "acknowledged by")
    for column in table.columns[3:6]:
        column.overflow = "fold"
    for alarm in found:
        table.add_row(
            alarm.alarm_id[:SHOWN_ID],
            alarm.severity_shown,
            alarm.state,
            alarm.ward or "",
            alarm.patient_id or "",
            alarm.what,
            as_moment(alarm.started_at, zone),
            acknowledged(alarm, zone) if alarm.state == "acknowledged" else "",
        )
    return table


def _history_table(steps: list[Step], zone: ZoneInfo) -> Table:
    table = Table(f"when ({zone.key})", "what", "who", "why", "mail")
    for column in table.columns[2:]:
        column.overflow = "fold"
    for step in steps:
        mail = ""
        if step.mail is not None:
            mail = f"{step.mail} ({'sent ' + as_moment(step.mailed_at, zone) if step.mailed_at else 'waits'})"
        table.add_row(as_moment(step.at, zone), step.what.replace("_", " "), step.who, step.why, mail)
    return table
