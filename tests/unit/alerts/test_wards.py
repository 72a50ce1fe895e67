"""Where patients are, by the source of contacts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pymysql.constants import FIELD_TYPE

from alerts import wards
from alerts.wards import ASKED_AT_ONCE, Answer, Stay, as_id, contacts_of, whereabouts
from infra.settings import Contacts, Settings
from infra.settings import Source as SourceTable

Rows = list[tuple[Any, ...]] | None
LEFT_MS = 1_790_000_000_123
LEFT = datetime.fromtimestamp(LEFT_MS / 1000, UTC).replace(tzinfo=None)


class Source:
    """Answers instead of MySQL; `asked` holds each query with its arguments."""

    def __init__(self, rows: Rows, kind: int = FIELD_TYPE.TIMESTAMP) -> None:
        self.rows = rows
        self.kind = kind
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def __call__(self, settings: Settings, query: str, *arguments: str) -> Answer | None:
        self.asked.append((query, arguments))
        if self.rows is None:
            return None
        return Answer(
            [row for row in self.rows if row[0] in arguments],
            [FIELD_TYPE.STRING, FIELD_TYPE.STRING, self.kind, FIELD_TYPE.STRING],
        )


def source(monkeypatch: pytest.MonkeyPatch, rows: Rows) -> Source:
    made = Source(rows)
    monkeypatch.setattr(wards, "ask_contacts", made)
    return made


def test_a_patient_has_a_name_and_a_ward_and_may_have_left(monkeypatch: pytest.MonkeyPatch) -> None:
    source(monkeypatch, [("P1", "ICU", None, "Ada\nB"), ("P2", None, LEFT, "Bo"), ("P3", " \n", None, None)])
    assert contacts_of(Settings(), ["P1", "P2", "P3", "P4"]) == {
        "P1": Stay("ICU", None, "Ada, B"),
        "P2": Stay(None, LEFT_MS, "Bo"),
        "P3": Stay(None, None),
    }
    stays = whereabouts(Settings(), ["P1", "P2"])
    assert [patient for patient, stay in stays.items() if stay.has_left(LEFT_MS)] == ["P2"]


@pytest.mark.parametrize(
    ("written", "read"), [(12345, "12345"), (12345.0, "12345"), (b"\x01\x02", "258"), (" P1 ", "P1"), (1.5, "1.5")]
)
def test_an_id_is_read_as_readings_have_it(written: object, read: str) -> None:
    assert as_id(written) == read


def test_a_discharge_that_is_planned_is_none_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    source(monkeypatch, [("P2", None, LEFT, None)])
    assert not whereabouts(Settings(), ["P2"])["P2"].has_left(LEFT_MS - 1)


def test_a_time_without_a_zone_is_that_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    made = source(monkeypatch, [("P2", None, LEFT, None)])
    made.kind = FIELD_TYPE.DATETIME
    settings = Settings(source=SourceTable(time_zone="Europe/Oslo"))
    assert contacts_of(settings, ["P2"]) == {"P2": Stay(None, LEFT_MS - 7_200_000)}


def test_a_source_that_is_away_is_not_a_source_that_knows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    source(monkeypatch, None)
    assert contacts_of(Settings(), ["P1"]) is None
    assert whereabouts(Settings(), ["P1"]) == {}


def test_a_source_without_wards_discharges_and_names_is_asked_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = source(monkeypatch, [("P1", None, None, None)]).asked
    settings = Settings(contacts=Contacts(columns={"patient_id": "customerId"}))
    assert contacts_of(settings, ["P1"]) == {"P1": Stay(None, None)}
    assert asked[0][0].startswith("SELECT `customerId`, NULL, NULL, NULL FROM")
    assert whereabouts(settings, ["P1"]) == {}
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("kind", "hours", "is_there"),
    [
        (FIELD_TYPE.TIMESTAMP, -1, True),
        (FIELD_TYPE.TIMESTAMP, 0, False),
        (FIELD_TYPE.DATETIME, -3, True),
        (FIELD_TYPE.DATETIME, -1, False),
    ],
)
def test_a_ward_is_on_record_until_its_last_patient_leaves_by_the_clock_of_the_source(
    monkeypatch: pytest.MonkeyPatch, kind: int, hours: int, is_there: bool
) -> None:
    rows = [("ICU", LEFT, 0), ("Maternity", None, 1), ("Stroke ", LEFT, 1), (" ", None, 1)]
    monkeypatch.setattr(wards, "ask_contacts", lambda _settings, _query: Answer(rows, [FIELD_TYPE.STRING, kind, 8]))
    settings = Settings(source=SourceTable(time_zone="Europe/Oslo"))
    found = wards.wards_on_record(settings, LEFT_MS + hours * 3_600_000)
    assert found == {"Maternity", "Stroke"} | ({"ICU"} if is_there else set())


def test_a_whole_hospital_is_asked_for_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    patients = [f"P{number:05}" for number in range(2 * ASKED_AT_ONCE + 1)]
    made = source(monkeypatch, [(patient, "ICU", None, "Ada") for patient in patients])
    assert len(contacts_of(Settings(), patients) or {}) == len(patients)
    assert [len(arguments) for _, arguments in made.asked] == [ASKED_AT_ONCE, ASKED_AT_ONCE, 1]
    assert contacts_of(Settings(), []) == {}
