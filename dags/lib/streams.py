"""Starting and watching the streams and the servers below them: the part of the `streams` DAG that touches them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from airflow.sdk import Variable

from dags.lib.tell_ops import ConditionError
from dags.lib.watch import Limits, Memory, Observation, Trouble, judge, key_of, remember
from infra import servers, supervise
from infra.errors import UnavailableError, WardError
from infra.metrics import read_state
from infra.settings import Settings

log = logging.getLogger(__name__)

MEMORY = "streams_watch"
"""Airflow variable with what the last look left behind (JSON)."""

POLL_SECONDS = 2.0
SERVERS_AT_ONCE = 8


def start_streams(settings: Settings) -> None:
    """Start every stream that does not run, and every server that its supervisor has given up.

    A server that was stopped by hand stays so. What does not start is left for the watch to report. Raises WardError
    when there is no supervisor.
    """
    running = _processes(settings)
    given_up = [server.name for server in _servers(settings) if running[server.name].state == "FATAL"]
    for name in (*given_up, *(name for name in wanted(settings) if not running[name].pid)):
        log.info("starting %s", name)
        _start(settings, name)


def watch_streams(settings: Settings) -> None:
    """Look at every server and stream, restart streams that are stuck, and wait for what may come back by itself.

    While a server is down, streams that need it are silent, which no restart mends: they are left alone. Raises
    ConditionError, naming each server or stream and the reason, for those that are still in trouble afterwards.
    """
    limits = Limits(**settings.streams.model_dump(exclude={"restart_grace_seconds"}))
    now = time.time()
    known, troubles = look(settings, _recall(), limits)
    down = servers_down(settings)
    for trouble in troubles.values():
        log.warning("%s", trouble.reason)
        if trouble.restart and not down:
            log.warning("restarting %s", trouble.stream)
            supervise.stop(settings, trouble.stream)
            _start(settings, trouble.stream)
    if down or any(trouble.kind != "behind" for trouble in troubles.values()):
        deadline = now + settings.streams.restart_grace_seconds
        known, troubles, down = wait_for_progress(settings, known, limits, deadline)
    _keep(known)
    if troubles or down:
        reasons = [*down.values(), *(troubles[name].reason for name in sorted(troubles))]
        key = f"servers {' '.join(causes(settings, down))}" if down else key_of(troubles)
        raise ConditionError(f"{'. '.join(reasons)}. See `./ward status` and `./ward logs NAME`.", key)
    log.info("all streams get on: %s", ", ".join(known))


def servers_down(settings: Settings) -> dict[str, str]:
    """The servers that do not do their work, each with what its readiness check says, in order of their names.

    A server elsewhere is not looked at: its streams tell when they cannot reach it.
    """
    with ThreadPoolExecutor(SERVERS_AT_ONCE) as pool:
        reasons = pool.map(lambda server: _why_down(settings, server), _servers(settings))
        found = dict(zip((server.name for server in _servers(settings)), reasons, strict=True))
    return {name: f"{name} is down: {found[name]}" for name in sorted(found) if found[name]}


def causes(settings: Settings, down: Mapping[str, str]) -> list[str]:
    """Those servers of `down` that need none of the others: the rest come and go with them."""

    def needs(name: str) -> set[str]:
        return {server.name for server in servers.with_dependencies(settings, [name])} - {name}

    return [name for name in down if not down.keys() & needs(name)]


def _why_down(settings: Settings, server: servers.Server) -> str:
    try:
        server.ready(settings)
    except UnavailableError as error:
        return str(error).split(" Is it running?", 1)[0].rstrip(".")
    return ""


def _servers(settings: Settings) -> list[servers.Server]:
    return [server for server in servers.SERVERS if server.wanted(settings)]


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
) -> tuple[dict[str, Memory], dict[str, Trouble], dict[str, str]]:
    """Look again until no server is down and no stream stopped or silent, or until `deadline` (epoch seconds)."""
    pause = threading.Event()
    while True:
        pause.wait(POLL_SECONDS)
        memories, troubles = look(settings, memories, limits)
        down = servers_down(settings)
        well = not down and all(trouble.kind == "behind" for trouble in troubles.values())
        if well or time.time() > deadline:
            return memories, troubles, down


def _processes(settings: Settings) -> dict[str, supervise.Process]:
    """What the supervisor knows of every server and stream."""
    found = supervise.processes(settings)
    missing = [server.name for server in servers.all_of(settings) if server.name not in found]
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
