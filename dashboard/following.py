"""Keeps what a page shows fresh, and says in a sentence why when that is not possible at the moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nicegui import ui

from infra.errors import UnavailableError, WardError
from infra.log import get_logger

PATIENCE_SECONDS = 15.0
"""What takes longer is no longer waited for, until the next time."""

SLOW = "A server does not answer. What is shown here is as it was before."

log = get_logger("ward-page")


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
