"""Contacts: types, merging, deletions."""

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from infra.errors import ConfigurationError
from producers import encoding
from sqoop.merge import BLANKS, RAW_SCHEMA, SCHEMA, TYPES, Changes, Merged, merge

NOTHING = RAW_SCHEMA.empty_table()


def raw(*rows: dict[str, str | None]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), RAW_SCHEMA)


def patients(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SCHEMA)


def keys(**updated_at: str | None) -> pa.Table:
    rows = [{"patient_id": name, "updated_at": time} for name, time in updated_at.items()]
    return pa.Table.from_pylist(rows, pa.schema([("patient_id", pa.string()), ("updated_at", pa.string())]))


def full(read: pa.Table, base: pa.Table | None = None, **time_zones: str) -> Merged:
    return merge(read, None, base, True, time_zones)


def delta(read: pa.Table, base: pa.Table, listed: pa.Table | None = None) -> Merged:
    return merge(read, listed, base, False, {})


def ids(merged: Merged) -> list[str]:
    return list(merged.rows["patient_id"].to_pylist())


def at(hour: int) -> datetime:
    return datetime(2026, 3, 1, hour, tzinfo=UTC)


def text(hour: int) -> str:
    return f"2026-03-01 {hour:02d}:00:00.000"


def test_text_becomes_the_columns_of_the_table() -> None:
    read: dict[str, str | None] = {
        "patient_id": "p1",
        "name": "Zoë, 'O\"Brien'\n😀",
        "phone": "",
        "date_of_birth": "1931-02-28",
        "spo2_scale": "2",
        "pregnant": "0",
        "updated_at": "2026-11-22 10:00:00.123",
        "discharged_at": "1969-12-31 23:00:00.5",
    }
    merged = full(raw(read))
    assert merged.rows.schema == SCHEMA
    assert merged.rows.to_pylist() == [
        {
            **dict.fromkeys(TYPES),
            "patient_id": "p1",
            "name": "Zoë, 'O\"Brien'\n😀",
            "phone": "",
            "date_of_birth": date(1931, 2, 28),
            "spo2_scale": 2,
            "pregnant": False,
            "updated_at": datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC),
            "discharged_at": datetime(1969, 12, 31, 23, 0, 0, 500_000, tzinfo=UTC),
        }
    ]


def test_columns_that_the_source_lacks_are_null() -> None:
    merged = full(pa.table({"patient_id": ["p1"], "phone": ["1"]}))
    assert merged.rows.to_pylist() == [{**dict.fromkeys(TYPES), "patient_id": "p1", "phone": "1"}]


def test_an_empty_source_is_an_empty_snapshot() -> None:
    merged = full(pa.table({}), patients({"patient_id": "p1"}))
    assert (ids(merged), merged.changes, merged.latest) == ([], Changes(0, 0, 0, 1), None)


def test_local_time_becomes_utc() -> None:
    read = raw({"patient_id": "p1", "updated_at": "2026-07-01 14:00:00", "discharged_at": "2026-07-01 14:00:00"})
    (row,) = full(read, discharged_at="Europe/Berlin").rows.to_pylist()
    assert (row["updated_at"].hour, row["discharged_at"].hour) == (14, 12)


@pytest.mark.parametrize(
    ("column", "written"),
    [
        ("date_of_birth", "0000-00-00"),
        ("date_of_birth", "unknown"),
        ("spo2_scale", "1.5"),
        ("pregnant", "perhaps"),
        ("discharged_at", "2026-13-01 00:00:00"),
    ],
)
def test_a_value_that_cannot_be_read_becomes_null_and_is_counted(column: str, written: str) -> None:
    merged = full(raw({"patient_id": "p1", column: written}, {"patient_id": "p2"}))
    assert merged.rows[column].to_pylist() == [None, None]
    assert merged.unreadable == {column: 1}


def test_a_delta_replaces_and_adds_rows() -> None:
    base = patients({"patient_id": "p1", "phone": "1"}, {"patient_id": "p2", "phone": "2"})
    merged = delta(raw({"patient_id": "p3", "phone": "3"}, {"patient_id": "p2", "phone": "22"}), base)
    assert {row["patient_id"]: row["phone"] for row in merged.rows.to_pylist()} == {"p1": "1", "p2": "22", "p3": "3"}
    assert merged.changes == Changes(rows=3, new=1, changed=1, deleted=0)


def test_a_full_import_drops_what_the_source_no_longer_has() -> None:
    merged = full(raw({"patient_id": "stays"}), patients({"patient_id": "stays"}, {"patient_id": "gone"}))
    assert (ids(merged), merged.changes) == (["stays"], Changes(rows=1, new=0, changed=0, deleted=1))


def test_an_id_is_trimmed_as_the_producer_does() -> None:
    base = patients({"patient_id": "p2", "phone": "2"})
    merged = delta(
        raw({"patient_id": " p1\u00a0\t"}, {"patient_id": "p2 ", "phone": "22"}), base, keys(**{"p1 ": None})
    )
    assert {row["patient_id"]: row["phone"] for row in merged.rows.to_pylist()} == {"p1": None, "p2": "22"}
    padded = [f"{blank}p {number}{blank}" for number, blank in enumerate(BLANKS)]
    rows: list[dict[str, str | None]] = [{"patient_id": one} for one in padded]
    assert set(ids(full(raw(*rows)))) == set(map(encoding.text, padded))
    with pytest.raises(ConfigurationError, match="'p1' occurs more than once"):
        full(raw({"patient_id": "p1"}, {"patient_id": "p1 "}))


def test_what_is_not_among_the_keys_goes_but_not_what_came_after_they_were_read() -> None:
    base = patients({"patient_id": "stays"}, {"patient_id": "deleted"})
    merged = delta(raw({"patient_id": "just added"}), base, keys(stays=None))
    assert ids(merged) == ["just added", "stays"]
    assert merged.changes == Changes(rows=2, new=1, changed=0, deleted=1)


@pytest.mark.parametrize(
    ("held", "listed", "stale"),
    [
        (at(8), text(8), 0),
        (at(8), text(9), 1),
        (at(9), text(8), 0),
        (None, text(8), 1),
        (None, None, 0),
        (at(8), None, 0),
    ],
)
def test_a_row_that_came_with_too_old_a_time_is_stale(held: datetime | None, listed: str | None, stale: int) -> None:
    base = patients({"patient_id": "p1", "updated_at": held})
    assert delta(NOTHING, base, keys(p1=listed)).stale == stale


def test_a_key_without_a_row_is_stale() -> None:
    assert delta(NOTHING, patients({"patient_id": "p1"}), keys(p1=None, p2=text(1), p3=None)).stale == 2


@pytest.mark.parametrize(
    "column", [("phone", "", None), ("pregnant", "0", None), ("updated_at", text(8), text(9)), ("name", "Zoe", "Zoë")]
)
def test_any_difference_is_a_change_and_null_is_not_the_empty_text(column: tuple[str, Any, Any]) -> None:
    name, old, new = column
    before = full(raw({"patient_id": "p1", name: old})).rows
    assert delta(raw({"patient_id": "p1", name: new}), before).changes == Changes(1, 0, 1, 0)
    assert not delta(raw({"patient_id": "p1", name: old}), before).changes


def test_the_latest_time_of_change_is_one_that_can_be_read() -> None:
    times = ["2026-03-01 10:00:00.000", "2026-03-01 11:00:00.500", "unknown", None]
    merged = full(raw(*({"patient_id": f"p{n}", "updated_at": time} for n, time in enumerate(times))))
    assert (merged.latest, merged.unreadable) == ("2026-03-01 11:00:00.500", {"updated_at": 1})


def test_ids_that_are_not_unique_are_refused_with_an_example() -> None:
    with pytest.raises(ConfigurationError, match="patient_id is not unique \\('p1' occurs more than once\\)"):
        full(raw({"patient_id": "p1"}, {"patient_id": "p2"}, {"patient_id": "p1"}))
