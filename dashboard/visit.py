"""One open page of one person: who it is, what they may do, and the audit of what they do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from nicegui import run

from dashboard import audit, sessions
from dashboard.accounts import Account
from dashboard.house import House
from dashboard.roles import Permission, may
from infra.errors import WardError

P = ParamSpec("P")
T = TypeVar("T")


class NotAllowedError(WardError):
    """Somebody asked for what their role, or the end of their session, forbids."""


class NotFoundError(WardError):
    """The address of a page names what does not exist."""


@dataclass(frozen=True)
class Visit:
    """An open page. What it shows depends on `account` as it was when it opened; every act asks `allow` again."""

    house: House
    account: Account
    token: str

    def may(self, permission: Permission) -> bool:
        """Whether the page should show that."""
        return may(self.account.role, permission)

    @property
    def sees_identity(self) -> bool:
        """Whether names and contact data may be sent to this page at all."""
        return self.may(Permission.SEE_IDENTITY)

    def lasts(self, is_act: bool = False) -> bool:
        """Whether its session lasts and its account has the role it had. Blocks; raises UnavailableError."""
        name = sessions.user_of(self.house.settings, self.token, is_act)
        return name == self.account.name and self.house.accounts.find(name) == self.account

    def allow(self, permission: Permission) -> None:
        """Raises NotAllowedError unless its user may do that now. Blocks; raises UnavailableError."""
        if not self.lasts(is_act=True):
            raise NotAllowedError("Your session has ended: log in again.")
        if not self.may(permission):
            raise NotAllowedError(f"A {self.account.role} may not do this: {permission.value}.")

    async def act(
        self,
        permission: Permission,
        work: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Do `work(…)` in a thread, if it is allowed; it has to record itself with `record`.

        Raises NotAllowedError, UnavailableError and what `work` raises.
        """

        def allowed() -> T:
            self.allow(permission)
            return work(*args, **kwargs)

        return await in_thread(allowed)

    def record(self, act: str, patient_id: str | None = None, detail: str = "") -> None:
        """Write a line of the audit; before the act. Blocks; raises UnavailableError."""
        audit.record(self.house.settings, self.account, act, patient_id, detail)


async def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """`work(…)` in a thread of its own, so that the open pages of others do not wait for a server."""
    done = await run.io_bound(lambda: (work(*args, **kwargs),))
    if done is None:
        # So the library tells that the page was closed meanwhile.
        raise asyncio.CancelledError
    return done[0]
