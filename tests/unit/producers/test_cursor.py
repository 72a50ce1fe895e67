"""The cursor and its gaps: no committed row is lost or read twice, whatever the order of commits."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import WardError
from producers.cursor import CursorState, Gap

WINDOW = 100.0


def test_a_page_without_holes_moves_only_the_cursor() -> None:
    assert CursorState(5).advance([6, 7, 8], deadline=WINDOW) == CursorState(8)


def test_skipped_ids_become_gaps_that_are_stored_as_ranges() -> None:
    state = CursorState(5).advance([7, 8, 1_000_000], deadline=WINDOW)
    assert state == CursorState(1_000_000, (Gap(6, 6, WINDOW), Gap(9, 999_999, WINDOW)))


def test_an_empty_page_changes_nothing() -> None:
    state = CursorState(5, (Gap(2, 3, WINDOW),))
    assert state.advance([], deadline=1) is state


def test_ids_found_inside_a_gap_split_it_and_leave_its_deadline() -> None:
    state = CursorState(20, (Gap(1, 10, 7.0), Gap(15, 15, 9.0)))
    assert state.fill([1, 4, 5, 10, 15]) == CursorState(20, (Gap(2, 3, 7.0), Gap(6, 9, 7.0)))


def test_a_gap_is_given_up_only_when_it_was_asked_for_after_its_deadline() -> None:
    state = CursorState(20, (Gap(2, 3, 7.0), Gap(8, 9, 11.0)))
    assert state.give_up(1, 20, asked_at=6.9) == (state, ())
    assert state.give_up(1, 20, asked_at=7.0) == (CursorState(20, (Gap(8, 9, 11.0),)), (Gap(2, 3, 7.0),))


def test_a_gap_that_was_asked_for_only_in_part_is_kept() -> None:
    state = CursorState(20, (Gap(2, 9, 7.0),))
    assert state.give_up(2, 5, asked_at=50.0) == (state, ())


def test_too_many_gaps_drop_the_oldest() -> None:
    state = CursorState(20, (Gap(2, 2, 1.0), Gap(4, 4, 2.0), Gap(6, 6, 3.0)))
    assert state.limit(2) == (CursorState(20, state.gaps[1:]), state.gaps[:1])
    assert state.limit(3) == (state, ())


def test_gaps_are_handed_out_in_turn() -> None:
    state = CursorState(20, (Gap(2, 2, 1.0), Gap(4, 4, 2.0), Gap(6, 6, 3.0)))
    assert state.gaps_from(0, 2) == state.gaps[:2]
    assert state.gaps_from(3, 2) == state.gaps[1:]
    assert state.gaps_from(7, 2) == ()


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b'{"cursor": 1}', b'{"cursor": "x", "gaps": []}', b'{"cursor":1,"gaps":[3]}']
)
def test_a_stored_cursor_of_another_shape_is_refused(raw: bytes) -> None:
    with pytest.raises(
        WardError, match=r"stored cursor cannot be read .* Go on with the version of Wardwatch that wrote it"
    ):
        CursorState.from_bytes(raw, now=0)


def test_the_time_that_remains_survives_a_restart_on_another_clock() -> None:
    stored = CursorState(9, (Gap(3, 4, 130.0), Gap(7, 7, 90.0))).to_bytes(now=100.0)
    assert CursorState.from_bytes(stored, now=5_000.0) == CursorState(9, (Gap(3, 4, 5_030.0), Gap(7, 7, 5_000.0)))


ids = st.lists(st.integers(1, 400), unique=True, max_size=60).map(sorted)


@given(page=ids, late=ids, cursor=st.integers(0, 3))
def test_cursor_and_gaps_always_account_for_every_id(page: list[int], late: list[int], cursor: int) -> None:
    page = [found for found in page if found > cursor]
    state = CursorState(cursor).advance(page, WINDOW)
    waited_for = {id_ for gap in state.gaps for id_ in range(gap.first, gap.last + 1)}
    assert waited_for == set(range(cursor + 1, state.cursor + 1)) - set(page)

    late = sorted(waited_for & set(late))
    left = {id_ for gap in state.fill(late).gaps for id_ in range(gap.first, gap.last + 1)}
    assert left == waited_for - set(late)
    assert all(gap.first <= gap.last for gap in state.fill(late).gaps)


@given(
    gaps=st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50), st.floats(0, 300)), max_size=20),
    now=st.floats(0, 1e6),
    later=st.floats(0, 1e6),
)
def test_storing_and_loading_keeps_ids_and_never_shortens_the_wait(
    gaps: list[tuple[int, int, float]], now: float, later: float
) -> None:
    first, built = 1, []
    for skip, length, wait in gaps:
        first += skip
        built.append(Gap(first, first + length - 1, now + wait))
        first += length + 1
    state = CursorState(first, tuple(built))
    loaded = CursorState.from_bytes(state.to_bytes(now), later)
    assert loaded.cursor == state.cursor
    assert [(gap.first, gap.last) for gap in loaded.gaps] == [(gap.first, gap.last) for gap in state.gaps]
    for before, after in zip(state.gaps, loaded.gaps, strict=True):
        assert before.deadline - now - 1e-3 <= after.deadline - later <= before.deadline - now + 2e-3


class Database:
    """Ids in order of insertion, each visible from its commit on; None: rolled back."""

    def __init__(self, commits: list[float | None]) -> None:
        self.commits = dict(enumerate(commits, start=1))

    def visible(self, now: float) -> list[int]:
        return [id_ for id_, at in self.commits.items() if at is not None and at <= now]

    def after(self, cursor: int, limit: int, now: float) -> list[int]:
        return [id_ for id_ in self.visible(now) if id_ > cursor][:limit]

    def within(self, gaps: tuple[Gap, ...], limit: int, now: float) -> list[int]:
        return [id_ for id_ in self.visible(now) if any(gap.first <= id_ <= gap.last for gap in gaps)][:limit]


@given(
    delays=st.lists(st.one_of(st.none(), st.floats(0, WINDOW - 10)), min_size=1, max_size=120),
    page=st.integers(1, 20),
    seed=st.integers(0, 2**16),
)
def test_every_row_committed_within_the_window_is_read_exactly_once(
    delays: list[float | None], page: int, seed: int
) -> None:
    """Rows are inserted one a second and commit up to a window later; crashes lose what was not committed."""
    rng = random.Random(seed)
    database = Database([None if delay is None else number + delay for number, delay in enumerate(delays)])
    state, read, now = CursorState(), [], 0.0
    while now < len(delays) + 3 * WINDOW:
        now += rng.uniform(0.1, 8)
        found = database.after(state.cursor, page, now)
        crashed = rng.random() < 0.2
        if not crashed:
            state = state.advance(found, now + WINDOW)
            read += found
        gaps = state.gaps_from(0, 1000)
        if gaps:
            late = database.within(gaps, page, now)
            after = state.fill(late)
            asked_to = late[-1] if len(late) == page else gaps[-1].last
            after, _ = after.give_up(gaps[0].first, asked_to, now)
            if rng.random() > 0.2:
                state = after
                read += late
        if rng.random() < 0.1:
            state = CursorState.from_bytes(state.to_bytes(now), now)
    committed = [id_ for id_, at in database.commits.items() if at is not None]
    assert sorted(read) == committed
    assert not state.gaps
