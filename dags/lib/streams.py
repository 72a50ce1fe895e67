"""Starting and watching the streams and the servers below them: the part of the `streams` DAG that touches them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping

from airflow.sdk import Variable

from dags.lib import watchdog_path
from dags.lib.tell_ops import ConditionError
from dags.lib.watch import Limits, Memory, Observation, Trouble, judge, key_of, remember
from infra import servers, supervise
from infra.errors import UnavailableError, WardError
from infra.metrics import read_state
from infra.settings import Settings

log = logging.getLogger(__name__)

MEMORY = "streams_watch"
"""Airflow variable with what the last look left behind (JSON)."""

LOOKED_THROUGH = frozenset({"postgres", "airflow-api-server", "airflow-scheduler"})
"""Without one of these no task runs, and nobody looks."""

POLL_SECONDS = 2.0
ANSWER_SECONDS = 30.0
"""A server that says nothing for so long hangs."""


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

    A stream that needs a server that is down is silent, which no restart mends: it is left alone, and is not the news.
    A watchdog is sent through the alarm path meanwhile. Raises ConditionError, naming each server or stream and the
    reason, for those that are still in trouble afterwards, and when no watchdog has come through for too long.
    """
    walk = watchdog_path.send(settings)
    others = {"restart_grace_seconds", "max_watchdog_seconds", "max_unwatched_seconds"}
    limits = Limits(**settings.streams.model_dump(exclude=others))
    now = time.time()
    known, troubles = look(settings, _recall(), limits)
    down = servers_down(settings)
    impaired = is_impaired(settings, troubles, down)
    for trouble in unblocked(settings, troubles, down).values():
        log.warning("%s", trouble.reason)
        if trouble.restart:
            log.warning("restarting %s", trouble.stream)
            supervise.stop(settings, trouble.stream)
        if trouble.restart or trouble.kind == "stopped":  # perhaps only since `start_streams` looked
            _start(settings, trouble.stream)
    if down or any(trouble.kind != "behind" for trouble in troubles.values()):
        deadline = now + settings.streams.restart_grace_seconds
        known, troubles, down = wait_for_progress(settings, known, limits, deadline)
    _keep(known)
    absence = watchdog_path.absence(settings, walk, impaired or is_impaired(settings, troubles, down))
    if troubles or down or absence:
        reasons = [*down.values(), *(troubles[name].reason for name in sorted(troubles)), absence.rstrip(".")]
        key = [*(f"server:{name}" for name in causes(settings, down)), key_of(unblocked(settings, troubles, down))]
        sentences = ". ".join(filter(None, reasons))
        raise ConditionError(
            f"{sentences}. See `./ward status` and `./ward logs NAME`.",
            " ".join(filter(None, [*key, "watchdog" if absence else ""])),
        )
    log.info("all streams get on: %s", ", ".join(known))


def is_impaired(settings: Settings, troubles: Mapping[str, Trouble], down: Mapping[str, str]) -> bool:
    """Whether the alarm path is known to be broken: that a watchdog stays away is no news then.

    A stream that is only behind should still let one through in time.
    """
    broken = {name for name, trouble in troubles.items() if trouble.kind != "behind"} | down.keys()
    return any(name in broken or broken & _needs(settings, name) for name in watchdog_path.STREAMS)


def unblocked(settings: Settings, troubles: Mapping[str, Trouble], down: Mapping[str, str]) -> dict[str, Trouble]:
    """The troubles of those streams that need none of the servers that are down."""
    return {name: trouble for name, trouble in troubles.items() if not down.keys() & _needs(settings, name)}


def servers_down(settings: Settings) -> dict[str, str]:
    """The servers that do not do their work, each with what its readiness check says, in order of their names.

    A server elsewhere is not looked at: its streams tell when they cannot reach it.
    """
    reasons = {server.name: f"it did not answer within {ANSWER_SECONDS:.0f} s" for server in _servers(settings)}

    def ask(server: servers.Server) -> None:
        reasons[server.name] = _why_down(settings, server)

    # Not a pool: leaving that would wait for a server that hangs, and the watch with it.
    threads = [threading.Thread(target=ask, args=(server,), daemon=True) for server in _servers(settings)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + ANSWER_SECONDS
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    found = dict(reasons)
    return {name: f"{name} is down: {found[name]}" for name in sorted(found) if found[name]}


def causes(settings: Settings, down: Mapping[str, str]) -> list[str]:
    """Those servers of `down` that need none of the others: the rest come and go with them."""
    return [name for name in down if not down.keys() & _needs(settings, name)]


def _needs(settings: Settings, name: str) -> set[str]:
    """Every server that a server or stream needs, by way of others too."""
    return {server.name for server in servers.with_dependencies(settings, [name])} - {name}


def _why_down(settings: Settings, server: servers.Server) -> str:
    try:
        server.ready(settings)
    except UnavailableError as error:
        return str(error).split(" Is it running?", 1)[0].rstrip(".")
    except Exception as error:  # one that dies while it is asked may end the question in any way
        return f"it does not do its work ({type(error).__name__})"
    return ""


def _servers(settings: Settings) -> list[servers.Server]:
    """All but those without which nobody would be looking."""
    return [server for server in servers.SERVERS if server.wanted(settings) and server.name not in LOOKED_THROUGH]


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
    if not found:
        raise WardError("The supervisor does not answer. Start the stack with `./ward up`.")
    # One that the settings ask for only since the last `./ward up`: it is told as stopped, and the others are watched.
    unknown = {server.name: supervise.Process(server.name, "STOPPED", 0, 0.0) for server in servers.all_of(settings)}
    return unknown | found


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
