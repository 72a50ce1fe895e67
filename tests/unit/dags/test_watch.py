"""When the watch over the streams finds one in trouble."""

from __future__ import annotations

from dags.lib.watch import Limits, Memory, Observation, Trouble, judge, key_of, remember

LIMITS = Limits(
    max_silence_seconds=120,
    max_start_seconds=600,
    max_backlog_seconds=600,
    max_stuck_seconds=3600,
    min_backlog_records=1000,
)
NOW = 1_000_000.0
LONG_AGO = Memory(progress=NOW - 3600, backlog_since=NOW - 3600)


def look(seen: Observation, before: Memory, now: float) -> tuple[Memory, Trouble | None]:
    known = remember(seen, before, now, LIMITS)
    return known, judge("land-vitals", seen, known, now, LIMITS)


def test_a_stream_that_made_progress_a_second_ago_is_well() -> None:
    _, trouble = look(Observation(5000, NOW - 1, lag=3, records=10), LONG_AGO, NOW)
    assert trouble is None


def test_a_stream_seen_for_the_first_time_shortly_after_its_start_is_well() -> None:
    seen = Observation(3)
    _, trouble = look(seen, Memory.first(NOW, seen), NOW)
    assert trouble is None


def test_a_stream_that_never_made_progress_is_in_trouble_but_has_ten_minutes_to_start() -> None:
    for running, restart in ((500, False), (601, True)):
        seen = Observation(running)
        _, trouble = look(seen, Memory.first(NOW, seen), NOW)
        assert trouble is not None
        assert (trouble.kind, trouble.restart) == ("silent", restart)


def test_a_stream_that_is_not_running_is_in_trouble_and_a_restart_is_left_to_the_start_task() -> None:
    _, trouble = look(Observation(None), LONG_AGO, NOW)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("stopped", False)
    assert "land-vitals" in trouble.reason


def test_a_stream_silent_for_longer_than_the_limit_is_restarted() -> None:
    _, trouble = look(Observation(5000, NOW - 121, lag=0, records=10), LONG_AGO, NOW)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("silent", True)


def test_a_stream_that_does_not_answer_is_silent_from_its_last_known_progress_on() -> None:
    memory, trouble = look(Observation(5000, NOW - 1, lag=0, records=10), LONG_AGO, NOW)
    assert trouble is None
    memory, trouble = look(Observation(5060), memory, NOW + 60)
    assert trouble is None
    _, trouble = look(Observation(5120), memory, NOW + 120)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("silent", True)


def test_a_silent_stream_that_was_started_meanwhile_is_not_restarted_again() -> None:
    _, trouble = look(Observation(300), LONG_AGO, NOW)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("silent", False)


def test_a_stream_that_starts_and_fails_again_and_again_counts_as_silent() -> None:
    memory, now, trouble = LONG_AGO, NOW, None
    for _ in range(4):
        now += 60
        memory, trouble = look(Observation(running_seconds=25, last_progress=0, lag=0, records=0), memory, now)
    assert trouble is not None
    assert trouble.kind == "silent"


def test_progress_after_a_restart_ends_the_trouble() -> None:
    memory, trouble = look(Observation(5000), LONG_AGO, NOW)
    assert trouble is not None
    _, trouble = look(Observation(30, NOW + 29, lag=0, records=1), memory, NOW + 30)
    assert trouble is None


def grow(lags: list[float], records: list[float], running: float = 9000) -> Trouble | None:
    """One look a minute, each with fresh progress."""
    memory, now, trouble = Memory(progress=NOW, backlog_since=NOW), NOW, None
    for lag, handled in zip(lags, records, strict=True):
        now += 60
        memory, trouble = look(Observation(running, now - 1, lag, handled), memory, now)
    return trouble


def test_a_backlog_that_grows_for_ten_minutes_is_trouble_but_no_reason_to_restart_a_working_stream() -> None:
    trouble = grow([2000 + 100 * i for i in range(13)], [500.0 * i for i in range(13)])
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("behind", False)
    assert "3200 records" in trouble.reason


def test_a_stream_that_works_on_one_long_batch_is_not_restarted() -> None:
    trouble = grow([2000.0] * 50, [77.0] * 50)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("behind", False)


def test_a_stream_that_handles_nothing_of_its_backlog_for_an_hour_is_restarted() -> None:
    trouble = grow([2000.0] * 63, [77.0] * 63)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("behind", True)


def test_a_stuck_stream_that_was_restarted_a_minute_ago_stays_in_trouble_and_is_left_alone() -> None:
    trouble = grow([2000.0] * 64, [77.0] * 63 + [0.0], running=60)
    assert trouble is not None
    assert (trouble.kind, trouble.restart) == ("behind", False)


def test_a_backlog_that_shrinks_once_in_a_while_is_no_trouble() -> None:
    assert grow([2000.0 + 100 * (i % 5) for i in range(30)], [10.0 * i for i in range(30)]) is None


def test_a_small_backlog_is_no_trouble_however_long_it_stands() -> None:
    assert grow([999.0] * 60, [77.0] * 60) is None


def test_the_key_names_streams_and_kinds_and_leaves_figures_out() -> None:
    one = grow([2000.0] * 13, [77.0] * 13)
    two = grow([3000.0] * 13, [77.0] * 13)
    assert one is not None
    assert two is not None
    assert one.reason != two.reason
    assert key_of({"land-vitals": one}) == key_of({"land-vitals": two}) == "land-vitals:behind"


def test_a_stream_that_fails_again_and_again_is_one_trouble_whether_stopped_or_silent_just_now() -> None:
    _, stopped = look(Observation(None), LONG_AGO, NOW)
    _, silent = look(Observation(3), LONG_AGO, NOW)
    assert stopped is not None
    assert silent is not None
    assert key_of({"mailer": stopped}) == key_of({"mailer": silent}) == "mailer:down"


def test_a_stream_that_fell_silent_when_the_clock_was_set_back_is_found_as_soon_as_otherwise() -> None:
    before = Memory(progress=NOW + 3600, backlog_since=NOW + 3600)
    memory, trouble = look(Observation(5000), before, NOW)
    assert trouble is None
    _, trouble = look(Observation(5121), memory, NOW + 121)
    assert trouble is not None
    assert trouble.kind == "silent"


def test_a_backlog_that_stands_when_the_clock_was_set_back_is_found_as_soon_as_otherwise() -> None:
    before = Memory(progress=NOW + 3600, backlog_since=NOW + 3600, backlog=5000, backlog_records=10)
    memory, _ = look(Observation(5000, NOW, lag=5000, records=10), before, NOW)
    _, trouble = look(Observation(5601, NOW + 601, lag=5000, records=11), memory, NOW + 601)
    assert trouble is not None
    assert trouble.kind == "behind"
