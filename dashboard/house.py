"""What all pages of one process share: settings, the live state of the wards, accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from zoneinfo import ZoneInfo

from dashboard.accounts import Accounts
from dashboard.live.state import OF_ALARMS, LiveState
from dashboard.throttle import FREE_TRIES_OF_ADDRESS, Throttle
from infra.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True)
class House:
    """One for the process, made by `dashboard.ward_page`. `live` is fed by one consumer for all open pages. `throttle`
    slows the tries of a name from an address, `addresses` those of an address."""

    settings: Settings
    accounts: Accounts
    throttle: Throttle
    live: LiveState
    zone: ZoneInfo
    addresses: Throttle = field(default_factory=lambda: Throttle(time.monotonic, FREE_TRIES_OF_ADDRESS))
    _ones: dict[Callable[[Settings], object], object] = field(default_factory=dict, init=False, compare=False)

    def is_old(self, age: float | None) -> bool:
        """Whether the newest reading of anybody, of that age (s; None: there is none), says nothing of now any more."""
        return age is None or age > self.settings.dashboard.stale_seconds

    def knows_alarms(self) -> bool:
        """Whether there would be more alarms if there were: readings come, are judged, and alarms can be read."""
        return not self.is_old(self.live.age_seconds()) and self.live.problem(*OF_ALARMS) is None

    def one(self, kind: Callable[[Settings], T]) -> T:
        """The one object of that kind for all pages, made from the settings when it is first asked for."""
        if kind not in self._ones:
            self._ones[kind] = kind(self.settings)
        return self._ones[kind]  # type: ignore[return-value]
