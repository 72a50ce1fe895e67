"""The HQL that is made from the catalogue."""

import pytest

from clinical.messages import BREACH_FIELDS, READING_FIELDS
from clinical.tables import BREACHES, PATIENTS, TABLES, VITAL_READINGS, StoredColumn, StoredTable
from clinical.vitals import REPORTED, VITALS, Vital
from hive import ddl
from hive.bootstrap import column_changes, table_path
from infra.errors import ConfigurationError
from infra.settings import Settings


def existing_columns(table: StoredTable) -> dict[str, str]:
    return {column.name: column.type.lower() for column in (*table.columns, *table.partitions)}


def test_readings_have_every_field_of_their_message() -> None:
    assert set(READING_FIELDS) <= set(VITAL_READINGS.column_names)


def test_breaches_have_every_field_of_their_message_in_its_order() -> None:
    assert BREACHES.column_names == BREACH_FIELDS


def test_times_of_a_breach_are_timestamps_and_limits_are_numbers() -> None:
    types = {column.name: column.type for column in BREACHES.columns}
    assert {types[name] for name in ("recorded_at", "inserted_at", "detected_at")} == {"TIMESTAMP"}
    assert types["low_value"] == "DOUBLE"
    assert types["contact_missing"] == "BOOLEAN"
    assert types["delay_seconds"] == "BIGINT"
    assert types["severity"] == "STRING"


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_has_a_comment_the_metastore_can_hold(table: StoredTable) -> None:
    for column in (*table.columns, *table.partitions):
        assert column.comment
        assert column.comment.isascii()
        assert len(column.comment) <= 256


@pytest.mark.parametrize("vital", VITALS.values(), ids=lambda vital: vital.attribute)
def test_a_vital_s_comment_tells_its_unit_and_its_loinc_code(vital: Vital) -> None:
    comment = next(column.comment for column in VITAL_READINGS.columns if column.name == vital.attribute)
    assert vital.ucum in comment
    assert vital.loinc in comment


def test_a_partitioned_table_is_external_parquet_at_its_location() -> None:
    statement = ddl.create_table(VITAL_READINGS, "hdfs://name:1/readings")
    assert statement.startswith("CREATE EXTERNAL TABLE IF NOT EXISTS health.vital_readings")
    assert "PARTITIONED BY (event_date STRING COMMENT" in statement
    assert "STORED AS PARQUET" in statement
    assert statement.endswith("LOCATION 'hdfs://name:1/readings'")
    assert "$" not in statement


def test_an_unpartitioned_table_has_no_partition_clause() -> None:
    assert "PARTITIONED" not in ddl.create_table(PATIENTS, "hdfs://name:1/patients/empty")


def test_patients_begin_at_an_empty_directory() -> None:
    assert table_path(Settings(), PATIENTS).endswith("/hive/patients/empty")


def test_the_long_view_has_a_row_for_every_clinical_column() -> None:
    view = ddl.create_long_view()
    assert f"STACK({len(REPORTED)}," in view
    for attribute in REPORTED:
        assert f"  '{attribute}', " in view
    assert "''" not in view
    assert "LOWER(CAST(r.on_oxygen AS STRING))" in view, "Hive casts true to TRUE"


@pytest.mark.parametrize("view", ddl.create_alarm_views(), ids=ddl.ALARM_VIEWS)
def test_a_view_of_alarms_explains_each_column_in_words_the_metastore_can_hold(view: str) -> None:
    columns = view[view.index("(\n") : view.index("\n)\nCOMMENT")].splitlines()[1:]
    assert all(" COMMENT '" in column for column in columns)
    assert view.isascii()
    assert "$" not in view


def test_partitions_are_added_switched_and_forgotten_by_their_values() -> None:
    hour = {"event_date": "2026-01-31", "event_hour": "5"}
    named = "PARTITION (event_date='2026-01-31', event_hour=5)"
    table = "ALTER TABLE health.vital_readings"
    assert ddl.add_partitions(VITAL_READINGS, [(hour, "hdfs://n/a")]) == (
        f"{table} ADD IF NOT EXISTS {named} LOCATION 'hdfs://n/a'"
    )
    assert ddl.switch_partition(VITAL_READINGS, hour, "hdfs://n/b") == f"{table} {named} SET LOCATION 'hdfs://n/b'"
    assert ddl.drop_partitions(VITAL_READINGS) == f"{table} DROP IF EXISTS PARTITION (event_date > '')"


def test_quotes_in_a_comment_do_not_end_the_literal() -> None:
    table = StoredTable("t", "ward's \\ table", (StoredColumn("c", "INT", "it's"),))
    statement = ddl.create_table(table, "hdfs://x")
    assert "COMMENT 'ward\\'s \\\\ table'" in statement
    assert "COMMENT 'it\\'s'" in statement


def test_a_table_as_it_should_be_needs_no_change() -> None:
    assert column_changes(VITAL_READINGS, existing_columns(VITAL_READINGS)) == []


def test_new_columns_are_added_for_old_partitions_too() -> None:
    existing = existing_columns(VITAL_READINGS)
    del existing["glucose"]
    assert column_changes(VITAL_READINGS, existing) == ["glucose"]
    glucose = tuple(column for column in VITAL_READINGS.columns if column.name == "glucose")
    assert ddl.add_columns(VITAL_READINGS, glucose).endswith(") CASCADE")


def test_a_column_of_another_type_and_an_unknown_one_are_named() -> None:
    existing = existing_columns(VITAL_READINGS) | {"heart_rate": "int", "heartbeat": "int"}
    with pytest.raises(ConfigurationError) as caught:
        column_changes(VITAL_READINGS, existing)
    assert "health.vital_readings" in str(caught.value)
    assert "heart_rate is INT and should be DECIMAL(10,3)" in str(caught.value)
    assert "heartbeat is not one of ours" in str(caught.value)


def test_a_table_that_is_partitioned_otherwise_is_refused() -> None:
    existing = existing_columns(VITAL_READINGS)
    del existing["event_hour"]
    with pytest.raises(ConfigurationError, match="partition key event_hour is missing"):
        column_changes(VITAL_READINGS, existing)


def test_a_comment_is_put_right_with_its_quotes_escaped() -> None:
    statement = ddl.set_comment(VITAL_READINGS)
    assert statement.startswith(
        "ALTER TABLE health.vital_readings SET TBLPROPERTIES ('comment' = 'Every accepted reading"
    )
    assert ddl.quote(VITAL_READINGS.comment) in statement
