"""One mail for each patient, and the steps of its way."""

from __future__ import annotations

import pytest

from bench.alert import TINY, Mailed, report, require_one_each
from bench.held import Held
from infra.errors import WardError

LOAD = Held(20, 200, 10.0, 0.0)


def mailed(patient: str, notification: str = "n") -> Mailed:
    return Mailed(patient, notification, 1_020, 1_100, 1_150, 1_400)


def test_a_patient_without_a_mail_or_with_two_or_a_mail_that_did_not_arrive_is_an_error() -> None:
    one, two = mailed("P1", "a"), mailed("P2", "b")
    require_one_each(["P1", "P2"], {"P1": [one], "P2": [two]}, {"a": 1, "b": 1})
    with pytest.raises(WardError, match="Of 2 patients 1 have no mail and 1 more than one"):
        require_one_each(["P1", "P2"], {"P1": [one, one]}, {"a": 1})
    with pytest.raises(WardError, match="of 2 mails the inbox lacks 1 and has 1 more than once"):
        require_one_each(["P1", "P2"], {"P1": [one], "P2": [two]}, {"b": 2})


def test_a_delay_is_told_with_its_steps() -> None:
    figures = {one.name: one for one in report({"P1": 1_000}, {"P1": mailed("P1")}, LOAD, TINY, 1).figures}
    assert (figures["commit to inbox, p50"].value, figures["commit to inbox, p50"].met) == ("0.40 s", True)
    assert figures["  outbox to SNS, p50 and p99"].value == "0.05 s and 0.05 s"
    assert figures["  SNS to inbox, p50 and p99"].value == "0.25 s and 0.25 s"
