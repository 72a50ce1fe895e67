"""Acknowledging by the link in a mail and by the command, and silences: on the real servers, engine and page."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from typer.testing import CliRunner

from alerts.ack_page import STREAM as PAGE
from alerts.alarms_cli import alarms
from alerts.book import CLAIMED
from alerts.links import acknowledge_link
from alerts.silences import load_in_force
from infra.clients import alerts_connection
from infra.errors import WardError
from infra.servers import project_environment
from infra.settings import PROJECT_ROOT, Settings
from infra.supervise import processes, start, stop, wait_ready
from tests.stack.alerting import (
    MAIL_SECONDS,
    OwnEngine,
    Reader,
    forget_ward,
    now_ms,
    produce,
    query,
    unique,
    ward_subscriptions,
)

Await = Callable[..., Any]
LINK = re.compile(r"http://\S+/acknowledge/[0-9a-f-]+")
BESIDE = 7000
"""So far from the stack's ports nobody listens, nor do connections that go out get theirs there."""

HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="(\w+)">')
AUTHOR, REASON = "Dr Ingrid Ødegård", "on my way"
HOUR_MS = 3_600_000


def alarm_of(settings: Settings, reader: Reader) -> str:
    """A patient of the reader's whose heart rate is out of range in two readings, as a high alarm needs; the id."""
    patient, now = unique("P"), now_ms()
    readings = [
        reader.breach(patient_id=patient, source_id=unique("r"), recorded_at=now - 1000 + 1000 * n) for n in range(2)
    ]
    produce(settings, readings)
    return patient


def run_alarms(*arguments: str) -> str:
    """Run `ward alarms …` in this process; what it printed."""
    result = CliRunner().invoke(alarms, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def moment(at: int) -> str:
    """Epoch ms as `ward alarms` reads it, to the second."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"


def row_of(settings: Settings, patient: str) -> tuple[Any, ...]:
    """Id, phase, and who acknowledged the patient's alarm; empty when there is none."""
    found = query(settings, "SELECT alarm_id, phase, acknowledged_by FROM alarms WHERE patient_id = %s", patient)
    return found[0] if found else ()


def acknowledgements(settings: Settings, alarm_id: str) -> list[tuple[Any, ...]]:
    return query(settings, "SELECT who, why FROM alarm_events WHERE alarm_id = %s AND what = 'acknowledged'", alarm_id)


@pytest.fixture
def patient(stack: Settings, reader: Reader, await_condition: Await) -> str:
    """A patient with an active alarm."""
    one = alarm_of(stack, reader)
    await_condition(lambda: "active" in row_of(stack, one), MAIL_SECONDS, "no alarm")
    return one


@pytest.fixture
def link(stack: Settings, reader: Reader, patient: str, await_condition: Await) -> str:
    """The link in the mail about that patient."""
    [mail] = await_condition(
        lambda: [mail for mail in reader.mails(stack) if patient in mail.subject], MAIL_SECONDS, "no mail"
    )
    found = LINK.search(mail.text)
    assert found, mail.text
    return found[0]


def hidden_fields(link: str) -> dict[str, str]:
    """What the form of the page sends besides what somebody types."""
    fields = dict(HIDDEN.findall(requests.get(link, timeout=10).text))
    assert fields.keys() == {"after", "severity"}
    return fields


def send_once(link: str) -> requests.Response:
    """Open the link and send its form, as a browser does."""
    return requests.post(link, data=filled_form(link), timeout=30)


def send_form(link: str, **changes: str) -> requests.Response:
    """Send the form, and once more while the engine has not answered: the same form is the same order."""
    form = filled_form(link) | changes
    answer = requests.post(link, data=form, timeout=30)
    return requests.post(link, data=form, timeout=30) if answer.status_code == 202 else answer


def filled_form(link: str) -> dict[str, str]:
    return hidden_fields(link) | {"author": AUTHOR, "reason": REASON, "minutes": "60"}


def test_the_link_in_a_mail_acknowledges_the_alarm_by_the_claimed_name(
    stack: Settings, patient: str, link: str
) -> None:
    before = now_ms()
    answer = send_form(link)
    assert answer.status_code == 200, answer.text
    assert '<h1 class="done">Acknowledged</h1>' in answer.text
    alarm_id, phase, author = row_of(stack, patient)
    assert (phase, author) == ("acknowledged", AUTHOR)
    assert acknowledgements(stack, alarm_id) == [(AUTHOR, f"{REASON} {CLAIMED}")]
    [(is_claimed, lasts, outcome)] = query(
        stack, "SELECT is_claimed, until_at - created_at, outcome FROM orders WHERE alarm_id = %s", alarm_id
    )
    assert (is_claimed, lasts) == (1, 3_600_000)
    assert outcome
    [(until,)] = query(stack, "SELECT acknowledged_until FROM alarms WHERE alarm_id = %s", alarm_id)
    assert before + 3_600_000 <= until <= now_ms() + 3_600_000


def test_a_scanner_that_follows_the_link_acknowledges_nothing(stack: Settings, patient: str, link: str) -> None:
    for method in ("HEAD", "GET", "GET", "OPTIONS"):
        requests.request(method, link, timeout=10)
    alarm_id, phase, _ = row_of(stack, patient)
    assert phase == "active"
    assert query(stack, "SELECT COUNT(*) FROM orders WHERE alarm_id = %s", alarm_id) == [(0,)]


def test_the_page_shows_no_name_phone_or_address(link: str) -> None:
    assert hidden_fields(link)  # it is the page of the alarm, and not one that says something else
    text = requests.get(link, timeout=10).text
    for identifier in ("Zoë Łukasz", "+47 22 00 00 00", "1 Harbour Street"):
        assert identifier not in text


def test_a_form_that_is_replayed_is_refused_and_logged(
    stack: Settings, patient: str, link: str, await_condition: Await
) -> None:
    after = hidden_fields(link)["after"]
    answers = [send_form(link, after=after) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]
    assert "nothing was done a second time" in answers[1].text
    alarm_id = row_of(stack, patient)[0]
    assert len(acknowledgements(stack, alarm_id)) == 1
    log = stack.log_dir / f"{PAGE}.log"
    await_condition(
        lambda: any("form sent again" in line and alarm_id in line for line in log.read_text().splitlines()),
        30,
        "the replay was not logged",
    )


def test_an_altered_link_is_refused_and_logged_without_its_token(
    stack: Settings, link: str, await_condition: Await
) -> None:
    altered = link[:-1] + ("0" if link[-1] != "0" else "1")
    assert requests.get(altered, timeout=10).status_code == 403
    log = stack.log_dir / f"{PAGE}.log"
    # It goes by way of the supervisor, which writes it when it comes to it.
    await_condition(lambda: "This link is not valid" in log.read_text(), 30, "the refusal was not logged")
    assert link.rpartition("-")[2][:-1] not in log.read_text()


def test_an_expired_link_is_refused(stack: Settings, patient: str) -> None:
    make = acknowledge_link(stack, lambda: now_ms() / 1000 - stack.alerts.acknowledge_link_hours * 3600 - 1)
    assert make is not None
    answer = requests.post(make(row_of(stack, patient)[0]), data={"author": AUTHOR}, timeout=10)
    assert answer.status_code == 410
    assert "expired" in answer.text


@pytest.fixture
def ended(stack: Settings) -> Iterator[str]:
    """An alarm that is over; its id."""
    alarm_id = unique("").removeprefix("-").ljust(32, "0")
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO alarms (alarm_id, kind, attribute, direction, phase, severity, started_at, last_breach_at,"
            " breaches, ended_at, end_reason) VALUES (%s, 'clinical', 'heart_rate', 'high', 'ended', 'high', %s, %s, 2,"
            " %s, 'cleared')",
            (alarm_id, now_ms(), now_ms(), now_ms()),
        )
        yield alarm_id
        cursor.execute("DELETE FROM alarms WHERE alarm_id = %s", (alarm_id,))


def test_an_alarm_that_is_over_is_acknowledged_by_nobody(stack: Settings, ended: str) -> None:
    make = acknowledge_link(stack)
    assert make is not None
    answer = requests.post(make(ended), data={"author": AUTHOR, "after": "0", "minutes": "30"}, timeout=10)
    assert answer.status_code == 410
    with pytest.raises(WardError, match="over"):
        run_alarms("ack", ended, "--author", AUTHOR, "--reason", REASON)
    assert query(stack, "SELECT COUNT(*) FROM orders WHERE alarm_id = %s", ended) == [(0,)]


def test_what_is_ordered_without_an_engine_takes_effect_when_it_is_back(
    stack: Settings, patient: str, link: str, own_engine: OwnEngine, await_condition: Await
) -> None:
    """The test's own engine holds the lock and does nothing: none that the DAG `streams` starts can work either."""
    answer = send_once(link)
    assert answer.status_code == 202
    assert "has not answered yet" in answer.text
    assert row_of(stack, patient)[1] == "active"
    own_engine.hand_over()
    await_condition(lambda: "acknowledged" in row_of(stack, patient), MAIL_SECONDS, "the order was lost")


def test_without_mysql_the_page_starts_and_says_that_it_must_wait(stack: Settings, await_condition: Await) -> None:
    """A second page, on ports of its own, whose MySQL is nowhere."""
    make, port = acknowledge_link(stack), stack.ports.acknowledge_page + BESIDE
    assert make is not None
    environment = project_environment(stack) | {
        "WARDWATCH_MYSQL__PORT": "1",
        "WARDWATCH_PORTS__ACKNOWLEDGE_PAGE": str(port - stack.port_offset),
        "WARDWATCH_PORTS__METRICS_ACKNOWLEDGE_PAGE": str(
            stack.ports.metrics_acknowledge_page + BESIDE - stack.port_offset
        ),
    }
    address = make("0" * 32).replace(f":{stack.ports.acknowledge_page}/", f":{port}/")

    def status() -> int | None:
        try:
            return requests.get(address, timeout=10).status_code
        except requests.ConnectionError:
            return None

    page = subprocess.Popen([sys.executable, "-m", "alerts.ack_page"], cwd=PROJECT_ROOT, env=environment)
    try:
        assert await_condition(status, 60, "the page does not answer") == 503
    finally:
        page.terminate()
        assert page.wait(30) == 0


def test_the_page_that_was_killed_is_there_again_and_the_link_still_works(
    stack: Settings, link: str, await_condition: Await
) -> None:
    stop(stack, PAGE)
    start(stack, PAGE)
    wait_ready(stack, PAGE)
    assert processes(stack)[PAGE].running
    assert requests.get(link, timeout=10).status_code == 200


def test_the_command_acknowledges_and_shows_the_whole_history(stack: Settings, reader: Reader, patient: str) -> None:
    alarm_id = row_of(stack, patient)[0]
    assert patient in run_alarms("list", "--ward", reader.ward, "--severity", "high")
    run_alarms("ack", alarm_id, "--author", AUTHOR, "--reason", REASON, "--for", "1h")
    assert row_of(stack, patient)[1:] == ("acknowledged", AUTHOR)
    assert acknowledgements(stack, alarm_id) == [(AUTHOR, REASON)]
    assert query(stack, "SELECT is_claimed FROM orders WHERE alarm_id = %s", alarm_id) == [(0,)]
    shown = run_alarms("show", alarm_id[:12])
    for word in ("raised", "acknowledged", AUTHOR, REASON, patient):
        assert word in shown


def test_a_silenced_ward_is_recorded_and_not_mailed_and_its_silence_can_be_lifted(
    stack: Settings, reader: Reader, await_condition: Await
) -> None:
    said = run_alarms("silence", "--ward", reader.ward, "--author", AUTHOR, "--reason", REASON, "--for", "1h")
    found = re.search(r"Silence (\d+): no mails", said)
    assert found
    other = Reader(f"{unique('doctor')}@wardwatch.example", unique("Ward"))
    ward_subscriptions("add", other.email, "--ward", other.ward)
    alarm_of(stack, other)
    await_condition(lambda: other.mails(stack), MAIL_SECONDS, "no mail to the ward that is not silenced")
    silenced = alarm_of(stack, reader)
    await_condition(lambda: "active" in row_of(stack, silenced), MAIL_SECONDS, "the silenced alarm is not recorded")
    last = alarm_of(stack, other)
    await_condition(
        lambda: [mail for mail in other.mails(stack) if last in mail.subject], MAIL_SECONDS, "no second mail"
    )
    assert reader.mails(stack) == []
    assert reader.ward in run_alarms("silences")
    run_alarms("silences", "--lift", found[1], "--author", AUTHOR)
    assert reader.ward not in run_alarms("silences")
    ward_subscriptions("remove", other.email)
    forget_ward(stack, other.ward)


def test_a_maintenance_window_that_is_to_come_holds_from_its_start_to_its_end(stack: Settings) -> None:
    ward, now = unique("Ward"), now_ms() // 1000 * 1000
    starts, ends = now + HOUR_MS, now + 2 * HOUR_MS

    def kinds(at: int) -> list[str]:
        """Of what is in force about the ward then."""
        with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
            return [one.kind for one in load_in_force(cursor, at) if one.ward == ward]

    window = ("--maintenance", "--from", moment(starts), "--until", moment(ends))
    said = run_alarms("silence", "--ward", ward, "--author", AUTHOR, "--reason", REASON, *window)
    found = re.search(r"Maintenance window (\d+): no mails", said)
    assert found
    half = now + 3 * HOUR_MS // 2
    assert [kinds(at) for at in (now, starts - 1, ends, ends + HOUR_MS)] == [[]] * 4
    assert [kinds(at) for at in (starts, half, ends - 1)] == [["maintenance"]] * 3
    [listed] = [line for line in run_alarms("silences").splitlines() if ward in line]
    assert "maintenance" in listed
    assert "to come" in listed
    run_alarms("silences", "--lift", found[1], "--author", AUTHOR)
    assert kinds(half) == []
