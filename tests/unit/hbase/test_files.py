"""Threshold files: read exactly, written exactly, refused with the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clinical.thresholds import CSV_COLUMNS
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv, write_csv
from infra.errors import ConfigurationError

HEADER = ",".join(CSV_COLUMNS)


@pytest.mark.parametrize("path", [DEFAULT_TABLE, HOME_GLUCOSE])
def test_a_file_from_before_patients_had_limits_of_their_own_is_read_as_general_rows(path: Path) -> None:
    rows = read_csv(path)
    assert {(row["patient_id"], row["reason"]) for row in rows} == {("", "")}
    first, *lines = path.read_text().splitlines()
    assert write_csv(rows).splitlines() == [f"{first},patient_id,reason", *(f"{line},," for line in lines)]


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])).map(str.strip), min_size=14, max_size=14))
def test_any_one_line_text_survives(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    row = dict(zip(CSV_COLUMNS, texts, strict=True))
    path = tmp_path_factory.mktemp("files") / "t.csv"
    path.write_text(write_csv([row]), encoding="utf-8", newline="")
    assert read_csv(path) == [row]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"{HEADER}\n", "has no rows"),
        ("", "the first line must name the columns"),
        (f"{HEADER},updated_by\n" + "," * 14 + "\n", "the first line must name the columns"),
        (f"{HEADER},reason\n" + "," * 14 + "\n", "the first line must name the columns"),
        (f"{HEADER.removeprefix('attribute,')}\n" + "," * 12 + "\n", "the first line must name the columns"),
        (f"{HEADER}\nspo2,0,16\n", "line 2"),
        (f"{HEADER}\n" + "," * 14 + "\n", "line 2: the line has not 14 cells"),
        (f'{HEADER}\n"spo2', "cannot be read as a CSV file"),
    ],
)
def test_a_file_that_is_no_threshold_file_is_refused_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=reason):
        read_csv(path)


def test_a_file_that_is_missing_or_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_csv(tmp_path / "none.csv")
    path = tmp_path / "latin.csv"
    path.write_bytes(f"{HEADER}\nspo2,0,,low,,90,1,high,0,1,Hypox\xe9mie,s\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="UTF-8"):
        read_csv(path)


def test_a_file_saved_by_a_spreadsheet_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbf" + DEFAULT_TABLE.read_bytes().replace(b"\n", b"\r\n"))
    assert read_csv(path) == read_csv(DEFAULT_TABLE)


def test_keys_count_up_by_attribute() -> None:
    keys = list(keyed([{"attribute": "spo2"}, {"attribute": "glucose"}, {"attribute": "spo2"}]))
    assert keys == ["spo2#001", "glucose#001", "spo2#002"]
