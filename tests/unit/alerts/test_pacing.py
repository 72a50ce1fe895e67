"""Pacing, backing off and the order of sending."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from alerts.outbox import Waiting, send_order
from alerts.pacing import Backoff, Pace


@dataclass
class Clock:
    """Seconds that only the test moves."""

    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.floats(0, 0.5), min_size=2, max_size=100))
def test_no_second_ever_holds_more_than_the_rate(pauses: list[float]) -> None:
    clock = Clock()
    pace = Pace(8, clock)
    sent = []
    for pause in pauses:
        clock.now += pause
        clock.now += pace.delay()
        pace.take()
        sent.append(clock.now)
    assert all(later - earlier >= 1 / 8 - 1e-9 for earlier, later in pairwise(sent))


def test_the_first_message_goes_at_once() -> None:
    assert Pace(8, Clock()).delay() == 0


def test_failures_wait_twice_as_long_each_time_up_to_the_longest() -> None:
    backoff = Backoff(first=0.5, longest=3)
    assert [backoff.failed() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    backoff.succeeded()
    assert backoff.failed() == 0.5


def waiting(seq: int, group: str, priority: int) -> Waiting:
    return Waiting(seq, group.encode(), priority)


def test_high_goes_first_and_then_the_oldest() -> None:
    order = send_order([waiting(1, "a", 1), waiting(2, "b", 0), waiting(3, "c", 0), waiting(4, "d", 1)])
    assert [item.seq for item in order] == [2, 3, 1, 4]


def test_an_older_mail_of_the_same_patient_goes_before_an_urgent_one() -> None:
    order = send_order([waiting(1, "a", 1), waiting(2, "b", 1), waiting(3, "b", 0)])
    assert [item.seq for item in order] == [2, 3, 1]


QUEUES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=30)


@given(QUEUES)
def test_every_mail_is_sent_once_and_in_order_within_its_patient(queue: list[tuple[str, int]]) -> None:
    items = [waiting(seq, group, priority) for seq, (group, priority) in enumerate(queue)]
    order = send_order(items)
    assert sorted(order, key=lambda item: item.seq) == items
    for group in "abc":
        seqs = [item.seq for item in order if item.group_key == group.encode()]
        assert seqs == sorted(seqs)


@given(QUEUES)
def test_only_older_mails_of_the_same_patient_go_before_a_more_urgent_one(queue: list[tuple[str, int]]) -> None:
    order = send_order([waiting(seq, group, priority) for seq, (group, priority) in enumerate(queue)])
    for place, item in enumerate(order):
        for later in order[place + 1 :]:
            if later.priority < item.priority:
                assert any(
                    urgent.group_key == item.group_key
                    and urgent.seq > item.seq
                    and (urgent.priority, urgent.seq) <= (later.priority, later.seq)
                    for urgent in order
                )
