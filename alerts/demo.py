"""`./ward demo`: from nothing running to the first doctor's email, with each step shown, and then where to look.

It only calls the commands that a person would call, so that what it shows can be done again by hand.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from alerts.inbox import ReceivedMail, received_mails
from infra.clients import hive_connection
from infra.errors import WardError
from infra.metrics import StreamState, read_state
from infra.servers import all_of
from infra.settings import PROJECT_ROOT, Settings, load_settings
from infra.supervise import wait_ready
from infra.waiting import wait_for

DOCTOR = "doctor@wardwatch.example"
WARDS = ("ICU", "Cardiology", "Paediatrics", "General")
"""Those of the simulator."""

EPISODE = "bradycardia"
SUBJECT = re.compile(r"Heart rate \d+ /min low")
SEED = 7
POLL_SECONDS = 2.0
LANDING_SECONDS = 420
"""The first batch after a start is slow on a machine that has two cores for everything."""

HQL = (
    "SELECT patient_id, COUNT(*) AS readings, MIN(heart_rate) AS lowest, MAX(heart_rate) AS highest "
    "FROM health.vital_readings WHERE patient_id = '{patient}' GROUP BY patient_id"
)


def demo(
    patients: Annotated[int, typer.Option(help="Patients in the ward, one reading a second each.")] = 60,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for the first email.")] = 300,
) -> None:
    """Start everything, fill a ward, wait for the first doctor's email, and show where to look."""
    console = Console()
    began = time.monotonic()

    def say(text: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:6.0f} s[/dim]  {text}", soft_wrap=True)

    say("Starting the stack (the first time, this also installs it)")
    _ward("up")
    settings = load_settings()
    say(f"Subscribing {DOCTOR} to {', '.join(WARDS)}")
    _ward("subscriptions", "add", DOCTOR, *(part for ward in WARDS for part in ("--ward", ward)))
    say(f"Admitting {patients} patients and importing their contacts with Sqoop")
    _ward("simulate", "--patients", str(patients), "--seed", str(SEED), "--count", "0")
    _ward("import-contacts", "--quiet")
    before = {mail.mail_id for mail in received_mails(settings)}
    say(f"Streaming vital signs; in 10 seconds a patient's heart slows down ({EPISODE})")
    with _simulator(settings, patients, timeout):
        mail = _first_mail(console, settings, before, timeout)
        say(f"[bold green]The doctor has an email:[/bold green] {mail.subject}")
        console.print(Text(mail.text.strip(), style="cyan"))
        reading = _field(mail.text, "Reading").split()[-1]
        say(f"Waiting until reading {reading} is in Hive (it lands every {settings.spark.landing_interval_seconds} s)")
        _await_landing(settings, reading)
    say(f"The way of reading {reading} through every system (./ward trace {reading})")
    _ward("trace", reading)
    query = HQL.format(patient=_field(mail.text, "Patient id"))
    say(f'An analyst asks (./ward hql "{query}")')
    _ward("hql", query)
    for server in all_of(settings):
        wait_ready(settings, server.name)
    _ward("status")
    say("Done. The stack keeps running: `./ward simulate` streams more, `./ward down` stops it and keeps every byte.")
    _say_pages(console, settings)


def _ward(*arguments: str) -> None:
    """Run a `./ward` command as a user would. Raises WardError with its name when it fails."""
    status = subprocess.run([PROJECT_ROOT / "ward", *arguments], check=False).returncode
    if status:
        raise WardError(f"`./ward {' '.join(arguments)}` failed with status {status}; what it said stands above.")


@contextmanager
def _simulator(settings: Settings, patients: int, timeout: int) -> Iterator[None]:
    command = ["simulate", "--patients", str(patients), "--seed", str(SEED), "--duration", str(timeout + 300)]
    command += ["--episode", f"{EPISODE}@10"]
    with (settings.log_dir / "simulator.log").open("ab") as output:
        process = subprocess.Popen([PROJECT_ROOT / "ward", *command], stdout=output, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _first_mail(console: Console, settings: Settings, before: set[str], timeout: int) -> ReceivedMail:
    """The first new email to the doctor about a slow heart, with the counts of each stream shown meanwhile."""
    with Live(console=console, transient=True, refresh_per_second=2) as live:

        def look() -> ReceivedMail | None:
            live.update(_progress(settings))
            new = (mail for mail in received_mails(settings) if mail.mail_id not in before)
            return next((mail for mail in new if DOCTOR in mail.recipients and SUBJECT.search(mail.subject)), None)

        if mail := wait_for(look, timeout, POLL_SECONDS):
            return mail
    raise WardError(f"No email after {timeout} s. `./ward status` and `./ward logs alert-engine` say more.")


def _progress(settings: Settings) -> Text:
    parts = []
    for stream in ("vitals-producer", "land-vitals", "detect-breaches", "alert-engine", "mailer"):
        state: StreamState | None = read_state(settings, stream)
        parts.append(f"{stream} {state.records:,.0f}" if state else f"{stream} is starting")
    return Text("          " + "   ".join(parts), style="dim")


def _field(text: str, name: str) -> str:
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return line.partition(":")[2].strip()
    raise WardError(f"The email has no line `{name}:`.")


def _await_landing(settings: Settings, reading: str) -> None:
    query = f"SELECT COUNT(*) FROM health.vital_readings WHERE reading_id = {int(reading)}"
    asked_after = -1.0

    def landed() -> bool:
        nonlocal asked_after
        state = read_state(settings, "land-vitals")
        if state is None or state.records == asked_after:
            return False  # nothing new has landed, and a query costs what landing needs just then
        asked_after = state.records
        with hive_connection(settings) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            return bool(cursor.fetchone()[0] == 1)

    if not wait_for(landed, LANDING_SECONDS, POLL_SECONDS):
        raise WardError(f"Reading {reading} is not in Hive after {LANDING_SECONDS} s; see `./ward logs land-vitals`.")


def _say_pages(console: Console, settings: Settings) -> None:
    table = Table("page", "address")
    for server in all_of(settings):
        if page := server.page(settings):
            table.add_row(server.name, page)
    table.add_row("Airflow's password (user admin)", str(settings.secrets_dir / "airflow_admin_password"))
    console.print(table)
