"""What all pages of one process share: settings, the live state of the wards, accounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar
from zoneinfo import ZoneInfo

from dashboard.accounts import Accounts
from dashboard.live.state import LiveState
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

    def one(self, kind: Callable[[Settings], T]) -> T:
        """The one object of that kind for all pages, made from the settings when it is first asked for."""
        if kind not in self._ones:
            self._ones[kind] = kind(self.settings)
        return self._ones[kind]  # type: ignore[return-value]
