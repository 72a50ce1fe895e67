"""What Kafka deleted before the engine had read it: which partitions, how much, and what ops are told."""

from __future__ import annotations

import pytest

from alerts.deleted_unread import DELETED_UNREAD, deleted_unread, read_on, told
from clinical.topics import DERIVED_VITALS, DOCTORS_QUEUE, TECHNICAL_ALARMS, VITAL_INFO

NOW = 1_763_838_000_000


@pytest.mark.parametrize("topic", [DOCTORS_QUEUE, TECHNICAL_ALARMS])
def test_messages_that_are_gone_before_they_were_read_are_noticed(topic: str) -> None:
    assert deleted_unread({(topic, 1): 40}, {(topic, 1): (100, 120)}) == {(topic, 1): (40, 100)}


@pytest.mark.parametrize(
    ("offset", "extents"), [(100, (100, 120)), (110, (100, 120)), (120, (120, 120)), (0, (7, 120))]
)
def test_what_was_read_or_never_begun_is_no_loss(offset: int, extents: tuple[int, int]) -> None:
    assert deleted_unread({(DOCTORS_QUEUE, 0): offset}, {(DOCTORS_QUEUE, 0): extents}) == {}


@pytest.mark.parametrize("topic", [VITAL_INFO, DERIVED_VITALS])
def test_values_mail_nobody_by_themselves(topic: str) -> None:
    assert deleted_unread({(topic, 0): 40}, {(topic, 0): (100, 120)}) == {}


def test_ops_are_told_where_and_how_much_and_once_all_that_is_left_was_read() -> None:
    alarm = told((DOCTORS_QUEUE, 1), (40, 100), NOW)
    assert (alarm["alarm_key"], alarm["cleared"]) == (f"{DELETED_UNREAD}:{DOCTORS_QUEUE}/1", False)
    assert "up to 60 messages of doctors-queue, partition 1 (offsets 40 to 99)" in alarm["detail"]
    [over] = read_on({f"{DOCTORS_QUEUE}/1"}, NOW)
    assert (over["alarm_key"], over["cleared"]) == (alarm["alarm_key"], True)
