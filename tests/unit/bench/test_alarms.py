"""The benchmark of the alarms, at a tiny size: that it counts right, not how well the alarms do."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alerts.banding import BandTable
from alerts.rehearsal import Alarm, Mail, Patient, Rehearsal, Series, rehearse
from bench.alarms import default_table, measure, without_two_of_three
from bench.baselines import Baselines, mails_of
from bench.cli import BENCHMARKS, bench
from bench.figures import Figure, Report, Size
from bench.spikes import mails_of_spikes, single_spikes
from bench.ward_day import simulate
from clinical.lifecycle_events import Kind, Transition
from clinical.notices import News, Rule
from clinical.thresholds import read_table
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from infra.errors import ConfigurationError


@pytest.fixture(scope="module")
def report() -> Report:
    return measure(Size(seed=2, tiny=True, say=lambda text: None))


def baselines_of(values: list[float], attribute: str = "spo2") -> Baselines:
    found = Baselines()
    part = Series(attribute, 1000 * np.arange(len(values), dtype=np.int64), np.array(values))
    found.add(0, [part], {attribute: default_table().at_age(attribute, 50.0)})
    return found


def test_every_figure_of_the_table_is_there_and_danger_is_found(report: Report) -> None:
    names = " / ".join(figure.name for figure in report.figures)
    for part in (
        "dangerous episodes",
        "one mail per breach",
        "threshold crossing",
        "score",
        "spikes",
        "two-of-three",
        "NEWS2",
    ):
        assert part in names
    met = {figure.name: figure.met for figure in report.figures}
    assert met["dangerous episodes mailed as high or medium"]
    assert met["high detections lost to the two-of-three rule"]


def test_the_report_is_written_as_json_beside_the_table(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "bench" / "alarms.json"
    report.save(path)
    written = json.loads(path.read_text())
    assert written["setting"] == {"seed": 2, "patients": 15, "seconds": 3600}
    assert len(written["figures"]) == len(report.figures) == report.as_table().row_count
    assert written["details"]["mails"] == sum(written["details"]["mails_by_news"].values())


def test_one_mail_per_breach_counts_what_would_be_mailed_and_no_low_severity() -> None:
    assert mails_of(baselines_of([98, 95, 93, 93, 85, 98]).each_breach) == 3


def test_a_crossing_is_a_step_into_a_more_severe_band_and_back_is_a_return() -> None:
    found = baselines_of([98, 95, 93, 93, 85, 93, 98, 93])
    assert (mails_of(found.crossings), found.returns) == (3, 1)


def test_without_the_two_of_three_rule_a_single_spike_alarms_and_afterwards_the_rule_is_back() -> None:
    rows = read_table(keyed(read_csv(DEFAULT_TABLE)))[0]
    eager = BandTable([replace(row, delay_seconds=0) for row in rows])

    def mails() -> int:
        values = np.array([98.0] * 30 + [60.0] + [98.0] * 60)
        spike = Series("spo2", 1000 * np.arange(len(values), dtype=np.int64), values)
        return len(rehearse(Patient("P1", "ICU", 50.0), [spike], eager, Rule(), 3_600_000).mails)

    with without_two_of_three():
        assert mails() > 0
    assert mails() == 0


def test_a_single_spike_is_one_disturbed_reading_with_clean_ones_on_both_sides() -> None:
    day = simulate(1, 15, 7200)
    spikes = single_spikes(day)
    assert sum(map(len, spikes.values())) > 0
    for position, patient in enumerate(day.ward.patients):
        times = day.readings[position].recorded_at
        assert set(spikes.get(patient.patient_id, [])) <= set(times.tolist())


def test_a_mail_of_an_alarm_that_a_single_spike_raised_is_found() -> None:
    def mail(raised_at: int) -> Mail:
        alarm = Alarm("P1", "spo2", "low", raised_at)
        alarm.note([Transition(Kind.RAISED, raised_at, raised_at, "high", "why")])
        return Mail(raised_at, "P1", "ICU", "high", 0, (alarm,), (News.RAISED,))

    result = Rehearsal(mails=[mail(5000), mail(9000)])
    assert mails_of_spikes(result, {"P1": [5000]}) == 1
    assert mails_of_spikes(result, {"P2": [5000]}) == 0


def test_a_benchmark_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ConfigurationError, match=f"There is no benchmark 'alarm'; there are {', '.join(BENCHMARKS)}"):
        bench("alarm")


def test_a_missed_goal_is_marked_in_words() -> None:
    table = Report("t", [Figure("f", "1", "0", met=False)], {}).as_table()
    assert list(table.columns[3].cells) == ["[red]missed[/]"]
