"""Commands: `ward subscriptions …` and `ward inbox`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from math import prod
from typing import Annotated, Any, Literal, cast

import typer
from pymysql.connections import Connection
from rich.console import Console
from rich.table import Table

from alerts.database import in_transaction, mysql_errors, now_ms
from alerts.inbox import ReceivedMail, inbox_url, received_mail, received_mails
from alerts.message import WARD_MAX
from alerts.subscriptions import reconcile
from alerts.subscriptions_table import (
    FILTER_MOST,
    HIGHEST_LEVEL,
    MailSeverity,
    Subscription,
    TopicName,
    filter_policy,
    load_subscriptions,
    put_subscription,
    remove_subscriptions,
)
from alerts.wards import wards_of_alarms, wards_on_record
from infra.clients import alerts_connection
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.settings import Settings, load_settings

EMAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
"""What SNS accepts as an email endpoint; no blanks, no line ends."""

console = Console(markup=False, highlight=False)
subscriptions = typer.Typer(help="Who gets which alarms by email.", no_args_is_help=True)


@subscriptions.command("list")
def list_command() -> None:
    """List subscriptions: whom they reach, for what, and whether the reader has confirmed."""
    settings = load_settings()
    with _database(settings) as connection:
        warning = _reconcile(settings, connection)
        with connection.cursor() as cursor:
            found = [item for item in load_subscriptions(cursor) if item.state != "removed"]
    table = Table()
    table.add_column("email", no_wrap=True)
    for title in ("topic", "wards", "severities", "from level", "state"):
        table.add_column(title)
    for item in found:
        level = "-" if item.topic == "ops" else str(item.from_escalation)
        table.add_row(item.email, item.topic, *_filters(item), level, item.state)
    console.print(table)
    if warning:
        console.print(warning)


@subscriptions.command("add")
def add_command(
    email: Annotated[str, typer.Argument(help="Where the mails go.")],
    ward: Annotated[
        list[str] | None,
        typer.Option(help="Only alarms of this ward; may be given several times. Default: every ward."),
    ] = None,
    severity: Annotated[
        str | None, typer.Option(help="Only these severities, with commas between. Default: all that are emailed.")
    ] = None,
    technical: Annotated[
        bool, typer.Option("--technical", help="Lost signals: only these, or besides --severity. For nurses.")
    ] = False,
    from_level: Annotated[
        int,
        typer.Option(min=0, max=HIGHEST_LEVEL, help="Only alarms escalated to this level: nobody acknowledged them."),
    ] = 0,
    topic: Annotated[
        Literal["doctors", "ops"], typer.Option(help="doctors: patients' alarms; ops: technical alarms.")
    ] = "doctors",
) -> None:
    """Subscribe an address, or change its filters. Alarms of a patient whose ward is not known reach everyone."""
    settings = load_settings()
    check_email(email)
    wards, severities = check_filters(settings, topic, ward or [], severity, technical, from_level)
    with _database(settings) as connection:
        in_transaction(
            connection,
            lambda cursor: put_subscription(cursor, email, topic, wards, severities, now_ms(), from_level),
        )
        for name in _unknown_wards(settings, connection, wards):
            console.print(f"Note: no patient is on ward {name!r} now; spell it as the table of patients does.")
        warning = _reconcile(settings, connection)
        with connection.cursor() as cursor:
            made = next(item for item in load_subscriptions(cursor) if (item.email, item.topic) == (email, topic))
    console.print(warning or _outcome(made))


@subscriptions.command("remove")
def remove_command(email: Annotated[str, typer.Argument(help="Whose subscriptions end.")]) -> None:
    """End every subscription of an address."""
    settings = load_settings()
    with _database(settings) as connection:
        removed = in_transaction(connection, lambda cursor: remove_subscriptions(cursor, email, now_ms()))
        if not removed:
            raise WardError(f"{email} has no subscription: `./ward subscriptions list` shows those that there are.")
        warning = _reconcile(settings, connection)
    console.print(warning or f"{email} gets no more mails.")


def inbox(
    last: Annotated[int, typer.Option(min=1, help="How many of the newest mails to list.")] = 10,
    to: Annotated[str | None, typer.Option(help="Only mails to this address.")] = None,
    show: Annotated[str | None, typer.Option(help="Show the mail of this id in full.")] = None,
) -> None:
    """List the newest mails of the embedded inbox, or show one of them."""
    settings = load_settings()
    if show:
        _show(received_mail(settings, show))
        return
    mails = [mail for mail in received_mails(settings) if to is None or to in mail.recipients]
    table = Table("id", "received (UTC)")
    table.add_column("to", overflow="fold")
    table.add_column("subject", overflow="fold", ratio=1)
    for mail in mails[:last]:
        received = f"{mail.received_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(mail.mail_id, received, ", ".join(mail.recipients), mail.subject)
    console.print(table)
    console.print(f"{min(last, len(mails))} of {len(mails)} mails. Page: {inbox_url(settings)}")


def check_email(email: str) -> None:
    """Raise ConfigurationError unless `email` is an address that SNS accepts."""
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise ConfigurationError(f"{email!r} is not an email address.")


def check_filters(
    settings: Settings,
    topic: TopicName,
    wards: list[str],
    severity: str | None,
    technical: bool = False,
    from_level: int = 0,
) -> tuple[list[str], list[MailSeverity]]:
    """The wards and severities of a new subscription. Raises ConfigurationError, naming what is possible."""
    if topic == "ops":
        if wards or severity or technical or from_level:
            raise ConfigurationError(
                "Ops hear every technical alarm: leave out --ward, --severity, --technical and --from-level."
            )
        return [], []
    names = list(dict.fromkeys(name.strip() for name in wards))
    if any(not name or len(name) > WARD_MAX for name in names):
        raise ConfigurationError(f"A ward's name has 1 to {WARD_MAX} characters.")
    if technical and from_level:
        raise ConfigurationError("A lost signal is not escalated: leave out --technical or --from-level.")
    possible = settings.alerts.emailed_severities
    chosen = list(dict.fromkeys(part.strip() for part in severity.split(","))) if severity else list(possible)
    for name in chosen:
        if name not in possible:
            hint = ", or --technical" if name == "technical" else ""
            raise ConfigurationError(f"Severity {name!r} is not emailed; possible: {', '.join(possible)}{hint}.")
    if technical:
        chosen = [*chosen, "technical"] if severity else ["technical"]
    heard = cast(list[MailSeverity], chosen)
    combinations = prod(len(values) for values in filter_policy(names, heard, from_level).values())
    if combinations > FILTER_MOST:
        raise ConfigurationError(
            f"{len(names)} wards with these severities are {combinations} combinations, and SNS filters by at most"
            f" {FILTER_MOST}: name fewer wards, or none to hear all."
        )
    return names, heard


@contextmanager
def _database(settings: Settings) -> Iterator[Connection[Any]]:
    with closing(alerts_connection(settings)) as connection, mysql_errors(settings):
        yield connection


def _reconcile(settings: Settings, connection: Connection[Any]) -> str | None:
    """Bring SNS in line; when it does not answer, what to tell the user."""
    try:
        reconcile(settings, connection)
    except UnavailableError as error:
        return f"Saved. SNS does not know of it yet and will as soon as it answers. ({error})"
    return None


def _unknown_wards(settings: Settings, connection: Connection[Any], wards: list[str]) -> list[str]:
    on_record = wards_on_record(settings, now_ms())
    if on_record is None:
        return []
    with connection.cursor() as cursor:
        known = on_record | wards_of_alarms(cursor, now_ms())
    return [name for name in wards if name not in known]


def _filters(item: Subscription) -> tuple[str, str]:
    return ", ".join(item.wards) or "all", ", ".join(item.severities) or "-"


def _outcome(item: Subscription) -> str:
    wards, severities = _filters(item)
    what = "technical alarms" if item.topic == "ops" else f"alarms of severity {severities}, wards: {wards}"
    if item.from_escalation:
        what += f", once they are escalated to level {item.from_escalation}"
    if item.state == "confirmed":
        return f"{item.email} gets {what}."
    if item.state == "pending":
        return f"{item.email} will get {what} as soon as the link in SNS's confirmation mail has been clicked."
    return f"Saved, but SNS refuses the subscription of {item.email}: see the log of the alert engine."


def _show(mail: ReceivedMail) -> None:
    for title, text in (
        ("Subject", mail.subject),
        ("To", ", ".join(mail.recipients)),
        ("Received", f"{mail.received_at:%Y-%m-%d %H:%M:%S} UTC"),
    ):
        console.print(f"{title}: {text}")
    console.print()
    console.print(mail.text)
