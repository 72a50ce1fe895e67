"""How fast to publish, and how long to wait after a refusal. Clocks are injected."""

from __future__ import annotations

from collections.abc import Callable


class Pace:
    """A token bucket that holds one token: at most `per_second` events a second, and no two closer than its inverse.

    Holding one only keeps every single second below the rate, as SNS counts it. `clock` gives seconds and never goes
    back.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._interval = 1 / per_second
        self._clock = clock
        self._next = clock()

    def delay(self) -> float:
        """Seconds until the next event may happen; 0 when it may happen now."""
        return max(0.0, self._next - self._clock())

    def take(self) -> None:
        """Note that an event happens now."""
        self._next = self._clock() + self._interval


class Backoff:
    """Waiting times after failures in a row: doubled each time, from `first` up to `longest` seconds."""

    def __init__(self, first: float = 0.5, longest: float = 30.0) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def failed(self) -> float:
        """Count a failure; seconds to wait before the next try."""
        wait = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return wait

    def succeeded(self) -> None:
        """Begin anew."""
        self._failures = 0

    @property
    def failures(self) -> int:
        """Failures in a row so far."""
        return self._failures
