"""Starting and watching the streams: the part of the `streams` DAG that touches supervisor and the streams."""

from __future__ import annotations

import logging
import threading
import time

from airflow.sdk import Variable

from dags.lib.tell_ops import ConditionError
from dags.lib.watch import Limits, Memory, Observation, Trouble, judge, key_of, remember
from infra import servers, supervise
from infra.errors import WardError
from infra.metrics import read_state
from infra.settings import Settings

log = logging.getLogger(__name__)

MEMORY = "streams_watch"
"""Airflow variable with what the last look left behind (JSON)."""

POLL_SECONDS = 2.0


def start_streams(settings: Settings) -> None:
    """Start every stream that does not run. One that does not start is left for the watch to report.

    Raises WardError when there is no supervisor.
    """
    running = _processes(settings)
    for name in wanted(settings):
        if not running[name].pid:
            log.info("starting %s", name)
            _start(settings, name)


def watch_streams(settings: Settings) -> None:
    """Look at every stream, restart those that are stuck, and wait for the silent ones to make progress.

    Raises ConditionError, naming each stream and the reason, for those that are still in trouble afterwards.
    """
    limits = Limits(**settings.streams.model_dump(exclude={"restart_grace_seconds"}))
    now = time.time()
    known, troubles = look(settings, _recall(), limits)
    for trouble in troubles.values():
        log.warning("%s", trouble.reason)
        if trouble.restart:
            log.warning("restarting %s", trouble.stream)
            supervise.stop(settings, trouble.stream)
            _start(settings, trouble.stream)
    if any(trouble.kind != "behind" for trouble in troubles.values()):
        known, troubles = wait_for_progress(settings, known, limits, now + settings.streams.restart_grace_seconds)
    _keep(known)
    if troubles:
        sentences = ". ".join(troubles[name].reason for name in sorted(troubles))
        raise ConditionError(f"{sentences}. See `./ward status` and `./ward logs <stream>`.", key_of(troubles))
    log.info("all streams get on: %s", ", ".join(known))


def wanted(settings: Settings) -> list[str]:
    """Names of the streams that these settings ask for."""
    return [stream.name for stream in servers.STREAMS if stream.wanted(settings)]


def look(
    settings: Settings, memories: dict[str, Memory], limits: Limits
) -> tuple[dict[str, Memory], dict[str, Trouble]]:
    """One look at every stream: what is known of each afterwards, and the trouble of those that have any."""
    now = time.time()
    running = _processes(settings)
    known: dict[str, Memory] = {}
    troubles: dict[str, Trouble] = {}
    for name in wanted(settings):
        seen = observe(settings, running[name], now)
        known[name] = remember(seen, memories.get(name) or Memory.first(now, seen), now, limits)
        trouble = judge(name, seen, known[name], now, limits)
        if trouble is not None:
            troubles[name] = trouble
    return known, troubles


def observe(settings: Settings, process: supervise.Process, now: float) -> Observation:
    """What the supervisor and the stream itself say."""
    if not process.pid:
        return Observation(None)
    state = read_state(settings, process.name)
    if state is None:
        return Observation(now - process.started)
    return Observation(now - process.started, state.last_progress, state.lag, state.records)


def wait_for_progress(
    settings: Settings, memories: dict[str, Memory], limits: Limits, deadline: float
) -> tuple[dict[str, Memory], dict[str, Trouble]]:
    """Look again until no stream is stopped or silent, or until `deadline` (epoch seconds)."""
    pause = threading.Event()
    while True:
        pause.wait(POLL_SECONDS)
        memories, troubles = look(settings, memories, limits)
        if time.time() > deadline or all(trouble.kind == "behind" for trouble in troubles.values()):
            return memories, troubles


def _processes(settings: Settings) -> dict[str, supervise.Process]:
    """What the supervisor knows of every stream."""
    found = supervise.processes(settings)
    missing = [name for name in wanted(settings) if name not in found]
    if missing:
        raise WardError(f"The supervisor does not answer for {', '.join(missing)}. Start the stack with `./ward up`.")
    return found


def _start(settings: Settings, name: str) -> None:
    try:
        supervise.start(settings, name)
    except WardError as error:
        log.warning("%s", error)


def _recall() -> dict[str, Memory]:
    kept = Variable.get(MEMORY, default={}, deserialize_json=True)
    return {name: Memory(**fields) for name, fields in kept.items()}


def _keep(known: dict[str, Memory]) -> None:
    fields = {name: memory.as_dict() for name, memory in known.items()}
    Variable.set(MEMORY, fields, description="What the last watch over the streams saw", serialize_json=True)
