"""The oracle: after a campaign, MySQL, Kafka, Hive, the alarms and the inbox are compared by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import orjson

from alerts.database import digest
from alerts.inbox import received_mails
from alerts.manner import rule_of
from clinical.ages import age_years
from clinical.lifecycle_events import Kind
from clinical.messages import breach_id
from clinical.news2 import SCALES, score
from clinical.thresholds import ThresholdRow, judge
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, VITAL_INFO
from hbase.snapshots import latest
from hive.client import query
from infra.clients import alerts_connection, devices_connection, hive_connection
from infra.kafka_io import committed_messages
from infra.settings import Settings
from tests.faults.campaign import Campaign
from tests.faults.editors import in_force, said
from tests.faults.histories import (
    Episode,
    Key,
    Step,
    episodes,
    no_longer_acknowledged,
    overlapping,
    repeated_though_acknowledged,
    untold,
    without_alarm,
)
from tests.faults.load import (
    ALL_COLUMNS,
    BORN,
    COLUMNS,
    MONITORED,
    NORMAL,
    ill_patients,
    monitored_patient,
    scored_patient,
    silenced_patients,
    ward_of,
)

SELDOM = "glucose"
SHOWN = 5
HEARD = "Acknowledged until"
EDGE_MS = 5000
"""How much longer than its delay an episode must have lasted to be sure of an alarm."""

NEWS2 = "news2"
ALARMING_SCORE = 5
"""RCP 2017: urgent assessment; the lowest score with a band of its own, whose condition must last SCORE_WAITS_MS."""

SCORE_WAITS_MS = 30_000
READ = 1 + len(COLUMNS)
"""What of a row of MySQL is compared with Hive: its id and COLUMNS."""

ROUNDED_MS = 2
EDITS_KEPT = 5
"""HBase keeps ten versions of a cell, and some are of edits that it did not acknowledge."""


@dataclass
class Findings:
    """What was compared, and by id what was lost, doubled or out of nowhere at each step."""

    counts: dict[str, int] = field(default_factory=dict)
    lost: dict[str, list[Any]] = field(default_factory=dict)
    doubled: dict[str, list[Any]] = field(default_factory=dict)
    stray: dict[str, list[Any]] = field(default_factory=dict)

    def compare(self, step: str, expected: Iterable[Any], found: Iterable[Any], *, repeats: bool = False) -> None:
        """Each of `expected` must be in `found`, nothing else, and once unless `repeats` are allowed."""
        wanted, seen = set(expected), Counter(found)
        self.counts[step] = len(wanted)
        for kind, ids in (
            (self.lost, wanted - seen.keys()),
            (self.stray, seen.keys() - wanted),
            (self.doubled, set() if repeats else {name for name, copies in seen.items() if copies > 1}),
        ):
            if ids:
                kind[step] = sorted(ids)

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.stray)

    def __str__(self) -> str:
        parts = [f"compared: {self.counts}"]
        for name, kind in (("lost", self.lost), ("doubled", self.doubled), ("out of nowhere", self.stray)):
            parts += [f"{name} in {step}: {len(ids)}, such as {ids[:SHOWN]}" for step, ids in kind.items()]
        return "; ".join(parts)


class LastScore(NamedTuple):
    """The NEWS2 of a patient's newest reading (`at`, epoch ms), of so many inputs."""

    patient: str
    at: int
    total: int
    used: int

    def is_told_by(self, derived: Mapping[str, Any]) -> bool:
        """Whether a derived value says that. MySQL rounds the time of measurement, and that of insertion down."""
        said_of_it = tuple(derived[name] for name in ("attribute", "patient_id", "value", "inputs_used"))
        same_time = abs(derived["computed_for"] - self.at) <= ROUNDED_MS
        return same_time and said_of_it == (NEWS2, self.patient, self.total, self.used)


def last_scores(rows: Iterable[tuple[Any, ...]]) -> list[LastScore]:
    """Of each patient, by the pure function; `rows` as `source_rows`: each reading of a patient has the same inputs."""
    newest = {row[1]: row for row in sorted(rows, key=lambda row: row[2])}
    found = []
    for patient, row in newest.items():
        known = {name: value for name, value in zip(ALL_COLUMNS, row[1:], strict=True) if value is not None}
        vitals = {name: Decimal(str(known[name])) for name in SCALES if name in known}
        of_it = score(vitals, known.get("on_oxygen"), known.get("consciousness"))
        found.append(LastScore(patient, round(row[2].replace(tzinfo=UTC).timestamp() * 1000), of_it.total, of_it.used))
    return found


class Oracle:
    """Everything that a campaign left behind; `since` is when it began, `email` a doctor of its ward."""

    def __init__(self, settings: Settings, campaign: str, since: datetime, email: str) -> None:
        self._settings = settings
        self._campaign = campaign
        self._prefix = f"{campaign}-"
        self._since = since
        self._email = email

    def findings(self, done: Campaign) -> Findings:
        """Compare everything now, when all is at rest, with what the campaign has `done`."""
        found = Findings()
        rows = self.source_rows()
        ids = [row[0] for row in rows]
        kept = set(ids)
        promised = [number for first, count in done.acknowledged for number in range(first, first + count)]
        found.compare("MySQL (acknowledged rows)", promised, (number for number in promised if number in kept))
        found.compare("vital-info", ids, (message["reading_id"] for message in self.messages(VITAL_INFO)))
        found.compare("Hive vital_readings", (row[:READ] for row in rows), self.hive_readings())
        derived = {message["derived_id"]: message for message in self.messages(DERIVED_VITALS)}
        breaches = self.expected_breaches(rows) | self.expected_breaches_of_scores(derived.values())
        found.compare("doctors-queue", breaches, self.breaches_published(), repeats=True)
        found.compare("Hive breaches", breaches, (identity for (identity,) in self.hive("breaches", "breach_id")))
        found.compare("Hive derived_vitals", derived, self.hive_derived())
        scores = last_scores(rows)
        found.compare("last scores", scores, (one for one in scores if any(map(one.is_told_by, derived.values()))))
        judged = Counter((patient, name, way) for patient, name, way in breaches.values())
        found.compare("breaches counted in alarms", judged.items(), self.breaches_in_alarms())
        high = self.expected_high(rows)
        raised = [key for key, peak in self.alarm_peaks() if peak == "high" and key in high]
        found.compare("high alarms", high, raised, repeats=True)
        for what, lasting, raised_of in (
            ("the monitored", self.lasting_episodes(rows), (monitored_patient(self._campaign), MONITORED, "low")),
            ("the scored", self.lasting_scores(derived.values()), (scored_patient(self._campaign), NEWS2, "high")),
        ):
            unheard = without_alarm(lasting, self.raised(*raised_of))
            found.compare(f"lasting episodes of {what}", lasting, (one for one in lasting if one not in unheard))
        steps = self.steps()
        self.compare_alarms(found, steps, breaches)
        self.compare_news(found, steps)
        self.compare_acts(found, done.authors)
        self.compare_acknowledgements(found, steps, done.fallen_back)
        self.compare_edits(found, done.edits)
        sent = self.notifications()
        self.compare_mails(found, steps, sent)
        found.compare("notifications sent", sent.keys(), (name for name, at in sent.items() if at is not None))
        found.compare("inbox", sent, self.inbox())
        return found

    def compare_alarms(
        self, found: Findings, steps: Sequence[Step], breaches: Mapping[str, tuple[str, str, str]]
    ) -> None:
        """The engine has noted each breach (of all that there were, it keeps ten times what a campaign has); none began
        two alarms, and no alarm began while another of the same patient, attribute and direction lasted.

        By the order of what the engine did: breaches that come after the end of their alarm begin a new one, which
        began before that end by the time of its values.
        """
        noted = {breach for (breach,) in self._alerts("SELECT breach FROM seen_breaches")}
        found.compare("breaches noted", breaches, (identity for identity in breaches if digest(identity) in noted))
        begun = [step.breach_id for step in steps if step.what == Kind.PENDING and step.breach_id]
        found.compare("breaches that began an alarm", breaches.keys() & {*begun}, begun)
        found.compare("alarms beside another of their kind", [], overlapping(steps, self.alarm_keys()))
        lone = self._alerts(
            "SELECT e.breach_id FROM alarm_events e LEFT JOIN alarms a USING (alarm_id)"
            " WHERE a.alarm_id IS NULL AND e.what = %s AND e.at >= %s",
            Kind.PENDING.value,
            int(self._since.timestamp() * 1000),
        )
        found.compare("breaches of alarms that are not stored", [], breaches.keys() & {breach for (breach,) in lone})

    def compare_news(self, found: Findings, steps: Sequence[Step]) -> None:
        """Of each alarm of a severity that is mailed, of a patient who is not silenced: its beginning once, or its end
        alone when it was over before its beginning could be told. Of each that anybody was told of: its end once."""
        rule, silenced = rule_of(self._settings), {*silenced_patients(self._campaign)}
        worth_telling = {
            alarm
            for alarm, patient, peak in self._alerts(
                "SELECT alarm_id, patient_id, peak_severity FROM alarms WHERE patient_id LIKE %s", f"{self._prefix}%"
            )
            if peak in rule.told and patient not in silenced
        }
        found.compare(
            "alarms told", worth_telling, worth_telling - untold(steps, worth_telling, rule.group_seconds * 1000)
        )
        news = [(step.what, step.alarm_id) for step in steps if step.notification_id]
        begun = [alarm for what, alarm in news if what == "raised"]
        found.compare("beginnings told", begun, begun)
        ended = [alarm for what, alarm in news if what == "resolved"]
        found.compare("ends told", {alarm for _, alarm in news}, ended)

    def compare_acknowledgements(self, found: Findings, steps: Sequence[Step], fallen_back: Iterable[str]) -> None:
        """While an alarm was acknowledged nobody was reminded of it, nor was the next level told; and of each that was
        seen acknowledged and later not, the history says why."""
        found.compare("acknowledged alarms that were repeated", [], repeated_though_acknowledged(steps))
        found.compare("ends of acknowledgements seen", fallen_back, {*fallen_back} & no_longer_acknowledged(steps))

    def compare_edits(self, found: Findings, edits: Sequence[str]) -> None:
        """HBase has the last edits that it acknowledged, and the newest is in force; Hive has the phones of MySQL."""
        stored, newest = said(self._settings), edits[-EDITS_KEPT:]
        found.compare("threshold edits", newest, (text for text in stored if text in newest))
        found.compare("threshold edit in force", stored[-1:], [in_force(self._settings)])
        found.compare("phones", *self.phones())

    def compare_mails(self, found: Findings, steps: Sequence[Step], sent: Mapping[str, int | None]) -> None:
        """Each mail that a history names is in the outbox, by itself or within one of `sent`, and nothing else is."""
        named = {step.notification_id for step in steps if step.notification_id}
        held = dict(
            self._alerts(
                "SELECT notification_id, merged_into FROM notifications WHERE topic = 'doctors' AND kind = 'clinical'"
                " AND ward = %s",
                ward_of(self._campaign),
            )
        )
        wholes = {whole for whole in held.values() if whole is not None}
        found.compare("notifications of histories", named, held.keys() - wholes)
        found.compare("merged notifications", wholes, wholes & sent.keys())

    def compare_acts(self, found: Findings, authors: Sequence[str]) -> None:
        """Each acknowledgement that was accepted was answered; what was answered by a yes is once in the history of its
        alarm. Of silenced patients nobody is mailed, and all is recorded."""
        mine = f"{self._prefix}%"
        outcomes = dict(
            self._alerts(
                "SELECT o.author, o.outcome FROM orders o JOIN alarms a USING (alarm_id) WHERE a.patient_id LIKE %s",
                mine,
            )
        )
        found.compare("acknowledgements accepted", authors, (name for name in authors if name in outcomes))
        found.compare("acknowledgements answered", outcomes, (name for name, said in outcomes.items() if said))
        heard = [name for name, said in outcomes.items() if said and said.startswith(HEARD)]
        steps = self._alerts(
            "SELECT e.who FROM alarm_events e JOIN alarms a USING (alarm_id)"
            " WHERE a.patient_id LIKE %s AND e.what = 'acknowledged'",
            mine,
        )
        found.compare("acknowledgements in histories", heard, (who for (who,) in steps))
        told = {
            patient
            for (patient,) in self._alerts(
                "SELECT a.patient_id FROM notifications n JOIN alarms a USING (alarm_id) WHERE a.patient_id LIKE %s",
                mine,
            )
        }
        silenced = {*silenced_patients(self._campaign)}
        found.compare("silenced patients that were mailed", [], told & silenced)
        raised = {
            patient
            for (patient,) in self._alerts(
                "SELECT patient_id FROM alarms WHERE patient_id LIKE %s AND raised_at IS NOT NULL", mine
            )
        }
        ill = {*ill_patients(self._campaign)}
        found.compare("ill patients with an alarm", ill, ill & raised)
        found.compare("ill patients that were mailed", ill - silenced, ill & told)

    def open_alarms(self) -> int:
        """Alarms that are not over, or of which something is still to be told."""
        [(count,)] = self._alerts(
            "SELECT COUNT(*) FROM alarms WHERE patient_id LIKE %s AND (phase <> 'ended' OR notice IS NOT NULL)",
            f"{self._prefix}%",
        )
        return int(count)

    def is_mailed(self) -> bool:
        """Whether every notification was sent and mailed on; what the embedded SNS held when it was killed is sent
        again."""
        sent = self.notifications()
        return None not in sent.values() and sent.keys() <= {*self.inbox()}

    def source_rows(self) -> list[tuple[Any, ...]]:
        """id, then ALL_COLUMNS, of every row of the campaign in MySQL."""
        return self._mysql(
            f"SELECT id, {', '.join(ALL_COLUMNS)} FROM health.patients_vital_info"
            " WHERE patient_id LIKE %s AND inserted_at >= %s",
            f"{self._prefix}%",
            self._since.replace(tzinfo=None),
        )

    def expected_breaches(self, rows: Iterable[tuple[Any, ...]]) -> dict[str, tuple[str, str, str]]:
        """Breach id -> patient, attribute, direction; by the pure judgement and the thresholds in force."""
        expected: dict[str, tuple[str, str, str]] = {}
        for number, patient, name, band in self._judged(rows):
            if band is not None and band.alert_flag and band.direction != "normal":
                expected[breach_id(VITAL_INFO, str(number), name)] = (patient, name, band.direction)
        return expected

    def expected_breaches_of_scores(self, derived: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str, str]]:
        """The same of what was derived."""
        return {
            breach_id(DERIVED_VITALS, one["derived_id"], NEWS2): (one["patient_id"], NEWS2, "high")
            for one in derived
            if one["attribute"] == NEWS2 and one["value"] >= ALARMING_SCORE
        }

    def expected_high(self, rows: Iterable[tuple[Any, ...]]) -> set[tuple[str, str, str]]:
        """Patient, attribute and direction of those that had a high breach of a vital that is measured seldom."""
        return {
            (patient, name, band.direction)
            for _, patient, name, band in self._judged(rows)
            if name == SELDOM and band is not None and band.severity == "high" and band.alert_flag
        }

    def lasting_episodes(self, rows: Iterable[tuple[Any, ...]]) -> list[Episode]:
        """Of the patient on a monitor: the episodes that lasted longer than their band waits."""
        rows = [row for row in rows if row[1] == monitored_patient(self._campaign)]
        recorded = {row[0]: round(row[2].replace(tzinfo=UTC).timestamp() * 1000) for row in rows}
        readings, delays = list[tuple[int, bool]](), {0}
        for number, _, name, band in self._judged(rows):
            if name == MONITORED and band is not None:
                readings.append((recorded[number], band.alert_flag))
                delays |= {band.delay_seconds} if band.alert_flag else set()
        least = max(delays) * 1000 + EDGE_MS
        return [one for one in episodes(readings) if one.last - one.first >= least]

    def lasting_scores(self, derived: Iterable[Mapping[str, Any]]) -> list[Episode]:
        """Of the patient who is scored whole: the episodes of scores that lasted longer than any band of theirs waits.

        Scores may be missing, when what derives them was away: what was there is what was judged."""
        scores = [
            (int(one["computed_for"]), one["value"] >= ALARMING_SCORE)
            for one in derived
            if one["attribute"] == NEWS2 and one["patient_id"] == scored_patient(self._campaign)
        ]
        return [one for one in episodes(scores) if one.last - one.first >= SCORE_WAITS_MS + EDGE_MS]

    def raised(self, patient: str, attribute: str, direction: str) -> list[tuple[int, int | None]]:
        """The first value and the end of each such alarm that was more than pending."""
        rows = self._alerts(
            "SELECT started_at, ended_at FROM alarms WHERE patient_id = %s AND attribute = %s AND direction = %s"
            " AND raised_at IS NOT NULL",
            patient,
            attribute,
            direction,
        )
        return [(began, ended) for began, ended in rows]

    def _judged(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, str, str, ThresholdRow | None]]:
        """Each value's reading, patient, attribute and band."""
        snapshot = latest(self._settings)
        assert snapshot is not None
        age = age_years(datetime.now(UTC).date(), BORN)
        bands: dict[tuple[str, str, int], ThresholdRow | None] = {}
        for number, patient, _, *vitals in rows:
            for name, value in zip(NORMAL, vitals[: len(NORMAL)], strict=True):
                if (patient, name, value) not in bands:
                    bands[patient, name, value] = judge(snapshot.rows, name, value, age, patient)
                yield number, patient, name, bands[patient, name, value]

    def messages(self, topic: str) -> list[dict[str, Any]]:
        """The campaign's committed messages of a topic."""
        mark, since = self._prefix.encode(), int(self._since.timestamp() * 1000)
        return [
            orjson.loads(message.value() or b"")
            for message in committed_messages(self._settings, [topic], since_ms=since)
            if (message.key() or b"").startswith(mark)
        ]

    def breaches_published(self) -> list[str]:
        return [message["breach_id"] for message in self.messages(DOCTORS_QUEUE)]

    def hive_readings(self) -> list[tuple[Any, ...]]:
        """Id, patient, time of measurement and vitals of each reading in Hive."""
        found = self.hive("vital_readings", f"reading_id, {', '.join(COLUMNS)}")
        return [(*row[:3], *map(int, row[3:])) for row in found]

    def hive_derived(self) -> list[str]:
        """Id of each derived value in Hive."""
        return [identity for (identity,) in self.hive("derived_vitals", "derived_id", "computed_for")]

    def hive(self, table: str, columns: str, time: str = "inserted_at") -> list[tuple[Any, ...]]:
        """The campaign's rows of a Hive table, by HQL; `time`: by which of its columns they are told from older."""
        with hive_connection(self._settings) as connection, connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns} FROM health.{table} WHERE event_date >= '{self._since:%Y-%m-%d}'"
                f" AND patient_id LIKE '{self._prefix}%' AND {time} >= '{self._since:%Y-%m-%d %H:%M:%S}'"
            )
            return list(cursor.fetchall())

    def breaches_in_alarms(self) -> list[tuple[tuple[str, str, str], int]]:
        """How many breaches each patient's attribute and direction were judged to have, over all of its alarms."""
        rows = self._alerts(
            "SELECT patient_id, attribute, direction, SUM(breaches) FROM alarms"
            " WHERE patient_id LIKE %s GROUP BY patient_id, attribute, direction",
            f"{self._prefix}%",
        )
        return [((patient, name, way), int(count)) for patient, name, way, count in rows]

    def phones(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Of each patient, as MySQL has them and as Hive has them since the last import."""
        where = f"patient_id LIKE '{self._prefix}%'"
        with devices_connection(self._settings) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT patient_id, phone FROM health.patients_information WHERE {where}")
            source = [(patient, phone) for patient, phone in cursor.fetchall()]
        landed = query(self._settings, f"SELECT patient_id, phone FROM health.patients WHERE {where}")
        return source, [(patient, phone) for patient, phone in landed]

    def steps(self) -> list[Step]:
        """The histories of the campaign's alarms, in the order in which the engine wrote them."""
        rows = self._alerts(
            "SELECT e.alarm_id, e.at, e.what, e.breach_id, e.notification_id"
            " FROM alarm_events e JOIN alarms a USING (alarm_id) WHERE a.patient_id LIKE %s ORDER BY e.event_id",
            f"{self._prefix}%",
        )
        return [Step(*row) for row in rows]

    def alarm_keys(self) -> dict[str, Key]:
        """Patient, attribute and direction of each alarm."""
        rows = self._alerts(
            "SELECT alarm_id, patient_id, attribute, direction FROM alarms WHERE patient_id LIKE %s", f"{self._prefix}%"
        )
        return {alarm: (patient, name, way) for alarm, patient, name, way in rows}

    def alarm_peaks(self) -> list[tuple[tuple[str, str, str], str]]:
        """Patient, attribute and direction of each alarm, and its highest severity."""
        rows = self._alerts(
            "SELECT patient_id, attribute, direction, peak_severity FROM alarms WHERE patient_id LIKE %s",
            f"{self._prefix}%",
        )
        return [((patient, name, way), peak) for patient, name, way, peak in rows]

    def notifications(self) -> dict[str, int | None]:
        """Notification about a patient -> when SNS took it (epoch ms), for the doctors of the campaign's ward."""
        rows = self._alerts(
            "SELECT notification_id, sent_at FROM notifications"
            " WHERE topic = 'doctors' AND kind = 'clinical' AND ward = %s AND merged_into IS NULL",
            ward_of(self._campaign),
        )
        return {str(name): sent_at for name, sent_at in rows}

    def inbox(self) -> list[str]:
        """Notification of each mail to the campaign's doctor about its ward: what concerns no known ward goes to every
        doctor, and may be about patients of other tests."""
        mails = (mail for mail in received_mails(self._settings) if self._email in mail.recipients)
        return [mail.notification_id for mail in mails if ward_of(self._campaign) in mail.text]

    def _mysql(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with closing(devices_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())

    def _alerts(self, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
        with closing(alerts_connection(self._settings)) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments)
            return list(cursor.fetchall())
