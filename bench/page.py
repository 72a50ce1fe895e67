"""Twenty open ward boards over a ward of 200 patients who report each second: how late, what they cost, who feels it.

It needs `./ward up`. Spans with open boards and without take turns, while the load is the same. A board is opened
without a browser and takes what a browser would be sent. How late: from the insertion of a row, which is shortly before
its commit, until the board has the patient's tile with this reading or a newer one; every reading that was committed
in a span, on every board. At the end of a span the last reading of every patient must be on every board. What detection
feels: from the insertion of a row until its breach can be read from `doctors-queue`, in spans of both kinds. After the
last span, under the same load, the alarms page and a patient's page are looked at (`bench.page_looks`).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.boards import delays_ms, require_known
from bench.boards_client import opening, read_arrivals, read_progress
from bench.figures import Figure, Report, Size
from bench.held import Held, held_figure
from bench.own_ward import OwnWard, own_ward
from bench.page_login import logged_in
from bench.page_looks import Looks, look
from bench.page_readings import ShownReadings
from bench.programs import Program
from bench.ward_writer import Load, writing, written
from bench.watching import Seen, Watch
from dashboard.roles import Role
from infra.errors import WardError
from infra.settings import Settings, load_settings
from infra.supervise import processes
from infra.waiting import wait_for

SERVER, CLIENT, WRITER = "ward-page", "open boards", "load (the simulator)"
LATE_MS, MOST_MB, MOST_CORES, MOST_RATIO = 2000.0, 500.0, 0.5, 1.1
MB = 1_000_000
OPENED_SECONDS, SHOWN_SECONDS = 300.0, 300.0
"""How long is waited for boards to open, and for the last readings to be on all of them."""

ON_EVERY_BOARD = "patients whose last reading is on every board, at the end of each span"
CAME = "readings that came to every board"
RATIO = "  ratio of the medians"
SHARES = (50, 90, 99, 99.9, 100)


@dataclass(frozen=True)
class Plan:
    """In each round a span without boards and one with them, of so many seconds, in turns the one or the other first.

    `settle_seconds`: between a span and the next, until the server has forgotten pages that were closed. `looks`: how
    often the other pages are opened, and shown something.
    """

    patients: int = 200
    boards: int = 20
    rounds: int = 3
    seconds: float = 120
    warm_seconds: float = 30
    settle_seconds: float = 45
    episodes_every: float = 3
    looks: int = 20


TINY = Plan(patients=5, boards=2, rounds=1, seconds=10, warm_seconds=5, settle_seconds=0, episodes_every=1, looks=2)


@dataclass(frozen=True)
class Span:
    """What was seen in a span. `late_ms`: of each reading, a line for each board; None: no board was open.

    `patients`: of whom the last reading was on every board at the end.
    """

    seen: Seen
    late_ms: npt.NDArray[np.int64] | None = None
    patients: int = 0

    @property
    def cores(self) -> float:
        """Of the server."""
        return self.seen.cores()[SERVER]

    @property
    def memory_mb(self) -> float:
        """Of the server, at the end of the span."""
        return self.seen.memory_bytes[SERVER] / MB


@dataclass
class Spans:
    """All spans of a run."""

    without: list[Span] = field(default_factory=list)
    open: list[Span] = field(default_factory=list)


def measure(size: Size) -> Report:
    """Delays and costs. Raises WardError when a board lacks a reading, or shows one that there is not."""
    settings, plan = load_settings(), TINY if size.tiny else Plan()
    if not ((server := processes(settings).get(SERVER)) and server.pid):
        raise WardError(f"{SERVER} does not run: `./ward up` starts it.")
    spans = Spans()
    size.say(f"admitting {plan.patients} patients …")
    with own_ward(settings, size.seed, plan.patients) as ward:
        load = Load(ward.name, size.seed, plan.patients, plan.patients, plan.episodes_every)
        with (
            logged_in(settings, ward.name.lower(), Role.NURSE) as cookie,
            closing(ShownReadings(settings, ward.name)) as readings,
            writing(load, settings.log_dir / "bench-page-writer.log") as writer,
        ):
            run = _Run(settings, plan, ward, cookie, readings, writer)
            time.sleep(plan.warm_seconds)  # the load is to stand before it is looked at
            for number in range(plan.rounds):
                size.say(f"round {number + 1} of {plan.rounds}, twice {plan.seconds:.0f} s …")
                for with_boards in (False, True) if number % 2 == 0 else (True, False):
                    if with_boards:
                        spans.open.append(run.with_boards())
                    else:
                        spans.without.append(run.without())
                    time.sleep(plan.settle_seconds)  # the server tells nobody when it has forgotten a page
            size.say("the alarms page and a patient's page …")
            looks = look(settings, ward, cookie, plan.looks, size.seed)
            writer.require_alive()
            load_held = written(writer.stop()).held(plan.patients)
        size.say("waiting until every alarm is over …")
    return report(spans, looks, load_held, {"seed": size.seed, **vars(plan)})


class _Run:
    """Spans under one load."""

    def __init__(
        self, settings: Settings, plan: Plan, ward: OwnWard, cookie: str, readings: ShownReadings, writer: Program
    ) -> None:
        self._settings = settings
        self._plan = plan
        self._ward = ward
        self._cookie = cookie
        self._readings = readings
        self._writer = writer

    def without(self) -> Span:
        """A span without boards."""
        return Span(self._watched({}))

    def with_boards(self) -> Span:
        """A span with all boards open, from before its beginning until they show all that was committed in it."""
        boards, log = self._plan.boards, self._settings.log_dir / "bench-page-boards.log"
        with tempfile.TemporaryDirectory() as made:
            directory = Path(made)
            with opening(self._ward.name, boards, self._cookie, directory, log) as client:
                _await(client, lambda: read_progress(directory).opened == boards, OPENED_SECONDS, "boards do not open")
                first = self._readings.read_on()
                seen = self._watched({CLIENT: client.pid})
                last, newest = self._readings.read_on(), self._readings.newest()
                _await(
                    client,
                    lambda: not behind(newest, read_progress(directory).shown),
                    SHOWN_SECONDS,
                    "boards lack the last readings of patients",
                )
                client.stop()
                arrivals = read_arrivals(directory)
        self._readings.read_on()  # the boards went on meanwhile
        require_known(self._readings.readings, arrivals.patients, arrivals.rows)
        late = delays_ms(self._readings.readings[first:last], arrivals.patients, arrivals.rows, boards)
        return Span(seen, late, len(newest))

    def _watched(self, others: Mapping[str, int]) -> Seen:
        with Watch(self._settings, {WRITER: self._writer.pid, **others}, f"{self._ward.name}-") as watch:
            time.sleep(self._plan.seconds)  # what is looked at is a span of time
        self._writer.require_alive()
        return watch.seen


def behind(newest: Mapping[str, int], shown: Mapping[str, int]) -> list[str]:
    """Patients whose newest reading (inserted, epoch ms) is not shown, nor a later one."""
    return [patient for patient, inserted_at in newest.items() if shown.get(patient, 0) < inserted_at]


def report(spans: Spans, looks: Looks, load: Held, setting: Mapping[str, Any]) -> Report:
    """The table."""
    late = np.concatenate([span.late_ms.ravel() for span in spans.open if span.late_ms is not None])
    boards, patients = int(setting["boards"]), min(span.patients for span in spans.open)
    p50, p99, longest = (float(np.percentile(late, share)) for share in (50, 99, 100))
    memory, cores = max(span.memory_mb for span in spans.open), _mean([span.cores for span in spans.open])
    without, with_boards = (_percentiles(_delays(some)) for some in (spans.without, spans.open))
    ratio = with_boards["50"] / without["50"]
    figures = [
        Figure(
            ON_EVERY_BOARD,
            f"{patients} of {setting['patients']}, on {boards} boards",
            "all",
            patients == setting["patients"],
        ),
        held_figure("load", [load]),
        Figure(CAME, f"{len(late) // boards:,}"),
        Figure("commit to board, p50", f"{p50:,.0f} ms"),
        Figure("commit to board, p99", f"{p99:,.0f} ms", f"under {LATE_MS:,.0f} ms", p99 < LATE_MS),
        Figure("commit to board, longest", f"{longest:,.0f} ms"),
        Figure("  in time", f"{100 * float(np.mean(late < LATE_MS)):.3f} %"),
        Figure("memory of the server", f"{memory:.0f} MB", f"under {MOST_MB:.0f} MB", memory < MOST_MB),
        Figure("cores that the server uses", f"{cores:.2f}", f"under {MOST_CORES:g}", cores < MOST_CORES),
        Figure("  without open boards", f"{_mean([span.cores for span in spans.without]):.2f}"),
        Figure("  cores of those who look, apart", f"{_mean([one.seen.cores()[CLIENT] for one in spans.open]):.2f}"),
        Figure("commit to doctors-queue without boards, p50, p99", _pair(without)),
        Figure("commit to doctors-queue with open boards, p50, p99", _pair(with_boards)),
        Figure(RATIO, f"{ratio:.2f}", f"at most {MOST_RATIO:g}", ratio <= MOST_RATIO),
        *looks.figures(),
    ]
    details = {
        "commit_to_board_ms": _percentiles(late),
        "other_pages_ms": vars(looks),
        "spans_without": [_details(span) for span in spans.without],
        "spans_open": [_details(span) for span in spans.open],
    }
    return Report("Open ward boards, detection beside them, and the other pages", figures, setting, details)


def _await(client: Program, answer: Callable[[], bool], seconds: float, otherwise: str) -> None:
    def answered() -> bool:
        client.require_alive()
        return answer()

    if not wait_for(answered, seconds, 0.5):
        raise WardError(f"After {seconds:.0f} s {otherwise}.")


def _delays(spans: Sequence[Span]) -> list[int]:
    return [delay for span in spans for delay in span.seen.delays_ms]


def _percentiles(values: Any) -> dict[str, float]:
    """NaN of nothing."""
    found = np.asarray(values, dtype=float)
    return {str(share): float(np.percentile(found, share)) if len(found) else float("nan") for share in SHARES}


def _pair(percentiles: Mapping[str, float]) -> str:
    return f"{percentiles['50']:,.0f}, {percentiles['99']:,.0f} ms"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _details(span: Span) -> dict[str, Any]:
    late = {} if span.late_ms is None else {"commit_to_board_ms": _percentiles(span.late_ms.ravel())}
    return {
        **late,
        "breaches": len(span.seen.delays_ms),
        "commit_to_doctors_queue_ms": _percentiles(span.seen.delays_ms),
        "cores": span.seen.cores(),
        "idle_cores": span.seen.idle_cores(),
        "server_memory_mb": span.memory_mb,
    }
