"""The ward board: a tile per bed, worst first."""

from __future__ import annotations

from dashboard.board.element import BoardElement, refresh, shared_board
from dashboard.frame import WARD_MAX, ward_page
from dashboard.roles import Permission
from dashboard.visit import Visit


@ward_page("/board", "Ward board", Permission.SEE_WARD, keeps_session=True)
async def board(visit: Visit, ward: str = "") -> None:
    """The beds as they are now; of one ward, if the address names it."""
    await refresh(shared_board(visit.house.live, visit.house.zone))
    BoardElement(visit, ward[:WARD_MAX])
