"""Whether a device's clock was set back, told by the order in which its values come. Pure; times are epoch ms."""

from __future__ import annotations

from typing import NamedTuple

SET_BACK_AFTER = 3
"""Values in a row that lie before an older one, and pass as time does, are of a clock that was set back. Fewer are late
values; what a device had stored and sends at once passes faster than time does."""


class Behind(NamedTuple):
    """Values that come one after the other and lie before `newest`: the first and the last of them, when each of the
    two was inserted, and how many they are."""

    newest: int
    first_at: int
    first_inserted_at: int
    last_at: int
    last_inserted_at: int
    number: int = 1

    @property
    def was_set_back(self) -> bool:
        """Whether they show that the clock was."""
        passed = self.last_inserted_at - self.first_inserted_at
        return self.number >= SET_BACK_AFTER and 2 * passed >= self.last_at - self.first_at


def behind(known: Behind | None, before: int, at: int, inserted_at: int) -> Behind | None:
    """The values that lie behind, with one more that was measured at `at`; None: none do any more.

    `known`: those so far; `before`: when the value was measured that came before it, or the newest.
    """
    if known is None or known.last_at >= at:
        return Behind(max(before, known.newest if known else before), at, inserted_at, at, inserted_at)
    if at > known.newest:
        return None
    return known._replace(last_at=at, last_inserted_at=inserted_at, number=known.number + 1)
