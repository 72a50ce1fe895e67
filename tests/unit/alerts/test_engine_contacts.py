"""Patients whose contact was missing, and what ends that when no breach of theirs comes any more."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from alerts import engine
from alerts.engine import IMPORTED_SECONDS, Engine
from alerts.wards import Stay
from infra.settings import Settings

NOW = 1_763_838_000_000
LATER = NOW + round(IMPORTED_SECONDS * 1000)


@pytest.fixture
def missing() -> dict[str, int]:
    """Patients whom an import was asked for, with the time of that."""
    return {"p1": NOW, "P2": NOW, "P3": NOW}


def found(monkeypatch: pytest.MonkeyPatch, missing: dict[str, int], stays: dict[str, Stay] | None, now: int) -> Any:
    def contacts_of(_settings: Settings, patients: Collection[str]) -> dict[str, Stay] | None:
        assert set(patients) == set(missing)
        return stays

    monkeypatch.setattr(engine, "contacts_of", contacts_of)
    connection: Any = None
    feed: Any = None
    made = Engine(Settings(acknowledge_key="secret"), connection, feed, lambda: None, lambda: NOW)
    made._missing = missing
    return made._found_contacts(now)


def test_a_patient_who_has_left_is_waited_for_no_more(monkeypatch: pytest.MonkeyPatch, missing: dict[str, int]) -> None:
    stays = {"P2": Stay("ICU", NOW - 1), "P3": Stay("ICU", None)}
    assert found(monkeypatch, missing, stays, NOW + 1000) == ["P2"]


def test_who_is_on_record_for_longer_than_an_import_takes_has_been_imported(
    monkeypatch: pytest.MonkeyPatch, missing: dict[str, int]
) -> None:
    stays = {"P2": Stay("ICU", None)}
    assert found(monkeypatch, missing, stays, LATER - 1) == []
    assert found(monkeypatch, missing, stays, LATER) == ["P2"]
    assert found(monkeypatch, {"P2": 0}, stays, LATER - 1) == [], "what was asked for before a start is not known"


def test_a_contact_whose_id_mysql_takes_for_equal_is_another_patients(
    monkeypatch: pytest.MonkeyPatch, missing: dict[str, int]
) -> None:
    assert found(monkeypatch, missing, {"P1": Stay("ICU", NOW - 1)}, LATER) == []


def test_while_the_source_is_away_nobody_is_found(monkeypatch: pytest.MonkeyPatch, missing: dict[str, int]) -> None:
    assert found(monkeypatch, missing, None, LATER) == []
