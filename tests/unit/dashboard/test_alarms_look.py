"""Whom the alarms are about, by the source of contacts."""

from __future__ import annotations

from collections.abc import Collection
from unittest.mock import MagicMock

import pytest

from alerts.wards import Stay
from dashboard.alarms import look
from dashboard.alarms.look import AlarmsLook
from infra.settings import Settings
from tests.unit.alerts.alarms_looked_at import alarm_row

ADA, BO = Stay("ICU", None, "Ada"), Stay(None, None, "Bo")


class Contacts:
    """The source of contacts; `stays` None: it is away. `asked`: of whom it was asked, each time."""

    def __init__(self) -> None:
        self.stays: dict[str, Stay] | None = {"P-0012": ADA, "P-0013": BO, "P-0014": Stay("ICU", None)}
        self.asked: list[set[str]] = []

    def __call__(self, _settings: Settings, patients: Collection[str]) -> dict[str, Stay] | None:
        self.asked.append(set(patients))
        return None if self.stays is None else {one: self.stays[one] for one in patients}


@pytest.fixture
def contacts(monkeypatch: pytest.MonkeyPatch) -> Contacts:
    made, alarms = Contacts(), [alarm_row(patient_id=f"P-001{number}") for number in (2, 3, 4)]
    monkeypatch.setattr(look, "contacts_of", made)
    monkeypatch.setattr(look, "wards_on_record", lambda *_: None if made.stays is None else {"Stroke"})
    monkeypatch.setattr(look, "alerts_connection", MagicMock())
    monkeypatch.setattr(look, "list_alarms", lambda *_: alarms)
    for nothing in ("list_ended", "load_unhandled", "load_silences", "load_in_force"):
        monkeypatch.setattr(look, nothing, lambda *_: [])
    return made


def test_names_and_wards_are_asked_for_together_and_not_again_for_a_while(contacts: Contacts) -> None:
    alarms = AlarmsLook(Settings())
    first, second = alarms._look(), alarms._look()
    assert (first.names, first.beds) == ({"P-0012": "Ada", "P-0013": "Bo"}, {"P-0012": "ICU", "P-0014": "ICU"})
    assert first.wards == ("Cardiology", "Stroke")
    assert second == first
    assert contacts.asked == [{"P-0012", "P-0013", "P-0014"}]


def test_while_the_source_is_away_what_it_said_before_holds(
    contacts: Contacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "NAMES_KEPT_SECONDS", 0.0)
    alarms = AlarmsLook(Settings())
    first = alarms._look()
    contacts.stays = None
    assert alarms._look() == first
    assert len(contacts.asked) == 2
