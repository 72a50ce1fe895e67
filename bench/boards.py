"""What an open ward board was sent, and how late each reading was on it. Pure.

A board shows of each patient when the newest reading with a value was inserted (`seen`, `dashboard.board.shared`), to
the millisecond: by it a reading is recognised. One that a newer one of the patient overtook between two messages is
shown by that.
"""

from __future__ import annotations

import ast
import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

from infra.errors import WardError

SEEN, NEWS = "seen", "news"
ELEMENTS, QUERY = (
    re.compile(r"parseElements\(String\.raw`([^`]*)`\)"),
    re.compile(r"^\s*query: (\{.*\}),$", re.MULTILINE),
)

Rows = npt.NDArray[np.int64]
"""A row for each time that a board showed another reading of a patient: the numbers of board and patient, when the
reading was inserted, and when the board had it (epoch ms)."""


class Inserted(NamedTuple):
    """A reading with a value to show; `inserted_at`: epoch ms."""

    reading_id: int
    patient_id: str
    inserted_at: int


class Opened(NamedTuple):
    """A page as it came by HTTP: how its websocket names itself, which element is the board, and what it showed."""

    query: Mapping[str, Any]
    element: str
    news: Mapping[str, Any]


def read_page(text: str) -> Opened:
    """What NiceGUI wrote into the page's HTML. Raises WardError when there is no board in it."""
    elements = ELEMENTS.search(text)
    if elements is not None and QUERY.search(text) is not None:
        for name, element in orjson.loads(html.unescape(elements[1])).items():
            if (news := element.get("props", {}).get(NEWS)) is not None:
                return Opened(read_query(text), name, news)
    raise WardError(f"The page that came has no board in it; it begins with: {text[:200]!r}")


def read_query(text: str) -> Mapping[str, Any]:
    """How the websocket of a page, any of them, names itself. Raises WardError when there is none in its HTML."""
    if (query := QUERY.search(text)) is None:
        raise WardError(f"What came is no page that is live; it begins with: {text[:200]!r}")
    named: dict[str, Any] = ast.literal_eval(query[1])
    return named


class BoardView:
    """What a board shows: the time of insertion of each patient's newest reading (epoch ms), as `board.js` keeps it."""

    def __init__(self) -> None:
        self.shown: dict[str, int] = {}
        self._version = 0

    def take(self, news: Mapping[str, Any]) -> list[tuple[str, int]]:
        """Patients whose newest reading is another now, with its time. Raises WardError when a message was lost."""
        if news["from"] > self._version:
            raise WardError(f"A board has version {self._version} and was sent what is new since {news['from']}.")
        if news["to"] <= self._version:
            return []
        self._version = news["to"]
        tiles = orjson.loads(news["tiles"])
        seen = [(patient, int(parts[SEEN])) for patient, parts in tiles.items() if parts.get(SEEN)]
        self.shown.update(seen)
        return seen


def delays_ms(readings: Sequence[Inserted], patients: Sequence[str], rows: Rows, boards: int) -> Rows:
    """How late each of the readings was on each of the boards: until that board showed it, or a newer one of the same
    patient; a line for each board.

    `patients`: their names by number. Raises WardError unless every reading came to every board.
    """
    numbers = {patient: number for number, patient in enumerate(patients)}
    strange = [one for one in readings if one.patient_id not in numbers]
    if strange:
        raise WardError(
            f"No board has shown anything of {strange[0].patient_id}, of whom {len(strange)} readings were."
        )
    times = _times_by_patient(readings, numbers)
    found = np.empty((boards, len(readings)), dtype=np.int64)
    for board in range(boards):
        on_board = rows[rows[:, 0] == board]
        for patient, (places, inserted) in times.items():
            shown = on_board[on_board[:, 1] == patient]
            first = np.searchsorted(shown[:, 2], inserted)
            if len(late := np.flatnonzero(first == len(shown))):
                one = readings[places[late[0]]]
                raise WardError(
                    f"Board {board} has not shown reading {one.reading_id} of {one.patient_id}, nor {len(late) - 1} "
                    "others of this patient, nor newer ones."
                )
            found[board, places] = shown[first, 3] - inserted
    return found


def require_known(readings: Sequence[Inserted], patients: Sequence[str], rows: Rows) -> None:
    """Raises WardError when a board showed a time of insertion that no reading of the patient has."""
    known = {(one.patient_id, one.inserted_at) for one in readings}
    for patient, seen in np.unique(rows[:, 1:3], axis=0).tolist():
        if (patients[patient], seen) not in known:
            raise WardError(f"A board showed a reading of {patients[patient]}, inserted at {seen}, that there is not.")


def _times_by_patient(readings: Sequence[Inserted], numbers: Mapping[str, int]) -> dict[int, tuple[Rows, Rows]]:
    """By patient: the places of the readings in the sequence, and their times."""
    owners = np.array([numbers[one.patient_id] for one in readings], dtype=np.int64)
    inserted = np.array([one.inserted_at for one in readings], dtype=np.int64)
    places = {number: np.flatnonzero(owners == number) for number in np.unique(owners).tolist()}
    return {number: (found, inserted[found]) for number, found in places.items()}
