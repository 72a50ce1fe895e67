"""What is asked of MySQL."""

import re
from datetime import UTC, datetime
from unittest.mock import Mock

import pytest

from infra.errors import ConfigurationError
from infra.settings import Contacts
from sqoop.source import KNOWN_COLUMNS, Column, ContactsTable, _mapped, as_text, parse_mark, server_time

TYPES = {"updated_at": "timestamp", "discharged_at": "timestamp", "date_of_birth": "date"}
PRESENT = {name: Column(name, TYPES.get(name, "varchar")) for name in KNOWN_COLUMNS}


def table(**columns: Column) -> ContactsTable:
    return ContactsTable("clinic.people", {"patient_id": Column("customerId", "int"), **columns}, "Europe/Berlin")


def test_every_column_is_asked_for_as_text_under_our_name() -> None:
    query = table(name=Column("full name", "varchar")).query(["patient_id", "name"], None)
    assert query == (
        "SELECT CAST(`customerId` + 0 AS CHAR) AS patient_id, CAST(`full name` AS CHAR) AS name "
        "FROM `clinic`.`people` WHERE $CONDITIONS AND `customerId` IS NOT NULL"
    )


def test_only_an_id_that_is_a_number_loses_the_zeros_before_it() -> None:
    text = ContactsTable("clinic.people", {"patient_id": Column("mrn", "varchar"), "phone": Column("phone", "int")})
    assert (text.text_of("patient_id"), text.text_of("phone")) == ("CAST(`mrn` AS CHAR)", "CAST(`phone` AS CHAR)")


def test_a_bit_is_asked_for_as_a_number() -> None:
    assert as_text(Column("pregnant", "bit")) == "CAST(`pregnant` + 0 AS CHAR)"


def test_an_incremental_import_also_asks_for_rows_without_a_time_of_change() -> None:
    predicate = table(updated_at=Column("changed", "timestamp")).predicate("2026-01-31 08:00:00.000000")
    assert predicate == (
        "`customerId` IS NOT NULL AND (`changed` >= '2026-01-31 08:00:00.000000' OR `changed` IS NULL)"
    )


@pytest.mark.parametrize("mark", ["2026-01-31 08:00:00", "2026-01-31 08:00:00.000"])
def test_the_overlap_is_taken_off_the_mark(mark: str) -> None:
    source = table(updated_at=Column("changed", "timestamp"))
    assert source.since(mark, 600) == "2026-01-31 07:50:00.000000"


def test_a_mark_in_local_time_looks_back_an_hour_more_for_the_end_of_summer_time() -> None:
    source = table(updated_at=Column("changed", "datetime"))
    assert source.since("2026-10-25 02:30:00.250", 600) == "2026-10-25 01:20:00.250000"


def test_the_clock_is_shown_as_the_column_would_show_it() -> None:
    at = datetime(2026, 7, 1, 12, 0, 0, 5000, tzinfo=UTC)
    assert table(updated_at=Column("changed", "timestamp")).clock(at) == "2026-07-01 12:00:00.005000"
    assert table(updated_at=Column("changed", "datetime")).clock(at) == "2026-07-01 14:00:00.005000"


def test_the_clock_of_the_database_is_asked_without_a_look_at_a_table() -> None:
    cursor, at = Mock(), datetime(2026, 7, 1, 12, tzinfo=UTC)
    cursor.fetchone.return_value = (at.replace(tzinfo=None),)
    assert server_time(cursor) == at
    cursor.execute.assert_called_once_with("SELECT UTC_TIMESTAMP(6)")


def test_only_datetime_columns_have_a_zone() -> None:
    source = table(updated_at=Column("changed", "timestamp"), discharged_at=Column("left", "datetime"))
    assert source.time_zones == {"discharged_at": "Europe/Berlin"}


def test_a_mark_is_read_with_and_without_a_fraction() -> None:
    assert parse_mark("2026-01-31 08:00:00") == parse_mark("2026-01-31 08:00:00.000")


def test_without_a_column_for_changes_no_import_is_incremental() -> None:
    assert not table().incremental
    assert table(updated_at=Column("changed", "timestamp")).incremental


def test_columns_are_found_whatever_their_case_and_in_our_order() -> None:
    contacts = Contacts(columns={"name": "FULLNAME", "patient_id": "customerID", "phone": ""})
    present = {"customerid": Column("customerId", "int"), "fullname": Column("fullName", "varchar")}
    assert _mapped(contacts, present) == {
        "patient_id": Column("customerId", "int"),
        "name": Column("fullName", "varchar"),
    }


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"patient_id": "patient_id", "telephone": "phone"}, "telephone, which we have not"),
        ({"name": "name"}, "does not say which column of health.patients_information is the patient_id"),
        ({"patient_id": "patient_id", "phone": "tel"}, "no column tel"),
        ({"patient_id": "patient_id", "updated_at": "name"}, "must be a TIMESTAMP or DATETIME"),
    ],
)
def test_a_wrong_mapping_is_said_in_one_sentence(columns: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        _mapped(Contacts(columns=columns), PRESENT)


def test_the_default_mapping_is_accepted() -> None:
    assert list(_mapped(Contacts(), PRESENT)) == list(KNOWN_COLUMNS)
