"""What all pages of one process share: settings, the live state of the wards, accounts."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from dashboard.accounts import Accounts
from dashboard.live.state import LiveState
from dashboard.throttle import Throttle
from infra.settings import Settings


@dataclass(frozen=True)
class House:
    """One for the process, made by `dashboard.ward_page`. `live` is fed by one consumer for all open pages."""

    settings: Settings
    accounts: Accounts
    throttle: Throttle
    live: LiveState
    zone: ZoneInfo
