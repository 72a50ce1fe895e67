"""The first batch of a query, which compiles most of what the query runs."""

from __future__ import annotations

from pyspark.sql.streaming.query import StreamingQuery


def has_begun(query: StreamingQuery) -> bool:
    """Whether its first batch is over, or there is nothing to read. Asks the JVM."""
    status = query.status
    return query.lastProgress is not None or (not status["isTriggerActive"] and status["message"].startswith("Waiting"))
