"""The ward board: a tile per bed, worst first."""

from __future__ import annotations

from nicegui import ui

from dashboard.frame import ward_page
from dashboard.roles import Permission
from dashboard.visit import Visit


@ward_page("/board", "Ward board", Permission.SEE_WARD, keeps_session=True)
async def board(visit: Visit) -> None:
    """The wards as they are now."""
    ui.label(f"No bed has sent a reading to {visit.account.name} yet.")
