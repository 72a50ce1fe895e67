"""`./ward alarms replay` without its servers: which table is compared, and what is printed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from alerts import replay
from alerts.comparison import Changed, Comparison, Count
from alerts.rehearsal import Alarm
from clinical.patient_limits import patient_rows
from clinical.thresholds import check_table, read_table, row_cells
from hbase.files import DEFAULT_TABLE, HOME_GLUCOSE, keyed, read_csv, write_csv
from infra.errors import ConfigurationError

IN_FORCE = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]


def test_attributes_that_the_file_does_not_name_keep_the_rows_in_force() -> None:
    rows = replay.other_table(HOME_GLUCOSE, IN_FORCE)
    assert check_table(rows) == []
    assert {row.source for row in rows if row.attribute == "glucose"} != {
        row.source for row in IN_FORCE if row.attribute == "glucose"
    }
    assert [row for row in rows if row.attribute == "spo2"] == [row for row in IN_FORCE if row.attribute == "spo2"]


OWN = patient_rows(IN_FORCE, "spo2", Decimal(88), Decimal(92), "P-7", "COPD")


def test_an_exported_table_in_which_a_patient_has_own_limits_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text(write_csv(row_cells(row) for row in [*IN_FORCE, *OWN]))
    rows = replay.other_table(path, [*IN_FORCE, *OWN])
    assert len(rows) == len(IN_FORCE) + len(OWN)
    assert check_table(rows) == []


def test_own_limits_of_a_patient_stay_when_the_file_names_only_the_general_ones(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    path.write_text(write_csv(row_cells(row) for row in IN_FORCE if row.attribute == "spo2"))
    rows = replay.other_table(path, [*IN_FORCE, *OWN])
    assert [row for row in rows if row.patient_id] == list(OWN)


def test_a_bad_table_is_refused_with_all_its_problems(tmp_path: Path) -> None:
    path = tmp_path / "limits.csv"
    text = DEFAULT_TABLE.read_text().replace("spo2,16,,low,92,93", "spo2,16,,low,93,93")
    path.write_text(text.replace("glucose,0,,normal,70.0", "glucose,0,,normal,69.0"))
    with pytest.raises(ConfigurationError) as refused:
        replay.other_table(path, IN_FORCE)
    assert "spo2#" in str(refused.value)
    assert "glucose#" in str(refused.value)


def test_what_would_have_changed_is_told_in_numbers_and_by_episode(capsys: pytest.CaptureFixture[str]) -> None:
    missed = [
        Changed(Alarm("P7", "spo2", "low", 1000 * (60 + number), ended_at=1000 * (100 + number)), "high", None)
        for number in range(replay.LISTED + 3)
    ]
    changed = [Changed(Alarm("P8", "heart_rate", "high", 3_600_000), "high", "medium")]
    found = Comparison({("spo2", "high"): Count(1230, 1207)}, {"high": Count(40, 11)}, missed, [], changed)
    replay.console.width = 120
    replay.show(found, date(2026, 1, 31))
    shown = capsys.readouterr().out
    for part in (
        "2026-01-31",
        "alarms of spo2",
        "1,230",
        "1,207",
        "-23",
        "-29",
        f"No longer mailed about: {len(missed)}",
    ):
        assert part in shown
    for part in ("00:01:00", "40 s", "3 more", "Newly mailed about: 0", "high -> medium", "01:00:00", "still open"):
        assert part in shown
