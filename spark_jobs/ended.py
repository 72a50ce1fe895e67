"""What is said of a query that has ended though nobody stopped it."""

from __future__ import annotations

from pyspark.sql.streaming.query import StreamingQuery

from infra.errors import WardError


def ended_by_itself(query: StreamingQuery, what: str, hint: str = "") -> WardError:
    """The error to raise: one sentence with the first line of Spark's reason, then the hint; the whole is its cause.
    `what` names the query. Asks the JVM."""
    error = query.exception()
    reason = str(error).strip().splitlines()[0] if error else "it gave no reason"
    told = WardError(f"{what} ended by itself: {reason} {hint}".rstrip())
    told.__cause__ = error
    return told
