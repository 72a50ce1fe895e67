"""Waiting for a program whose supervisor has news of it, and what the supervisor is told to do."""

from __future__ import annotations

from collections.abc import Callable
from configparser import RawConfigParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from infra import supervise
from infra.errors import UnavailableError, WardError
from infra.servers import STREAMS
from infra.settings import Settings
from infra.stream import PAUSE_BEFORE_EXIT_SECONDS
from infra.supervise import Process, configuration, restart, wait_ready

Wait = Callable[..., None]


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Wait:
    """Waits for a program that goes through these states, the last one for ever, and is ready while it is RUNNING. It
    is GONE with its supervisor."""

    def run(*states: str, seconds: float = 600) -> None:
        left = list(states)

        def ready(_settings: Settings) -> None:
            if left[0] != "RUNNING":
                raise UnavailableError("kafka", "nowhere", OSError("refused"))

        def processes(_settings: Settings) -> dict[str, Process]:
            state = left.pop(0) if len(left) > 1 else left[0]
            return {} if state == "GONE" else {"kafka": Process("kafka", state, 0, 0.0)}

        server = SimpleNamespace(ready=ready, ready_seconds=30)
        monkeypatch.setattr(supervise, "find", lambda _settings, _name: server)
        monkeypatch.setattr(supervise, "processes", processes)
        wait_ready(Settings(), "kafka", seconds)

    monkeypatch.setattr(supervise, "POLL_SECONDS", 0.001)
    return run


def test_a_program_that_ended_is_waited_for_while_it_is_started_again(wait: Wait) -> None:
    wait(*["EXITED"] * 300, "STARTING", "EXITED", "BACKOFF", "STARTING", "RUNNING")


@pytest.mark.parametrize("state", ["FATAL", "STOPPED"])
def test_a_program_that_stays_down_is_not_waited_for(wait: Wait, state: str) -> None:
    with pytest.raises(WardError, match=r"kafka does not stay up; .*kafka\.log says why"):
        wait("STARTING", state)


def test_nobody_waits_for_a_program_whose_supervisor_is_gone(wait: Wait) -> None:
    with pytest.raises(WardError, match=r"kafka is not ready .*, and no supervisor answers"):
        wait("STARTING", "GONE")


def test_a_program_that_is_not_started_again_is_waited_for_no_longer_than_its_limit(wait: Wait) -> None:
    with pytest.raises(WardError, match="kafka is not ready after 0 s"):
        wait("EXITED", seconds=0.2)


@pytest.mark.parametrize("afterwards", [0, 4712])
def test_a_program_has_stopped_though_somebody_starts_it_again_at_once(
    monkeypatch: pytest.MonkeyPatch, afterwards: int
) -> None:
    pids = [4711, 4711, 4711, afterwards]

    def processes(_settings: Settings) -> dict[str, Process]:
        pid = pids.pop(0) if len(pids) > 1 else pids[0]
        return {"kafka": Process("kafka", "RUNNING", pid, 0.0)}

    monkeypatch.setattr(supervise, "processes", processes)
    monkeypatch.setattr(supervise, "_call", lambda *_arguments: None)
    monkeypatch.setattr(supervise, "POLL_SECONDS", 0.001)
    supervise.stop(Settings(), "kafka")
    assert pids == [afterwards]


@pytest.mark.parametrize("act", [supervise.stop, supervise.start])
def test_a_supervisor_that_is_gone_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, act: Callable[[Settings, str], None]
) -> None:
    monkeypatch.setattr(supervise, "_call", lambda *_: None)  # it dies when it has answered
    monkeypatch.setattr(supervise, "processes", lambda _settings: {})
    with pytest.raises(UnavailableError, match="The supervisor"):
        act(Settings(state_dir=tmp_path), "kafka")


def test_a_restart_where_nothing_runs_says_how_to_start(tmp_path: Path) -> None:
    with pytest.raises(WardError, match=r"Nothing is running: `\./ward up` starts it"):
        restart(Settings(state_dir=tmp_path), "land-vitals")


def test_a_restart_of_what_the_supervisor_does_not_know_says_how_to_tell_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervise, "processes", lambda _settings: {"kafka": Process("kafka", "RUNNING", 1, 0.0)})
    with pytest.raises(WardError, match=r"does not know mailer yet: `\./ward up mailer`"):
        restart(Settings(), "mailer")


def test_a_stream_is_started_again_whatever_its_status_and_never_given_up(tmp_path: Path) -> None:
    parsed = RawConfigParser()
    parsed.read_string(configuration(Settings(state_dir=tmp_path)))
    for stream in STREAMS:
        program = parsed[f"program:{stream.name}"]
        assert program["autorestart"] == "true"
        assert 2 * int(program["startsecs"]) < PAUSE_BEFORE_EXIT_SECONDS, "it counts as one that never started"
