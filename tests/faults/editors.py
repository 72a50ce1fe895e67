"""Ops and the admission desk, who edit while faults strike: what a threshold row says, and a patient's phone."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass, field

from hbase.edits import Edit, make
from hbase.snapshots import latest
from hbase.table import TableState, read_state, row_history
from infra.clients import devices_connection
from infra.settings import Settings
from tests.faults.acting import Acting
from tests.faults.load import patient_ids
from tests.running import wait_or_fail

ATTRIBUTE, COLUMN = "temperature", "alert_message"
"""No reading of a campaign has a temperature, so that nothing is judged otherwise by the edited table."""

IN_FORCE_SECONDS = 120


@dataclass(eq=False)
class Editors(Acting):
    """Edit one threshold row and one patient's phone in turn. What HBase acknowledged is added to `edits`."""

    settings: Settings
    campaign: str
    edits: list[str] = field(default_factory=list)

    pause_seconds = 90.0

    def __post_init__(self) -> None:
        super().__init__("editors")
        self._chance = random.Random(self.campaign)

    def make_a_round(self) -> None:
        phone = f"+47 {self._chance.randrange(10**8):08}"
        with closing(devices_connection(self.settings, connect_timeout=2)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "UPDATE health.patients_information SET phone = %s WHERE patient_id = %s",
                (phone, self._chance.choice(patient_ids(self.campaign))),
            )
        text = f"{self.campaign} {self._chance.randrange(10**8):08}"
        say(self.settings, text, self.campaign)
        self.edits.append(text)


def say(settings: Settings, text: str, author: str) -> None:
    """Have the edited row say that."""
    state = read_state(settings)
    make(settings, state, Edit({edited_row(state): {COLUMN: text}}).signed(author))


def edited_row(state: TableState) -> str:
    """The key of the row that is edited."""
    return min(key for key, cells in state.cells.items() if cells["attribute"] == ATTRIBUTE)


def said(settings: Settings) -> list[str]:
    """All that the row has said, as far as HBase keeps it; the newest last."""
    row = edited_row(read_state(settings))
    return [one.text for one in row_history(settings, row) if one.column == COLUMN]


def in_force(settings: Settings) -> str:
    """What the row says in the newest snapshot of the table; waits until that is what HBase holds."""
    state = read_state(settings)
    key = edited_row(state)
    text = state.cells[key][COLUMN]

    def is_taken_over() -> bool:
        snapshot = latest(settings)
        return snapshot is not None and any(row.row_key == key and row.alert_message == text for row in snapshot.rows)

    wait_or_fail(is_taken_over, IN_FORCE_SECONDS, "what HBase holds does not come into force", 1)
    return text
