"""The operator that runs the audit of an hour and turns its finding into the task's outcome."""

from __future__ import annotations

from typing import Any

from dags.lib.program import Program


class AuditHour(Program):
    """Runs the audit and returns its finding (a JSON object, the last line that it prints).

    A difference fails the task without another try, naming the ids. Anything else that is not success, such as
    landing not having passed the hour yet, is tried again.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(module="spark_jobs.audit_readings", **kwargs)

    def judge(self, status: int, output: list[str]) -> dict[str, Any] | None:
        super().judge(status, output)
        return None
