"""Command `./ward bench [NAME]`."""

from __future__ import annotations

import importlib
import signal
import sys
import time
from typing import Annotated

import typer
from rich.console import Console

from bench.figures import Report, Size
from infra.cli import WIDTH_OF_FILES
from infra.errors import ConfigurationError
from infra.settings import load_settings

BENCHMARKS: dict[str, str] = {
    "alarms": "alarms and mails against the truth of 100 simulated patient-days; no servers",
    "start": "seconds, memory and idle processor time of the whole stack, which it stops and starts three times",
    "detection": "from vital-info to doctors-queue at 1,000 and 10,000 readings/s, against micro-batches",
    "patients": "memory and latency of detection with contacts of 100 to 1,000,000 patients",
    "landing": "a backlog of 2,000,000 readings to Parquet that Hive sees, against Spark's own file sink",
    "ingest": "from the commit of a row to its message in Kafka, and what that costs, against Debezium",
    "backlog": "a million waiting rows to Kafka, against Debezium and against what each step allows",
    "path": "from the commit of a reading to SNS, half an hour on the running stack",
    "alert": "from the commit of a reading to the doctor's mail, at 1,000 readings/s on the running stack",
    "sustained": "everything together at 1,000 to 10,000 readings/s on the running stack, until its lag grows",
    "hql": "an analyst's questions over five million readings, against Spark Thrift Server; on the running stack",
    "recent": "a patient's last readings and two days by minute out of HBase; on the running stack",
    "page": "20 open boards of 200 patients: how late, what they cost, whether detection feels them; and other pages",
    "history": "files, NameNode objects and query time against days of history; on the running stack",
    "contacts": "incremental against full imports of 500, 50,000 and a million patients; on the running stack",
}
"""Name (and module in `bench/`, which has `measure(Size) -> Report`) and what it measures."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_FILES)


def bench(
    name: Annotated[str | None, typer.Argument(help=f"One of {', '.join(BENCHMARKS)}; all if left out.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="What generated data is made of.")] = 1,
    tiny: Annotated[bool, typer.Option("--tiny", help="Little data: shows that it works, not how well.")] = False,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="How long `sustained` holds each rate. Default: 10 minutes; 3 at least.")
    ] = None,
) -> None:
    """Run benchmarks: print each one's table, and write its numbers as JSON below `.ward/state/bench/`.

    Not on a stack that watches patients: most of them write simulated readings, and `start` stops everything.
    """
    if name is not None and name not in BENCHMARKS:
        raise ConfigurationError(f"There is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}.")
    # A polite kill ends a run as Ctrl-C does, so that it removes what it made.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    directory = load_settings().state_dir / "bench"
    size = Size(seed, tiny, lambda text: console.print(text, style="dim"), seconds)
    for one in [name] if name else BENCHMARKS:
        begun = time.monotonic()
        report = _measure(one, size)
        path = directory / f"{one}{'-tiny' if tiny else ''}.json"
        report.save(path)
        console.print(report.as_table())
        console.print(f"{time.monotonic() - begun:.0f} s; numbers in {path}")


def _measure(name: str, size: Size) -> Report:
    report: Report = importlib.import_module(f"bench.{name}").measure(size)
    return report
