"""What the audit's exit status and finding make of the task."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from dags.lib import audit as lib
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


def in_turn(monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, list[str]]) -> tuple[AuditHour, list[str], list[str]]:
    """A task whose programs answer in turn; the modules that it runs, and the news for ops."""
    task, ran, news = audit(), list[str](), list[str]()
    left = iter(answers)

    def run(*command: str) -> tuple[int, list[str]]:
        ran.append(command[0] if command else task.module)
        return next(left)

    monkeypatch.setattr(task, "run_program", run)
    monkeypatch.setattr(lib, "tell_ops_that", lambda _context, _what, text: news.append(text))
    return task, ran, news


def test_a_row_of_an_earlier_hour_is_sent_again_and_ops_are_told_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hour = {"from": "2026-01-31T07:00:00+00:00", "to": "2026-01-31T08:00:00+00:00", "missing": 1, "missing_ids": [17]}
    late = json.loads(finding(**hour)[-1])
    first, second = finding(agrees=True, earlier=[late]), finding(agrees=True, earlier=[late | {"agrees": True}])
    task, ran, news = in_turn(monkeypatch, (1, first), (0, ['{"sent": 1, "sent_before": 0, "gone": 0}']), (0, second))
    assert task.execute({})["sent_again"] == 1
    assert ran == ["hive.audit", "producers.resend", "hive.audit"]
    assert len(news) == 1
    assert "1 in MySQL and not in Hive (ids 17)" in news[0]
    assert "from 2026-01-31T07:00:00+00:00 to 2026-01-31T08:00:00+00:00" in news[0]
    assert "1 of these 1 rows were sent to Kafka again" in news[0]
    assert "2026-01-31T10" not in news[0], "the task's own hour agrees"


def test_a_difference_of_an_earlier_hour_that_remains_fails_the_task(monkeypatch: pytest.MonkeyPatch) -> None:
    late = json.loads(finding(duplicates=1, duplicate_ids=[4])[-1])
    task, ran, news = in_turn(monkeypatch, (1, finding(agrees=True, earlier=[late])))
    with pytest.raises(AirflowFailException, match=r"1 in Hive more than once \(ids 4\)"):
        task.execute({})
    assert (ran, news) == (["hive.audit"], [])
