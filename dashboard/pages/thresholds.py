"""Thresholds: the limits that patients are judged by, as a table and a picture, edited as a draft."""

from __future__ import annotations

from dashboard.frame import ward_page
from dashboard.limits.desk import Desk
from dashboard.roles import Permission
from dashboard.visit import Visit


@ward_page("/thresholds", "Thresholds", Permission.EDIT_THRESHOLDS)
async def thresholds(visit: Visit) -> None:
    """The threshold table, for those who may edit it."""
    await Desk.begin(visit)
