"""A second copy of a stream beside the first: one works, the other stops and says why."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable
from typing import Any

from infra.metrics import metrics_port, read_state
from infra.servers import STREAMS, project_environment
from infra.settings import PROJECT_ROOT, Settings
from infra.supervise import processes
from tests.faults.campaign import new_campaign
from tests.faults.world import World

Await = Callable[..., Any]
SECONDS = 180
REASONS = {
    "vitals-producer": "Another vitals-producer has taken over",
    "land-vitals": "wardwatch:stream:land-vitals is held by another process",
    "detect-breaches": "wardwatch:stream:detect-breaches is held by another process",
    "derive-vitals": "wardwatch:stream:derive-vitals is held by another process",
    "alert-engine": "wardwatch:stream:alert-engine is held by another process",
    "mailer": "wardwatch:stream:mailer is held by another process",
    "acknowledge-page": "acknowledge-page cannot be served on 127.0.0.1",
    "ward-page": "ward-page cannot be served on 127.0.0.1",
}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def second_copy(settings: Settings, name: str, command: list[str]) -> subprocess.Popen[str]:
    """The same stream once more, with another port for its metrics, so that it is not this that stops it."""
    port = free_port() - settings.port_offset
    environment = project_environment(settings) | {
        f"WARDWATCH_PORTS__METRICS_{name.replace('-', '_').upper()}": str(port)
    }
    return subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_a_second_copy_of_each_stream_stops_and_says_why_and_one_goes_on(
    stack: Settings, seed: int, await_condition: Await
) -> None:
    """Under load, for a producer finds out that it was replaced when it writes."""
    world = World.begin(stack, new_campaign(seed, ["two at once"]), await_condition)
    with world.loaded():
        start_and_compare(stack, await_condition)
    found = world.findings(await_condition)
    assert found.clean, str(found)


def start_and_compare(stack: Settings, await_condition: Await) -> None:
    copies = {stream.name: second_copy(stack, stream.name, stream.command(stack)) for stream in STREAMS}
    said: dict[str, str] = {}
    try:
        deadline = time.monotonic() + SECONDS
        for name, copy in copies.items():
            said[name], _ = copy.communicate(timeout=max(1.0, deadline - time.monotonic()))
    finally:
        for copy in copies.values():
            copy.kill()
    for name, reason in REASONS.items():
        assert copies[name].returncode == 1, said[name]
        assert reason in said[name]
    since = time.time()

    def is_at_work(name: str) -> bool:
        state = read_state(stack, name)
        return processes(stack)[name].running and state is not None and state.last_progress > since

    for name in REASONS:
        assert metrics_port(stack, name)
        await_condition(lambda name=name: is_at_work(name), 120, f"{name} does not go on")
