"""A ward of a benchmark's own: what is told when it is closed."""

from __future__ import annotations

import pytest

from bench.own_ward import OwnWard, own_ward
from infra.errors import WardError
from infra.settings import Settings


@pytest.fixture(autouse=True)
def ward_whose_alarms_do_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def close(_ward: OwnWard) -> None:
        raise WardError("Alarms are not over.")

    monkeypatch.setattr(OwnWard, "subscribe", lambda _ward: None)
    monkeypatch.setattr(OwnWard, "admit", lambda _ward, _patients: None)
    monkeypatch.setattr(OwnWard, "close", close)


def test_alarms_that_do_not_end_are_an_error() -> None:
    with pytest.raises(WardError, match="Alarms are not over"), own_ward(Settings(), 1, 1):
        pass


def test_an_error_of_the_benchmark_is_not_hidden_by_alarms_that_do_not_end() -> None:
    with pytest.raises(WardError, match="Of 3 rows 1 are not in Hive") as raised, own_ward(Settings(), 1, 1):
        raise WardError("Of 3 rows 1 are not in Hive.")
    assert raised.value.__notes__ == ["Alarms are not over."]
