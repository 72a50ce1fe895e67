"""An open page of somebody whose session lasts, and whose audit is a list."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboard.accounts import Account, Accounts
from dashboard.house import House
from dashboard.live.state import LiveState
from dashboard.roles import Role
from dashboard.throttle import Throttle
from dashboard.visit import Visit
from infra.settings import Settings


@dataclass(frozen=True)
class OpenVisit(Visit):
    """`recorded`: the audit's lines."""

    recorded: list[tuple[str, str | None, str]] = field(default_factory=list)

    def lasts(self, is_act: bool = False) -> bool:
        return True

    def record(self, act: str, patient_id: str | None = None, detail: str = "") -> None:
        self.recorded.append((act, patient_id, detail))


def visit_of(role: Role, directory: Path) -> OpenVisit:
    """Somebody of that role, who is called like it."""
    settings = Settings(state_dir=directory)
    house = House(settings, Accounts(settings), Throttle(time.monotonic), LiveState(), ZoneInfo("UTC"))
    return OpenVisit(house, Account(role.value, role), "token")
