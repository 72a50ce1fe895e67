"""What a benchmark with a ward of its own must not leave behind."""

from __future__ import annotations

from bench.scratch import is_own
from dashboard.accounts import Accounts
from infra.clients import devices_connection
from infra.settings import Settings
from tests.stack.alerting import query


def assert_nothing_is_left(settings: Settings) -> None:
    """No open alarm, no reader, no patient and no account or session on the page of a ward that this process made;
    another may measure beside it."""
    alarms = query(settings, "SELECT ward FROM alarms WHERE ward LIKE 'Bench-%%' AND phase <> 'ended'")
    readers = query(settings, "SELECT email FROM subscriptions WHERE email LIKE 'bench-%%' AND state <> 'removed'")
    sessions = query(settings, "SELECT user_name FROM page_sessions WHERE user_name LIKE 'bench-%%'")
    with devices_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT patient_id FROM health.patients_information"
            " WHERE admitted_ward LIKE 'Bench-%' AND discharged_at IS NULL"
        )
        patients = cursor.fetchall()
    names = [row[0] for row in (*alarms, *readers, *sessions, *patients)]
    names += [account.name for account in Accounts(settings).all()]
    assert [name for name in names if is_own(name)] == []
