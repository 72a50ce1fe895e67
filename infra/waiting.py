"""Waiting for what nobody tells us of: asking again and again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_for(answer: Callable[[], T], seconds: float, interval: float) -> T:
    """The first truthy answer, asked for at once and then every `interval` seconds.

    When there is none within `seconds`, the last answer, which is then falsy.
    """
    deadline = time.monotonic() + seconds
    while not (found := answer()) and time.monotonic() < deadline:
        time.sleep(interval)
    return found
