"""The mapping is checked before anything is read, and each mistake says what exists instead."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from unittest.mock import MagicMock

import pytest

from clinical.vitals import DEVICE
from infra.errors import ConfigurationError
from infra.settings import Settings, Source
from producers.mapping import Column, plan_columns, split_table_name
from producers.source import _expressions, inspect

CLINIC = (
    Column("id", "int", nullable=False, unique=True, grows=True),
    Column("customerId", "int", nullable=True, unique=False),
    Column("heartbeat", "int", nullable=True, unique=False),
    Column("bp", "varchar", nullable=True, unique=False),
    Column("seen", "datetime", nullable=True, unique=False),
    Column("stored", "timestamp", nullable=True, unique=False),
)


def clinic(**changes: object) -> Source:
    settings = {
        "table": "clinic.vitals",
        "key_column": "id",
        "patient_column": "customerId",
        "device_column": "",
        "recorded_at_column": "",
        "inserted_at_column": "",
        "attributes": {"heartbeat": "heart_rate", "bp": "blood_pressure"},
    }
    return Source.model_validate({**settings, **changes})


def refusal(**changes: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        plan_columns(clinic(**changes), CLINIC)
    return str(caught.value)


def test_a_foreign_table_is_mapped_by_settings_alone() -> None:
    plan = plan_columns(clinic(), CLINIC)
    assert (plan.key, plan.patient, plan.device, plan.recorded_at) == ("id", "customerId", None, None)
    assert plan.attributes == (("heartbeat", "heart_rate", True), ("bp", "blood_pressure", False))


def test_a_table_whose_devices_say_nothing_of_themselves_is_read_without_that_unless_it_was_asked_for() -> None:
    default = Source()
    columns = [
        Column("id", "bigint", nullable=False, unique=True, grows=True),
        *(
            Column(name, "datetime" if name.endswith("_at") else "int", nullable=True, unique=False)
            for name in ("patient_id", "device_id", "recorded_at", "inserted_at", *default.attributes)
            if name not in DEVICE
        ),
    ]
    assert [attribute for _, attribute, _ in plan_columns(default, columns).attributes] == [
        attribute for attribute in default.attributes if attribute not in DEVICE
    ]
    with pytest.raises(ConfigurationError, match="no column 'signal_quality'"):
        plan_columns(Source(attributes=default.attributes), columns)


def test_column_names_are_compared_as_mysql_does() -> None:
    assert plan_columns(clinic(patient_column="CUSTOMERID"), CLINIC).patient == "customerId"


def test_a_datetime_is_in_the_zone_of_the_source_and_a_timestamp_in_that_of_the_session() -> None:
    plan = plan_columns(clinic(recorded_at_column="seen", inserted_at_column="stored", time_zone="Asia/Tokyo"), CLINIC)
    assert plan.recorded_at is not None
    assert plan.inserted_at is not None
    assert (plan.recorded_at.zone.key, plan.inserted_at.zone.key) == ("Asia/Tokyo", "UTC")


def test_a_missing_column_is_named_with_those_that_exist() -> None:
    message = refusal(attributes={"hartbeat": "heart_rate"})
    assert "clinic.vitals has no column 'hartbeat'" in message
    assert "id, customerId, heartbeat, bp, seen, stored" in message
    assert "Did you mean heartbeat?" in message


def test_an_unknown_attribute_lists_the_valid_ones() -> None:
    message = refusal(attributes={"heartbeat": "heartrate"})
    assert "'heartrate', which is no attribute" in message
    assert "systolic_bp" in message
    assert "blood_pressure" in message
    assert "Did you mean heart_rate?" in message


def test_two_columns_for_one_attribute_are_refused() -> None:
    message = refusal(attributes={"bp": "blood_pressure", "heartbeat": "diastolic_bp"})
    assert "fills diastolic_bp from two columns, bp and heartbeat" in message


def test_no_attribute_at_all_is_refused() -> None:
    assert "maps no column" in refusal(attributes={})


@pytest.mark.parametrize(
    ("column", "reason"),
    [("bp", "is of type varchar"), ("customerId", "may be NULL")],
)
def test_a_key_that_is_no_integer_or_may_be_null_is_refused(column: str, reason: str) -> None:
    assert reason in refusal(key_column=column)


def test_a_key_without_a_unique_index_is_refused() -> None:
    columns = [Column("id", "bigint", nullable=False, unique=False), *CLINIC[1:]]
    with pytest.raises(ConfigurationError, match="has no unique index of its own"):
        plan_columns(clinic(), columns)


def test_a_key_that_may_not_grow_is_refused_unless_it_is_said_to() -> None:
    columns = [replace(CLINIC[0], grows=False), *CLINIC[1:]]
    with pytest.raises(
        ConfigurationError, match=r"Column id of clinic\.vitals .* is not AUTO_INCREMENT.*key_only_grows"
    ):
        plan_columns(clinic(), columns)
    assert plan_columns(clinic(key_only_grows=True), columns).key == "id"
    with pytest.raises(ConfigurationError, match="has no unique index of its own"):
        plan_columns(clinic(key_only_grows=True), [replace(columns[0], unique=False), *CLINIC[1:]])


@pytest.mark.parametrize(
    ("extra", "is_refused"),
    [("auto_increment", False), ("AUTO_INCREMENT INVISIBLE", False), ("", True), (None, True)],
)
def test_whether_a_key_grows_is_what_the_information_schema_says(extra: str | None, is_refused: bool) -> None:
    connection = MagicMock()
    cursor = connection.cursor.return_value.__enter__.return_value
    cursor.fetchone.return_value = ("BASE TABLE",)
    cursor.__iter__.return_value = [
        ("id", "int", 0, 1, extra),
        *((column.name, column.type, 1, 0, "") for column in CLINIC[1:]),
    ]
    settings = Settings(source=clinic())
    with pytest.raises(ConfigurationError, match="is not AUTO_INCREMENT") if is_refused else nullcontext():
        assert inspect(settings, connection).key == "id"
    assert ", c.extra FROM information_schema.columns c" in cursor.execute.call_args.args[0]


def test_a_time_column_of_another_type_is_refused() -> None:
    assert "needs DATETIME or TIMESTAMP" in refusal(recorded_at_column="heartbeat")


def test_an_unknown_zone_is_refused() -> None:
    assert "no time zone" in refusal(recorded_at_column="seen", time_zone="Mars/Olympus")


@pytest.mark.parametrize("table", ["vitals", "a.b.c", ".vitals", "clinic.", "cl`inic.v"])
def test_a_table_is_named_with_its_database(table: str) -> None:
    with pytest.raises(ConfigurationError, match=r"database\.table"):
        split_table_name(table)


@pytest.mark.parametrize(
    ("kind", "asked_for"),
    [
        ("int", "`customerId`"),
        ("varchar", "`customerId`"),
        ("decimal", "CAST(`customerId` + 0 AS CHAR)"),
        ("double", "CAST(`customerId` + 0 AS CHAR)"),
    ],
)
def test_an_id_that_is_another_number_is_asked_for_as_people_read_it(kind: str, asked_for: str) -> None:
    columns = [replace(column, type=kind) if column.name == "customerId" else column for column in CLINIC]
    assert _expressions(plan_columns(clinic(), columns))[1] == asked_for
