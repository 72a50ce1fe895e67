"""Detection as a process of its own on topics of a benchmark: python -m bench.detection_job SUFFIX MODE NUMBER

MODE is `real-time`, as the product runs, or `micro-batch`: the same job, query and broadcast contacts, judged in
batches, each begun as soon as the last one is over.
"""

from __future__ import annotations

import signal
import sys
import threading

from bench.detection_stage import contacts_table
from hbase.watcher import ThresholdWatcher
from infra.lag import topic_ends
from infra.log import configure_logging
from infra.metrics import StreamMetrics
from infra.settings import load_settings
from spark_jobs.detect_breaches import NAME, Detection
from spark_jobs.detection.place import Place
from spark_jobs.patients import Patients


class MicroBatchDetection(Detection):
    """Detection that never is in real-time mode."""

    def is_real_time(self, patients: Patients) -> bool:  # noqa: ARG002
        return False


MODES: dict[str, type[Detection]] = {"real-time": Detection, "micro-batch": MicroBatchDetection}


def place_of(suffix: str, mode: str, number: int) -> Place:
    """Where the `number`th detection of a benchmark reads and writes."""
    own = f"{suffix}-{mode}-{number}"
    return Place(
        readings=f"bench-vital-info-{own}",
        derived=f"bench-derived-vitals-{own}",
        breaches=f"bench-doctors-queue-{own}",
        patients=contacts_table(suffix).full_name,
        checkpoint=f"detect-breaches-{own}",
    )


def main(suffix: str, mode: str, number: str) -> None:
    """Judge until SIGTERM."""
    configure_logging()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    settings = load_settings()
    watcher = ThresholdWatcher(settings)
    watcher.start()
    with topic_ends(settings) as ends:
        MODES[mode](settings, StreamMetrics(NAME), watcher, ends, place_of(suffix, mode, int(number))).run(stop)


if __name__ == "__main__":
    main(*sys.argv[1:])
