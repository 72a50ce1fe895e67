"""A stream for `test_stream.py`: ends as it is told, and would pause for ever before that."""

from __future__ import annotations

import sys
import threading

from infra import stream
from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.metrics import StreamMetrics
from infra.settings import Settings

ERRORS = {
    "unavailable": UnavailableError("Kafka", "nowhere:1", "refused"),
    "configuration": ConfigurationError("source.table is wrong."),
    "ward": WardError("It cannot go on."),
    "crash": ValueError("a mistake of ours"),
}


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    if sys.argv[1] == "until-stopped":
        stop.wait()
    elif sys.argv[1] != "at-once":
        raise ERRORS[sys.argv[1]]


if __name__ == "__main__":
    stream.PAUSE_BEFORE_EXIT_SECONDS = 100_000.0
    stream.GOT_GOING_SECONDS = float(sys.argv[2])
    stream.run_stream("mailer", body)
