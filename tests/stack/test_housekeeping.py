"""What was over long ago is forgotten, and nothing else."""

from __future__ import annotations

import smtplib
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest
from pymysql.cursors import Cursor

from alerts.envelope import Envelope, compose
from alerts.housekeeping import forget_alarms
from alerts.inbox import forget_mails, received_mails
from dashboard.housekeeping import forget_acts
from hbase.snapshots import forget, latest, new_snapshot, store, versions
from infra.clients import alerts_connection, hdfs
from infra.namenode_edits import merge_edits
from infra.render import data_dir
from infra.settings import Settings
from tests.stack.alerting import MAIL_SECONDS, query

OLD_MS = int(datetime(2001, 5, 1, tzinfo=UTC).timestamp() * 1000)
BEFORE = datetime(2002, 1, 1, tzinfo=UTC)
"""Nothing of the stack is from before that time, but what these tests put there."""


@pytest.fixture
def alarms(stack: Settings) -> Iterator[Callable[..., str]]:
    """Writes an alarm of long ago, with an event and a notification; gives its id. All are removed afterwards."""
    made: list[str] = []

    def write(kind: str, ended: bool, sent: bool) -> str:
        alarm = uuid.uuid4().hex
        made.append(alarm)
        with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO alarms (alarm_id, kind, started_at, last_breach_at, breaches, ended_at)"
                " VALUES (%s, %s, %s, %s, 1, %s)",
                (alarm, kind, OLD_MS, OLD_MS, OLD_MS if ended else None),
            )
            _event_and_notification(cursor, alarm, OLD_MS if sent else None)
        return alarm

    yield write
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        for table in ("notifications", "alarm_events", "alarms"):
            cursor.executemany(f"DELETE FROM {table} WHERE alarm_id = %s", made)


def _event_and_notification(cursor: Cursor, alarm: str, sent_at: int | None) -> None:
    cursor.execute(
        "INSERT INTO alarm_events (alarm_id, at, who, what, why) VALUES (%s, %s, 'test', 'began', 'a test')",
        (alarm, OLD_MS),
    )
    # Refused for its own sake until far in the future, so that nobody sends it meanwhile.
    cursor.execute(
        "INSERT INTO notifications (notification_id, alarm_id, group_key, topic, kind, notice, priority, severity,"
        " ward, attribute, subject, body, created_at, not_before, sent_at)"
        " VALUES (%s, %s, %s, 'doctors', 'clinical', 'raised', 9, 'low', 'none', 'none', 'old', 'old', %s, %s, %s)",
        (uuid.uuid4().hex, alarm, uuid.uuid4().bytes * 2, OLD_MS, 9_999_999_999_999, sent_at),
    )


def kept(settings: Settings, alarm: str) -> dict[str, int]:
    return {
        table: query(settings, f"SELECT COUNT(*) FROM {table} WHERE alarm_id = %s", alarm)[0][0]
        for table in ("alarms", "alarm_events", "notifications")
    }


def test_alarms_that_are_over_go_with_their_trail_and_their_mails(stack: Settings, alarms: Callable[..., Any]) -> None:
    forget_alarms(stack, int(BEFORE.timestamp() * 1000))  # what other tests have left
    clinical, technical = alarms("clinical", ended=True, sent=True), alarms("technical", ended=True, sent=True)
    counts = forget_alarms(stack, int(BEFORE.timestamp() * 1000))
    assert counts.pop("audited_hours") == 0
    assert counts == {"alarms": 2, "alarm_events": 2, "notifications": 2, "orders": 0, "silences": 0}
    for alarm in (clinical, technical):
        assert kept(stack, alarm) == {"alarms": 0, "alarm_events": 0, "notifications": 0}


def test_acts_in_the_ward_page_of_long_ago_go_and_later_ones_stay(stack: Settings) -> None:
    patient, since = uuid.uuid4().hex, int(BEFORE.timestamp() * 1000)
    with closing(alerts_connection(stack)) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO page_audit (at, user_name, role, act, patient_id) VALUES (%s, 'test', 'nurse', 'view', %s)",
            [(OLD_MS, patient), (since - 1, patient), (since, patient)],
        )
        assert forget_acts(stack, since) == 2
        assert query(stack, "SELECT at FROM page_audit WHERE patient_id = %s", patient) == [(since,)]
        cursor.execute("DELETE FROM page_audit WHERE patient_id = %s", (patient,))


def test_mails_of_the_inbox_from_before_that_time_go_and_those_from_then_on_stay(
    stack: Settings, await_condition: Callable[..., Any]
) -> None:
    """The inbox takes the time of a mail from its header."""
    since, old, later = int(BEFORE.timestamp() * 1000), uuid.uuid4().hex, uuid.uuid4().hex
    forget_mails(stack, since + 1)  # what an earlier run has left
    with smtplib.SMTP("127.0.0.1", stack.ports.smtp, timeout=10) as smtp:
        for subject, at in ((old, datetime.fromtimestamp(OLD_MS / 1000, UTC)), (later, BEFORE)):
            mail = compose(Envelope(subject, subject, "A test."), stack.alerts.sender, stack.alerts.ops_email)
            mail.replace_header("Date", format_datetime(at))
            smtp.send_message(mail)

    def left() -> set[str]:
        return {mail.subject for mail in received_mails(stack)} & {old, later}

    await_condition(lambda: left() == {old, later}, MAIL_SECONDS, "the mails do not come")
    assert forget_mails(stack, since) == 1
    assert left() == {later}
    assert forget_mails(stack, since + 1) == 1
    assert left() == set()


def test_a_mail_that_was_never_sent_and_an_alarm_that_lasts_are_kept(
    stack: Settings, alarms: Callable[..., Any]
) -> None:
    lasting = [alarms(kind, ended=False, sent=True) for kind in ("technical", "clinical")]
    unsent = alarms("clinical", ended=True, sent=False)
    forget_alarms(stack, int(BEFORE.timestamp() * 1000))
    for alarm in lasting:
        assert kept(stack, alarm) == {"alarms": 1, "alarm_events": 1, "notifications": 1}
    assert kept(stack, unsent) == {"alarms": 0, "alarm_events": 0, "notifications": 1}


def test_threshold_snapshots_that_were_superseded_long_ago_go_and_the_one_then_in_force_stays(stack: Settings) -> None:
    today = latest(stack)
    assert today is not None
    old = [new_snapshot(today.rows, OLD_MS + hour * 3_600_000).version for hour in range(3)]
    try:
        for hour in range(3):
            store(stack, new_snapshot(today.rows, OLD_MS + hour * 3_600_000))
        assert forget(stack, BEFORE) == old[:2]
        assert set(old) & set(versions(stack)) == {old[2]}
        assert latest(stack) == today
    finally:
        for version in set(old) & set(versions(stack)):
            hdfs(stack).rm(stack.hdfs_path("thresholds", f"{version}.json"))


def images(stack: Settings) -> list[int]:
    """Transactions up to which the NameNode has images of the file system, oldest first."""
    current = data_dir(stack, "namenode", "current")
    return sorted(int(path.name.partition("_")[2]) for path in current.glob("fsimage_*") if path.suffix != ".md5")


def test_the_edits_of_hdfs_are_merged_into_a_new_image_and_two_images_are_kept(stack: Settings) -> None:
    before = images(stack)
    path = stack.hdfs_path("test-merged-edits")
    hdfs(stack).pipe_file(path, b"an edit")
    for _ in range(2):
        merge_edits(stack)
    assert hdfs(stack).cat_file(path) == b"an edit"
    hdfs(stack).rm(path)
    after = images(stack)
    assert len(after) == 2
    assert after[0] > before[-1]
