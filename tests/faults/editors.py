"""Ops and the admission desk, who edit while faults strike: what a threshold row says, and a patient's phone."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass, field

from clinical.thresholds import ThresholdRow
from hbase.edits import Edit, make
from hbase.snapshots import latest
from hbase.table import read_state, row_history
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
    make(settings, read_state(settings), Edit({edited_row(settings): {COLUMN: text}}).signed(author))


def edited_row(settings: Settings) -> str:
    """The key of the row that is edited."""
    return min(key for key, cells in read_state(settings).cells.items() if cells["attribute"] == ATTRIBUTE)


def said(settings: Settings) -> list[str]:
    """All that the row has said, as far as HBase keeps it; the newest last."""
    return [one.text for one in row_history(settings, edited_row(settings)) if one.column == COLUMN]


def in_force(settings: Settings) -> str:
    """What the row says in the newest snapshot of the table; waits until that is what HBase holds."""
    key, text = edited_row(settings), said(settings)[-1]

    def is_taken_over() -> ThresholdRow | None:
        snapshot = latest(settings)
        rows = [row for row in snapshot.rows if row.row_key == key] if snapshot else []
        return rows[0] if rows and rows[0].alert_message == text else None

    row: ThresholdRow = wait_or_fail(is_taken_over, IN_FORCE_SECONDS, "what HBase holds does not come into force", 1)
    return row.alert_message
