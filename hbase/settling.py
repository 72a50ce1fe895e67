"""When a table that was read again and again may be looked at: once it has been unchanged for a while."""

from __future__ import annotations

from collections.abc import Mapping

Content = Mapping[str, Mapping[str, str]]


class Settling:
    """Whether the table has been unchanged for `seconds`. Pure: the time comes in with each observation."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._content: Content | None = None
        self._since = 0.0
        self._done = False

    def observe(self, content: Content, now: float) -> bool:
        """True while `content` has been the same for long enough and `done` was not called for it.

        `now`: seconds. A clock that was set back starts the wait again.
        """
        if content != self._content or now < self._since:
            self._done = self._done and content == self._content
            self._content = content
            self._since = now
        return not self._done and now - self._since >= self._seconds

    def done(self) -> None:
        """The content last observed was dealt with; the next True is for another one."""
        self._done = True

    def restart(self, now: float) -> None:
        """The table could not be read: what it was meanwhile is unknown, so the wait starts again."""
        self._since = now
