"""`./ward simulate`."""

from __future__ import annotations

import signal
import threading
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from infra.errors import ConfigurationError
from infra.settings import load_settings
from producers.simulator.episodes import KINDS, Order
from producers.simulator.ward import EPISODE_EVERY_SECONDS, Ward
from producers.simulator.writer import Progress, run_ward, ward_length

console = Console(stderr=True)


def simulate(
    patients: Annotated[int, typer.Option(min=1, help="How many patients lie on the ward.")] = 60,
    rate: Annotated[
        float | None, typer.Option(help="Rows a second in all. Default: one per patient and second.")
    ] = None,
    duration: Annotated[float | None, typer.Option(help="Stop after so many seconds of ward time.")] = None,
    count: Annotated[
        int | None, typer.Option(min=0, help="Stop after so many rows; 0 only admits the patients.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds and starts give equal rows.")] = 1,
    episode: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND[:PATIENT][@SECONDS]",
            help=f"An episode to play, for example bradycardia:P0007@5; may be repeated. Kinds: {', '.join(KINDS)}.",
        ),
    ] = None,
    episode_every: Annotated[
        float, typer.Option(min=0, help="Seconds between random episodes, on average; 0 for none.")
    ] = EPISODE_EVERY_SECONDS,
    fast: Annotated[bool, typer.Option("--fast", help="Write at once, without keeping pace with the clock.")] = False,
    start: Annotated[
        str | None,
        typer.Option(
            help="Time of the first reading, such as 2026-01-31T08:00:00Z. Default: now; with --fast, it ends now."
        ),
    ] = None,
) -> None:
    """Fill the ward: write vital signs to MySQL as bedside devices would, with scripted episodes.

    What was true of each episode goes to health.simulator_episodes. Ctrl-C ends it. Not on a stack that watches
    patients: the doctors of the wards are mailed of simulated ones.
    """
    settings = load_settings()
    length = ward_length(count, duration, rate or patients) if fast else 0.0
    ward = Ward(
        seed,
        patients,
        start=_time(start) if start else datetime.now(UTC) - timedelta(seconds=length),
        rate=rate,
        orders=[Order.parse(text) for text in episode or ()],
        episode_every=episode_every or None,
    )
    stop = _stop_on_signals()
    with Bar(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("Admitting patients")
        done = run_ward(
            settings,
            ward,
            paced=not fast,
            count=count,
            duration=duration,
            stop=stop,
            say=lambda progress: bar.update(task, description=_line(progress)),
        )
    console.print(_summary(ward, done))


def _time(written: str) -> datetime:
    try:
        given = datetime.fromisoformat(written)
    except ValueError as error:
        raise ConfigurationError(f"--start {written!r} is no time; write it as 2026-01-31T08:00:00Z.") from error
    return given if given.tzinfo else given.replace(tzinfo=UTC)


def _stop_on_signals() -> threading.Event:
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    return stop


def _line(progress: Progress) -> str:
    behind = f", {progress.behind:.0f} s behind" if progress.behind > 1 else ""
    return f"{progress.rows:,} rows, {progress.rate:,.0f}/s, {progress.episodes} episodes begun{behind}"


def _summary(ward: Ward, done: Progress) -> Table:
    table = Table(title="The ward has been written", show_header=False)
    table.add_row("run", done.run_id)
    table.add_row("patients", f"{len(ward.patients):,}")
    table.add_row("rows", f"{done.rows:,} (ids {done.first_id} to {done.last_id})")
    table.add_row("rate", f"{done.rate:,.0f} rows/s over {done.seconds:.1f} s")
    table.add_row("episodes", f"{done.episodes} (health.simulator_episodes)")
    table.add_row("last reading", done.at.isoformat(sep=" ", timespec="milliseconds") if done.at else "none")
    return table
