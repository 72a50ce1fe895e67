"""The operator that runs the audit of an hour and turns its finding into the task's outcome."""

from __future__ import annotations

import json
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from dags.lib.program import Program

EX_DIFFERENCE = 1


class AuditHour(Program):
    """Runs the audit and returns its finding, the JSON object that it prints.

    A difference fails the task without another try, and the message names the ids. Anything else that is not success,
    such as landing not having passed the hour yet, is tried again.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(module="hive.audit", **kwargs)

    def judge(self, status: int, output: list[str]) -> dict[str, Any] | None:
        if status == EX_DIFFERENCE and output:
            raise AirflowFailException(difference(json.loads(output[-1])))
        super().judge(status, output)
        found: dict[str, Any] = json.loads(output[-1])
        return found


def difference(found: dict[str, Any]) -> str:
    """The finding for a person, with the first ids of each kind as the audit printed them."""
    kinds = [
        ("missing", "in MySQL and not in Hive"),
        ("unexpected", "in Hive and not in MySQL"),
        ("duplicates", "in Hive more than once"),
    ]
    parts = []
    for kind, where in kinds:
        ids = found[f"{kind.removesuffix('s')}_ids"]
        if found[kind]:
            more = ", …" if found[kind] > len(ids) else ""
            parts.append(f"{found[kind]} {where} (ids {', '.join(map(str, ids))}{more})")
    return (
        f"MySQL and Hive differ in the readings inserted from {found['from']} to {found['to']}: {'; '.join(parts)}. "
        f"MySQL has {found['source_rows']} rows, Hive {found['hive_rows']} readings."
    )
