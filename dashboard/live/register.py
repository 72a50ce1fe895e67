"""What the board knows from MySQL and the streams, asked by a thread each for all open pages: who is admitted, which
alarms there are, and whether the readings are judged, derived from and kept."""

from __future__ import annotations

import threading
import time
from collections import deque
from contextlib import closing
from math import ceil

from alerts.alarms_table import Choice, list_alarms
from alerts.database import mysql_errors, now_ms
from alerts.wards import Stay, as_id, contacts_column, contacts_identity, contacts_of, contacts_table, epoch_ms
from alerts.wording import one_line
from dashboard.live.state import Contact, LiveState
from infra.clients import alerts_connection, reader_connection
from infra.errors import UnavailableError, WardError
from infra.log import get_logger
from infra.metrics import StreamState, read_state
from infra.settings import Settings

CONTACTS_SECONDS = 15.0
FIRST_CONTACTS_SECONDS = 1.0
ALARMS_SECONDS = 1.0
ANSWER_SECONDS = 10.0
JUDGES, DERIVER, WRITER = ("detect-breaches", "alert-engine"), "derive-vitals", "land-vitals"
RECENT = "recent"
STREAMS_SECONDS, JUDGED_SECONDS, MISSED = 5.0, 60.0, 3
"""How often they are asked, how old their last progress may be, and how often in a row they may not answer well."""

WAITING_SECONDS, WAITING_LEAST = 15.0, 500.0
"""Readings of so many seconds may wait for a judge, and so many records at any rate."""

DERIVING_BATCHES = 3
"""Of so many batches of derivation besides: readings wait for the next while one is being computed."""

ALARMS_MAX = 20_000
"""Open alarms that are read at most, the most urgent of them."""

NO_CONTACTS = "The contacts cannot be read at the moment: names, wards and discharges may be out of date."
NOT_WRITTEN = "Recent readings are not written at the moment: charts and lists of a patient may lack the newest."
NOT_JUDGED = "The readings are not judged at the moment: an alarm may be missing from this page."
NOT_DERIVED = "Scores and means are not computed at the moment: an alarm about them may be missing."
NO_ALARMS = "The alarms cannot be read at the moment: what is said of them may be out of date."

NOT_WELL = {"judging": NOT_JUDGED, "deriving": NOT_DERIVED, RECENT: NOT_WRITTEN}
"""What is said of streams that do not do their part, by its source in the live state."""

log = get_logger("ward-page")


def follow_contacts(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """Read who is admitted, again and again, until `stop` is set."""
    while True:
        pause = CONTACTS_SECONDS
        try:
            if not _read_contacts(settings, live):
                pause = FIRST_CONTACTS_SECONDS
        except WardError as error:
            live.set_problem("contacts", NO_CONTACTS)
            log.warning("the contacts cannot be read", reason=str(error))
        if stop.wait(pause):
            return


def _read_contacts(settings: Settings, live: LiveState) -> bool:
    """Whether it was known of whom to ask."""
    contacts = admitted(settings)
    with live.look() as wards:
        strangers = (wards.patients.keys() | wards.alarms.keys()) - contacts.keys()
        is_known = wards.caught_up and wards.alarms_read_at is not None
    stays = contacts_of(settings, strangers)
    if stays is None:
        raise UnavailableError("MySQL", settings.contacts.table, "no answer in time")
    now = now_ms()
    live.set_contacts(contacts, [patient for patient, stay in stays.items() if stay.has_left(now)])
    return is_known


def admitted(settings: Settings) -> dict[str, Contact]:
    """Everybody who is in hospital, by the source of contacts. Raises UnavailableError."""
    identity = contacts_identity(settings)
    name, ward, left = (contacts_column(settings, one) or "NULL" for one in ("name", "admitted_ward", "discharged_at"))
    # No zone is further off than a day; the exact time is looked at below.
    query = (
        f"SELECT {identity}, {name}, {ward}, {left} FROM {contacts_table(settings)}"
        f" WHERE {left} IS NULL OR {left} > NOW(3) - INTERVAL 1 DAY"
    )
    with (
        mysql_errors(settings),
        closing(reader_connection(settings, read_timeout=ANSWER_SECONDS)) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query, ())
        kind, now = cursor.description[3][1], now_ms()
        return {
            as_id(one): Contact(one_line(called), one_line(place))
            for one, called, place, at in cursor.fetchall()
            if not Stay(None, epoch_ms(at, kind, settings)).has_left(now)
        }


def follow_streams(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """See until `stop` is set that readings are judged and scores computed, without which no alarm means nothing, and
    readings kept for charts.

    At a start nothing is taken on trust: what is not well at the first look is said then.
    """
    missed = dict.fromkeys(NOT_WELL, MISSED)
    rates = deque[float](maxlen=ceil(waiting_seconds(settings, DERIVER) / STREAMS_SECONDS))
    before = time.monotonic(), live.readings_taken()
    while True:
        judges = [read_state(settings, one) for one in JUDGES]
        deriver, writer = read_state(settings, DERIVER), read_state(settings, WRITER)
        at, taken = time.monotonic(), live.readings_taken()
        rate = (taken - before[1]) / max(at - before[0], STREAMS_SECONDS)
        rates.append(rate)
        before = at, taken
        is_well = {
            "judging": all(
                judges_now(one, rate, time.time(), waiting_seconds(settings, name))
                for name, one in zip(JUDGES, judges, strict=True)
            ),
            # What came at once, or before all fell silent, waits for the end of a batch.
            "deriving": judges_now(deriver, max(rates), time.time(), waiting_seconds(settings, DERIVER)),
            RECENT: writer is not None and not writer.recent_failing,
        }
        for source, sentence in NOT_WELL.items():
            missed[source] = 0 if is_well[source] else missed[source] + 1
            live.set_problem(source, sentence if missed[source] >= MISSED else None)
        if stop.wait(STREAMS_SECONDS):
            return


def waiting_seconds(settings: Settings, stream: str) -> float:
    """Readings of how many seconds may seem to wait for a stream: derivation takes them in batches, and detection on a
    cluster counts those of an epoch."""
    if stream == DERIVER:
        return WAITING_SECONDS + DERIVING_BATCHES * settings.derivation.interval_seconds
    is_elsewhere = settings.spark.master is not None and not settings.spark.master.startswith("local")
    epoch = settings.spark.realtime_epoch_seconds if stream == JUDGES[0] and is_elsewhere else 0
    return WAITING_SECONDS + epoch


def judges_now(stream: StreamState | None, rate: float, now: float, waiting_seconds: float = WAITING_SECONDS) -> bool:
    """Whether a stream that readings are judged by, or derived from, gets on and keeps up.

    `rate`: readings/s; `now`: epoch s.
    """
    if stream is None or not stream.got_on(JUDGED_SECONDS, now):
        return False
    return stream.lag <= max(WAITING_LEAST, rate * waiting_seconds)


def follow_alarms(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """Read the open alarms, each second, until `stop` is set; on one connection as long as it lasts."""
    while not stop.is_set():
        try:
            with (
                mysql_errors(settings),
                closing(alerts_connection(settings, read_timeout=ANSWER_SECONDS)) as connection,
                connection.cursor() as cursor,
            ):
                while True:
                    live.set_alarms(list_alarms(cursor, Choice(), ALARMS_MAX))
                    if stop.wait(ALARMS_SECONDS):
                        return
        except WardError as error:
            live.set_problem("alarms", NO_ALARMS)
            log.warning("the alarms cannot be read", reason=str(error))
            stop.wait(ALARMS_SECONDS)
