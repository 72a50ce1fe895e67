"""Which notifications are merged when the pace binds."""

from __future__ import annotations

from unittest.mock import MagicMock

from hypothesis import given
from hypothesis import strategies as st

from alerts.merging import plan_merges
from alerts.outbox import MERGED_PRIORITY, Kin, Waiting, load_waiting, send_order
from alerts.publisher import sns_attribute


def kin(name: str = "heart_rate", severity: str = "high", notice: str = "raised") -> Kin:
    return ("doctors", "clinical", notice, "ICU", severity, 0, name)


def waiting(seq: int, group: str, priority: int = 0, kind: Kin | None = None) -> Waiting:
    return Waiting(seq, group.encode(), priority, kind)


def seqs(plan: list[tuple[Waiting, ...]]) -> list[tuple[int, ...]]:
    return [tuple(part.seq for part in parts) for parts in plan]


def test_what_can_be_sent_in_time_is_not_merged() -> None:
    items = [waiting(seq, str(seq), 0, kin()) for seq in range(40)]
    assert seqs(plan_merges(items, 40)) == [(seq,) for seq in range(40)]
    assert seqs(plan_merges(items, 39)) == [tuple(range(40))]


def test_only_what_reaches_the_same_readers_is_merged_and_high_goes_first() -> None:
    items = [
        waiting(1, "a", 1, kin(severity="medium")),
        waiting(2, "b", 0, kin()),
        waiting(3, "c", 0, kin("spo2")),
        waiting(4, "d", 1, kin(severity="medium")),
        waiting(5, "e", 0, kin()),
    ]
    assert seqs(plan_merges(items, 0)) == [(2, 5), (3,), (1, 4)]


def test_a_burst_of_alarms_and_of_their_ends_is_two_mails_in_their_order() -> None:
    """As the outbox has them: each patient's alarm and its end."""
    cursor = MagicMock()
    cursor.fetchall.return_value = [
        (seq, str(seq % 50).encode(), 0, 0, "doctors", "clinical", notice, "ICU", "high", 0, "heart_rate")
        for seq, notice in enumerate(["raised"] * 50 + ["resolved"] * 50)
    ]
    assert seqs(plan_merges(load_waiting(cursor, 0), 40)) == [tuple(range(50)), tuple(range(50, 100))]


def test_a_part_is_not_taken_over_an_older_mail_of_its_patient() -> None:
    items = [
        waiting(1, "a", 0, kin()),
        waiting(2, "b", 0, kin("spo2")),
        waiting(3, "b", 0, kin()),
        waiting(4, "c", 0, kin()),
        waiting(5, "c", 0, kin("spo2")),
        waiting(6, "c", 0, kin()),
    ]
    assert seqs(plan_merges(items, 0)) == [(1, 4), (2, 5), (3, 6)]


def test_several_mails_of_one_patient_go_into_one_in_their_order() -> None:
    items = [waiting(seq, "a", 0, kin()) for seq in (3, 1, 2)]
    assert seqs(plan_merges(items, 0)) == [(1, 2, 3)]


def test_what_goes_alone_holds_back_only_its_own_group() -> None:
    items = [
        waiting(1, "a", 0, None),
        waiting(2, "a", 0, kin()),
        waiting(3, "b", 0, kin()),
        waiting(4, "c", 0, kin()),
    ]
    assert seqs(plan_merges(items, 0)) == [(1,), (2, 3, 4)]


def test_a_merged_mail_that_waits_goes_first_and_is_not_merged_again() -> None:
    items = [waiting(1, "a", 0, kin()), waiting(2, "b", 0, kin()), waiting(9, "merged", MERGED_PRIORITY)]
    assert seqs(plan_merges(items, 0)) == [(9,), (1, 2)]


def test_five_thousand_patients_of_one_ward_are_one_merge() -> None:
    items = [waiting(seq, str(seq), 0, kin()) for seq in range(5000)]
    assert seqs(plan_merges(items, 40)) == [tuple(range(5000))]


Queued = tuple[str, int, str | None]
"""Group, priority, and the attribute of its kin if it has any."""

QUEUES = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 2), st.sampled_from([None, "hr", "spo2"])), max_size=30
)


def queue_of(queue: list[Queued]) -> list[Waiting]:
    return [
        waiting(seq, group, priority, kin(name, str(priority)) if name else None)
        for seq, (group, priority, name) in enumerate(queue)
    ]


@given(QUEUES, st.integers(0, 30))
def test_every_notification_is_in_one_mail_of_its_kin(queue: list[Queued], at_once: int) -> None:
    items = queue_of(queue)
    plan = plan_merges(items, at_once)
    assert sorted((part for parts in plan for part in parts), key=lambda part: part.seq) == items
    for parts in plan:
        assert len({part.kin for part in parts}) == 1
        assert len(parts) == 1 or parts[0].kin is not None


@given(QUEUES, st.integers(0, 30), st.lists(st.integers(1, 4), max_size=30))
def test_no_mail_overtakes_an_older_one_of_its_group_even_when_only_the_first_parts_fit(
    queue: list[Queued], at_once: int, fits: list[int]
) -> None:
    left = queue_of(queue)
    sent: list[Waiting] = []
    for fit in [*fits, *[1] * len(queue)]:
        plan = plan_merges(left, at_once)
        if plan:
            now = plan[0][:fit]
            assert not [
                older
                for part in now
                for older in left
                if older.group_key == part.group_key and older.seq < part.seq and older not in now
            ]
            sent += now
            left = [item for item in left if item not in now]
    assert left == []
    for group in "abcd":
        order = [part.seq for part in sent if part.group_key == group.encode()]
        assert order == sorted(order)


@given(QUEUES)
def test_the_next_mail_is_always_the_one_that_would_have_been_next_without_merging(queue: list[Queued]) -> None:
    items = queue_of(queue)
    plan = plan_merges(items, 0)
    assert not items or send_order(items)[0] in plan[0]


def test_several_attributes_are_an_array_so_that_a_filter_may_name_any_of_them() -> None:
    assert sns_attribute(["heart_rate", "spo2"]) == {"DataType": "String.Array", "StringValue": '["heart_rate","spo2"]'}
    assert sns_attribute("ICU") == {"DataType": "String", "StringValue": "ICU"}
