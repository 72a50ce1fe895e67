"""What the audit's exit status and finding make of the task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags.lib.audit import AuditBreaches, AuditHour
from dags.lib.program import ProgramError


def finding(**changes: Any) -> list[str]:
    found = {
        "from": "2026-01-31T10:00:00+00:00",
        "to": "2026-01-31T11:00:00+00:00",
        "agrees": not changes,
        "source_rows": 10,
        "hive_rows": 10,
        "missing": 0,
        "unexpected": 0,
        "duplicates": 0,
        "missing_ids": [],
        "unexpected_ids": [],
        "duplicate_ids": [],
    }
    return ["a line before", json.dumps(found | changes)]


def audit() -> AuditHour:
    return AuditHour(task_id="audit_hour", arguments=["--from", "x", "--to", "y"])


def test_an_hour_that_agrees_returns_the_counts() -> None:
    found = audit().judge(0, finding())
    assert found is not None
    assert found["source_rows"] == 10


def test_a_difference_fails_without_another_try_and_names_the_ids_of_each_kind() -> None:
    lines = finding(missing=2, missing_ids=[17, 18], duplicates=1, duplicate_ids=[4], hive_rows=9)
    with pytest.raises(AirflowFailException, match=r"2 in MySQL and not in Hive \(ids 17, 18\)") as caught:
        audit().judge(1, lines)
    assert "1 in Hive more than once (ids 4)" in str(caught.value)
    assert "unexpected" not in str(caught.value)


def test_more_ids_than_are_named_end_in_an_ellipsis() -> None:
    with pytest.raises(AirflowFailException, match=r"500 in Hive and not in MySQL \(ids 1, 2, …\)"):
        audit().judge(1, finding(unexpected=500, unexpected_ids=[1, 2]))


@pytest.mark.parametrize("status", [75, 1])
def test_not_landed_yet_or_a_crash_is_tried_again(status: int) -> None:
    with pytest.raises(ProgramError, match=f"ended with status {status}"):
        audit().judge(status, [])


def test_breaches_that_were_never_published_fail_without_another_try_and_are_named() -> None:
    found = {"from": "a", "to": "b", "agrees": False, "due": 9, "missing": 2, "missing_breaches": ["reading 7 spo2"]}
    with pytest.raises(AirflowFailException, match=r"2 of 9 breaches .* never published: reading 7 spo2, …"):
        AuditBreaches(task_id="audit_breaches").judge(1, [json.dumps(found)])
