"""What counts as found, missed and false."""

from __future__ import annotations

import numpy as np
import pytest

from bench.truth import GRACE_SECONDS, Score, Told, detected, score
from bench.ward_day import START, WardDay
from producers.simulator.episodes import KINDS, Episode, make_episode
from producers.simulator.ward import Ward

HOURS = 3
WARD = Ward(1, 15, start=START)
ADULT = next(place for place, patient in enumerate(WARD.patients) if patient.age_band == "adult")
QUIET = HOURS * len(WARD.patients)


def day_of(*episodes: Episode) -> WardDay:
    return WardDay(WARD, HOURS * 3600, episodes, [])


def episode(kind: str, start: float) -> Episode:
    return make_episode(KINDS[kind], WARD.patients, ADULT, start, seed=1)


def told(
    sent: float,
    began: float | None = None,
    attribute: str = "spo2",
    direction: str = "low",
    ended: float | None = None,
) -> Told:
    """One mail, seconds after the start of the day; by default of what began when it was sent, and ended at once."""
    times = (sent, sent if began is None else began, sent if ended is None else ended)
    sent_at, began_at, ended_at = (np.array([round((START.timestamp() + at) * 1000)]) for at in times)
    return Told(ADULT, attribute, direction, sent_at, began_at, ended_at)


def outcome(found: Score) -> tuple[int, int, int, int]:
    return found.tp, found.tn, found.fp, found.fn


DESATURATION = episode("desaturation", 100)
PROBE_OFF = episode("probe_off", 100)


def test_a_day_without_mails_misses_its_danger_and_is_right_about_its_quiet_hours() -> None:
    found = score(day_of(DESATURATION), [])
    assert outcome(found) == (0, QUIET - 1, 0, 1)
    assert found.missed == [DESATURATION]
    assert found.value == pytest.approx((QUIET - 1) / (QUIET - 1 + 5))


def test_danger_is_found_by_a_mail_about_it_within_its_time() -> None:
    assert outcome(score(day_of(DESATURATION), [told(130)])) == (1, QUIET - 1, 0, 0)
    assert score(day_of(DESATURATION), [told(130)]).value == 1.0


@pytest.mark.parametrize(
    "mail",
    [
        told(99),
        told(DESATURATION.end + GRACE_SECONDS + 1, began=130),
        told(130, attribute="heart_rate"),
        told(130, direction="high"),
    ],
)
def test_danger_is_missed_by_a_mail_that_is_early_late_or_about_something_else(mail: Told) -> None:
    assert score(day_of(DESATURATION), [mail]).fn == 1


def test_danger_is_found_by_an_alarm_that_was_mailed_before_and_still_stands_at_its_height() -> None:
    height = DESATURATION.start + DESATURATION.kind.ramp
    found = score(day_of(DESATURATION), [told(90, ended=height)])
    assert (found.tp, found.stood, found.fn) == (1, 1, 0)
    assert score(day_of(DESATURATION), [told(90, ended=height - 1)]).fn == 1
    assert score(day_of(DESATURATION), [told(130, ended=200)]).stood == 0


def test_whatever_is_told_of_what_began_in_danger_is_not_false() -> None:
    assert score(day_of(DESATURATION), [told(130), told(150, attribute="news2", direction="high")]).fp == 0


def test_a_mail_about_a_loose_probe_is_false() -> None:
    found = score(day_of(PROBE_OFF), [told(160, began=110)])
    assert (outcome(found), found.false) == ((0, QUIET - 1, 1, 0), {"probe_off": 1})
    assert outcome(score(day_of(PROBE_OFF), [])) == (0, QUIET - 1 + 1, 0, 0)


def test_a_mail_out_of_nothing_spoils_its_hour() -> None:
    found = score(day_of(), [told(4000), told(4100)])
    assert (outcome(found), found.false) == ((0, QUIET - 1, 1, 0), {"quiet hour": 1})


def test_a_mail_out_of_nothing_in_an_hour_with_an_episode_is_false_as_well() -> None:
    found = score(day_of(PROBE_OFF), [told(3000)])
    assert (outcome(found), found.false) == ((0, QUIET - 1 + 1, 1, 0), {"rest of an hour": 1})


def test_what_began_where_two_episodes_meet_belongs_to_the_later_one() -> None:
    danger = episode("desaturation", PROBE_OFF.end + 20)
    assert score(day_of(PROBE_OFF, danger), [told(PROBE_OFF.end + 40)]).false == {}


def test_an_episode_that_the_end_of_the_day_cut_off_is_no_case() -> None:
    late = episode("desaturation", HOURS * 3600 - 20)
    assert outcome(score(day_of(late), [])) == (0, QUIET - 1, 0, 0)
    assert outcome(score(day_of(late), [told(HOURS * 3600 - 5)])) == (0, QUIET - 1, 0, 0)


def test_detections_are_the_dangerous_episodes_that_were_told() -> None:
    day = day_of(PROBE_OFF, episode("desaturation", 2000), episode("desaturation", 4000))
    assert detected(day, [told(110), told(4030)]) == {2}
