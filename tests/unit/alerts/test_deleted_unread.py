"""What Kafka deleted before the engine had read it: which partitions, how much, and what ops are told."""

from __future__ import annotations

from typing import Any, cast

import pytest

from alerts.deleted_unread import DELETED_UNREAD, DeletedUnread, deleted_unread
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


class Told:
    """A cursor that gives the technical alarms that are open."""

    def __init__(self, *keys: str) -> None:
        self._keys = keys

    def execute(self, statement: str, arguments: tuple[str, ...]) -> None:
        assert arguments == (DELETED_UNREAD,)

    def fetchall(self) -> list[tuple[str]]:
        return [(key,) for key in self._keys]


KEY = f"{DELETED_UNREAD}:{DOCTORS_QUEUE}/1"


def test_ops_are_told_once_where_and_how_much_and_once_that_all_that_is_left_was_read() -> None:
    unread = DeletedUnread()
    unread.find({(DOCTORS_QUEUE, 1): 40}, {(DOCTORS_QUEUE, 1): (100, 120)})
    [alarm] = unread.look(NOW, behind=False)
    assert (alarm["alarm_key"], alarm["cleared"]) == (KEY, False)
    assert "up to 60 messages of doctors-queue, partition 1 (offsets 40 to 99)" in alarm["detail"]
    assert unread.look(NOW, behind=True) == []
    [over] = unread.look(NOW, behind=False)
    assert (over["alarm_key"], over["cleared"]) == (KEY, True)
    assert unread.look(NOW, behind=False) == []


def test_what_was_told_before_a_restart_is_over_once_all_was_read() -> None:
    unread = DeletedUnread()
    unread.start(cast(Any, Told(KEY)))
    assert unread.look(NOW, behind=True) == []
    assert [(one["alarm_key"], one["cleared"]) for one in unread.look(NOW, behind=False)] == [(KEY, True)]
