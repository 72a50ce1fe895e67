"""How long `./ward up` takes on a prepared machine, and what the stack costs when nothing happens.

It stops the running stack and starts it again, with its data, in turn. Idle is what the processes use while no reading
comes: nobody writes meanwhile, and whatever the start has left to do is over.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from contextlib import suppress

import psutil

from bench.commands import run_ward
from bench.figures import Figure, Report, Size
from bench.processes import tree_processor_seconds
from infra.settings import Settings, load_settings
from infra.supervise import Process, processes

ROUNDS = 3
SETTLED_SECONDS, IDLE_SECONDS, TINY_SECONDS = 180, 120, 2
MOST_SECONDS, MOST_GIB = 180.0, 10.0
GIB, MIB = 2**30, 2**20


def measure(size: Size) -> Report:
    """Seconds of each start, memory and processor time. A tiny one starts nothing that runs already.

    Raises WardError when the stack does not start or stop.
    """
    settings = load_settings()
    seconds = []
    for number in range(1 if size.tiny else ROUNDS):
        if not size.tiny:
            size.say(f"start {number + 1} of {ROUNDS}: stopping …")
            run_ward("down")
            size.say("starting …")
        begun = time.monotonic()
        run_ward("up")
        seconds.append(time.monotonic() - begun)
    settled, idle = (TINY_SECONDS, TINY_SECONDS) if size.tiny else (SETTLED_SECONDS, IDLE_SECONDS)
    size.say(f"waiting {settled} s, then looking at the processes for {idle} s …")
    time.sleep(settled)  # what a start has left to compile shows in no state that could be asked for
    return _report(seconds, *_cost(settings, idle), idle)


def _cost(settings: Settings, seconds: float) -> tuple[dict[str, int], dict[str, float]]:
    """Bytes of memory, and cores in use over so many seconds, of each server and stream."""
    before, begun = _processor_seconds(processes(settings)), time.monotonic()
    time.sleep(seconds)  # the cost is that of a span of time
    running = processes(settings)
    after, passed = _processor_seconds(running), time.monotonic() - begun
    cores = {name: max(after[name] - before.get(name, 0.0), 0.0) / passed for name in after}
    return {name: process.memory_bytes() for name, process in running.items() if process.pid}, cores


def _processor_seconds(running: Mapping[str, Process]) -> dict[str, float]:
    """Of each program and its children, as far as it still runs."""
    found: dict[str, float] = {}
    for name, process in running.items():
        with suppress(psutil.NoSuchProcess):
            found[name] = tree_processor_seconds(process.pid)
    return found


def _report(seconds: list[float], memory: Mapping[str, int], cores: Mapping[str, float], idle: float) -> Report:
    typical, total = statistics.median(seconds), sum(memory.values()) / GIB
    spread = f"{min(seconds):.0f} to {max(seconds):.0f} s" if len(seconds) > 1 else ""
    figures = [
        Figure("`./ward up`, median", f"{typical:.0f} s", f"under {MOST_SECONDS:.0f} s", typical < MOST_SECONDS),
        *([Figure("  from the fastest to the slowest", spread)] if spread else []),
        Figure("memory in all", f"{total:.1f} GiB", f"under {MOST_GIB:.0f} GiB", total < MOST_GIB),
        Figure("cores in use while idle", f"{sum(cores.values()):.2f}"),
        *(
            Figure(f"  {name}", f"{used / MIB:.0f} MiB, {100 * cores.get(name, 0.0):.0f} % of a core")
            for name, used in sorted(memory.items(), key=lambda item: -item[1])
        ),
    ]
    details = {"seconds": seconds, "memory_bytes": dict(memory), "cores": dict(cores)}
    return Report("Start, memory and rest", figures, {"rounds": len(seconds), "idle_seconds": idle}, details)
