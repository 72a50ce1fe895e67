"""The operators that run the audits of an hour and turn their findings into the outcome of a task."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from airflow.sdk.exceptions import AirflowFailException

from dags.lib.program import Program
from dags.lib.tell_ops import tell_ops_that

EX_DIFFERENCE = 1


class Audit(Program):
    """Runs an audit and returns its finding, the JSON object that it prints.

    A difference fails the task without another try, and the message says which. Anything else that is not success, such
    as landing or detection not having passed the hour yet, is tried again.
    """

    def judge(self, status: int, output: list[str]) -> dict[str, Any]:
        if status == EX_DIFFERENCE and output:
            raise AirflowFailException(self.describe(json.loads(output[-1])))
        super().judge(status, output)
        found: dict[str, Any] = json.loads(output[-1])
        return found

    def describe(self, found: dict[str, Any]) -> str:
        """The difference for a person."""
        raise NotImplementedError


class AuditHour(Audit):
    """The audit of readings, by id.

    Rows that are in MySQL and not in Hive are sent again, once, and the hour is audited again; the finding then says in
    `sent_again` how many they were, and ops are told. So are those of hours before it that were committed after the
    audit of their own hour. Only a difference that remains fails the task.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(module="hive.audit", **kwargs)

    def execute(self, context: Any) -> Any:
        with TemporaryDirectory(prefix="wardwatch-audit-") as directory:
            missing = Path(directory) / "missing"
            status, output = self.run_program(*self.own_command, "--missing-ids", str(missing))
            first = json.loads(output[-1]) if status == EX_DIFFERENCE and output else None
            if first is None or not rows_missing(first):
                return self.judge(status, output)
            sent = self._send_again(missing)
            news = f"{differences(first)}\n\n{sentence(sent, first)}"
            told = not sent or self._tell(context, news)
            status, output = self.run_program()
            if not told:
                # Failing, the task tells ops once more, whatever came of the second audit.
                raise AirflowFailException(news)
            return self.judge(status, output) | {"sent_again": sent}

    def _tell(self, context: Any, news: str) -> bool:
        try:
            tell_ops_that(context, "sent missing readings again", news)
        except Exception as error:  # whatever SNS's client raises: the hour is still to be audited
            self.log.error("ops could not be told: %s", error)
            return False
        return True

    def _send_again(self, missing: Path) -> int:
        """How many rows were sent; 0 when all of them had been sent again before."""
        status, output = self.run_program("producers.resend", "--ids-file", str(missing))
        Program.judge(self, status, output)  # what this prints is no finding
        return int(json.loads(output[-1])["sent"])

    def describe(self, found: dict[str, Any]) -> str:
        return differences(found)


class AuditBreaches(Audit):
    """The audit of breaches: the difference are those that should have been published and were not.

    What could not be decided fails nothing: it is in the finding (`unknown`), and in the program's sentence in the log.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(module="hive.breach_audit", **kwargs)

    def describe(self, found: dict[str, Any]) -> str:
        more = ", …" if found["missing"] > len(found["missing_breaches"]) else ""
        return (
            f"{found['missing']} of {found['due']} breaches among the readings and derived values of "
            f"{found['from']} to {found['to']} were never published: {', '.join(found['missing_breaches'])}{more}."
        )


def sentence(sent: int, found: dict[str, Any]) -> str:
    """What was done about the missing rows."""
    return (
        f"{sent} of these {rows_missing(found)} rows were sent to Kafka again, and what differs is audited once more. "
        "Rows that were committed later than producer.late_commit_window_seconds after their neighbours are found like "
        "this; those of an earlier hour were committed after its audit."
    )


def hours(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The findings of all hours that were audited: the task's own and earlier ones that had got more rows."""
    return [found, *found.get("earlier", [])]


def rows_missing(found: dict[str, Any]) -> int:
    """How many rows are in MySQL and not in Hive, of all hours that were audited."""
    return sum(hour["missing"] for hour in hours(found))


def differences(found: dict[str, Any]) -> str:
    """What differs in any hour, for a person."""
    return " ".join(difference(hour) for hour in hours(found) if not hour["agrees"])


def difference(found: dict[str, Any]) -> str:
    """The finding of an hour for a person, with the first ids of each kind as the audit printed them."""
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
