"""Keeps what a page shows fresh, and says in a sentence why when that is not possible at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from dashboard.live.state import LiveState
from infra.errors import UnavailableError, WardError
from infra.log import get_logger

PATIENCE_SECONDS = 15.0
"""What takes longer is no longer waited for, until the next time."""

PROBLEMS_SECONDS = 2.0

SLOW = "A server does not answer. What is shown here is as it was before."

log = get_logger("ward-page")


class Freshness:
    """Whether what is shown may be taken for what is so now, where it is read more slowly than it is looked at.

    Pure. Times are seconds of one clock.
    """

    def __init__(self) -> None:
        self._failure: WardError | None = None
        self._read_at: float | None = None

    def read(self, at: float) -> None:
        """What is shown was read at that time."""
        self._failure, self._read_at = None, at

    def failed(self, failure: WardError) -> None:
        """It could not be read: that holds until it can."""
        self._failure = failure

    def require(self, now: float, most_seconds: float) -> None:
        """Raises why it could not be read, or a WardError when it is older than that. Nothing is shown: it waits."""
        if self._failure is not None:
            # Raised again and again: without the places where it was raised before.
            raise self._failure.with_traceback(None)
        if self._read_at is not None and now - self._read_at > most_seconds:
            raise WardError(SLOW)


async def keep_fresh(seconds: float, renew: Callable[[], Awaitable[None]], at_first: bool = True) -> None:
    """Call `renew` now, unless not `at_first`, and every `seconds` while the page is open.

    A WardError of it is shown where the page is being built, until it works again.
    """
    problem = ui.label().classes("ward-problem").props('role="alert"')
    problem.set_visibility(False)

    async def again() -> None:
        sentence = await _sentence(renew)
        if sentence and sentence != problem.text:
            problem.set_text(sentence)
        problem.set_visibility(bool(sentence))

    if at_first:
        await again()
    ui.timer(seconds, again, immediate=not at_first)


async def tell_problems(live: LiveState, *sources: str) -> None:
    """Say, while the page is open, why what it shows of these sources may not be all that there is."""

    async def require() -> None:
        if (sentence := live.problem(*sources)) is not None:
            raise WardError(sentence)

    await keep_fresh(PROBLEMS_SECONDS, require)


async def _sentence(renew: Callable[[], Awaitable[None]]) -> str:
    """What went wrong; empty when nothing did."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await renew()
    except TimeoutError:
        return SLOW
    except WardError as error:
        if isinstance(error, UnavailableError):
            log.warning("unavailable", reason=str(error))
        return str(error)
    return ""
