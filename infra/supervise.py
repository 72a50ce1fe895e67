"""The supervisor: one `supervisord` a stack, each server and stream a program of it, spoken to over a Unix socket.

What it runs survives the command that started it; a program that dies is started again.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import threading
import time
import xmlrpc.client
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from infra.errors import UnavailableError, WardError
from infra.java import java_program
from infra.render import conf_dir, run_dir
from infra.secrets import write_private
from infra.servers import Server, all_of, find, log_file, venv_program
from infra.settings import PROJECT_ROOT, Settings
from infra.waiting import wait_for

POLL_SECONDS = 0.25
RESTART_ATTEMPTS = 3
START_SECONDS = 60.0
"""How long a program may take to live or, beyond its own time to stop, to be gone, on a busy machine."""

EMPTY_TEMPORARY = ("sh", "-c", 'rm -rf "$TMPDIR" && mkdir -p -m 700 "$TMPDIR" && exec "$@"', "sh")
"""Before a program's command: what it left in its temporary directory when it was killed is gone."""

LEFTOVER_SECONDS = 6
"""Time to end by itself for what a dead supervisor left: nearly all need less, and any may be killed at any moment."""

ALREADY_STARTED, NOT_RUNNING = 60, 70
"""Fault codes of the supervisor."""


@dataclass(frozen=True)
class Process:
    """What the supervisor knows of one program. `started` is in epoch seconds, 0 while it does not run."""

    name: str
    state: str
    pid: int
    started: float

    @property
    def running(self) -> bool:
        return self.state == "RUNNING"

    def memory_bytes(self) -> int:
        """Memory of the process and everything below it; 0 when it does not run."""
        return tree_memory_bytes(self.pid) if self.pid else 0


def tree_memory_bytes(pid: int) -> int:
    """Memory of a process and everything below it; a page that several share is counted once (PSS). 0: it is gone."""
    try:
        parent = psutil.Process(pid)
        return sum(_memory(process) for process in (parent, *parent.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def _memory(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def socket_path(settings: Settings) -> Path:
    """The supervisor's socket."""
    return run_dir(settings) / "supervisor.sock"


def _quote(value: str) -> str:
    return '"' + value.replace("%", "%%").replace('"', '\\"') + '"'


def _program(settings: Settings, server: Server) -> str:
    user, variables, words = server.user(), dict(server.environment(settings)), list(server.command(settings))
    if user is None:
        temporary = str(temporary_dir(settings, server.name))
        variables["TMPDIR"] = temporary
        if words[0] == java_program():
            words.insert(1, f"-Djava.io.tmpdir={temporary}")
        words = [*EMPTY_TEMPORARY, *words]
    environment = ",".join(f"{name}={_quote(value)}" for name, value in variables.items())
    command = " ".join(map(_quote, words))
    lines = [
        f"[program:{server.name}]",
        f"command={command}",
        f"directory={str(work_dir(settings, server)).replace('%', '%%')}",
        f"environment={environment}" if environment else "",
        f"user={user}" if user else "",
        "autostart=false",
        "autorestart=true",
        f"startretries={RESTART_ATTEMPTS}",
        "startsecs=1",
        # A stream ends its own Spark; a signal to both at once would take it away from under the last batch.
        f"stopasgroup={'false' if server.is_stream else 'true'}",
        "killasgroup=true",
        f"stopsignal={server.stop_signal}",
        f"stopwaitsecs={server.stop_seconds}",
        "redirect_stderr=true",
        f"stdout_logfile={log_file(settings, server.name)}",
        f"stdout_logfile_maxbytes={settings.log_megabytes}MB",
        f"stdout_logfile_backups={settings.log_backups}",
    ]
    return "\n".join(line for line in lines if line)


def temporary_dir(settings: Settings, name: str) -> Path:
    """Where a program keeps what it needs no longer than it runs, among it patients' data; empty when it starts."""
    return run_dir(settings) / "tmp" / name


def work_dir(settings: Settings, server: Server) -> Path:
    """The directory a program runs in: its own, for some leave files there (Tez in HiveServer2, Spark)."""
    if server.user() is not None:
        return Path("/")
    directory = run_dir(settings) / "work" / server.name
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def configuration(settings: Settings) -> str:
    """The supervisor's configuration file."""
    head = f"""[supervisord]
logfile={settings.log_dir / "supervisord.log"}
logfile_maxbytes={settings.log_megabytes}MB
logfile_backups={settings.log_backups}
pidfile={run_dir(settings) / "supervisord.pid"}
childlogdir={settings.log_dir}
silent=true
{"user=root" if os.geteuid() == 0 else ""}

[unix_http_server]
file={socket_path(settings)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return "\n\n".join([head, *(_program(settings, server) for server in all_of(settings))]) + "\n"


def _call(settings: Settings, method: str, *arguments: Any) -> Any:
    from supervisor.xmlrpc import SupervisorTransport

    transport = SupervisorTransport(None, None, f"unix://{socket_path(settings)}")
    try:
        proxy = xmlrpc.client.ServerProxy("http://localhost", transport=transport)
        return getattr(proxy.supervisor, method)(*arguments)
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError("The supervisor", str(socket_path(settings)), error) from error
    finally:
        transport.close()


def alive(settings: Settings) -> bool:
    """Whether the supervisor answers."""
    try:
        return bool(_call(settings, "getState")["statecode"] == 1)
    except UnavailableError:
        return False


def ensure_supervisor(settings: Settings) -> None:
    """Start the supervisor, or tell the running one of programs that were added or changed.

    A changed program that runs keeps its old definition until it is stopped.
    """
    path = conf_dir(settings) / "supervisord.conf"
    write_private(path, configuration(settings))
    if alive(settings):
        _reload(settings)
        return
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [venv_program("supervisord"), "-c", str(path)]
    finished = subprocess.run(command, cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise WardError(f"The supervisor did not start: {(finished.stderr or finished.stdout).strip()}")
    _wait_until(lambda: alive(settings), 20, "The supervisor does not answer after its start.")


def _reload(settings: Settings) -> None:
    [[added, changed, removed]] = _call(settings, "reloadConfig")
    running = {process.name for process in processes(settings).values() if process.pid}
    for name in (*removed, *changed):
        if name not in running:
            _call(settings, "removeProcessGroup", name)
    for name in added + [name for name in changed if name not in running]:
        _call(settings, "addProcessGroup", name)


def processes(settings: Settings) -> dict[str, Process]:
    """Every program that the supervisor knows, by name; empty when there is no supervisor."""
    try:
        answers = _call(settings, "getAllProcessInfo")
    except UnavailableError:
        return {}
    return {
        answer["name"]: Process(
            name=answer["name"],
            state=answer["statename"],
            pid=answer["pid"],
            started=float(answer["start"]) if answer["pid"] else 0.0,
        )
        for answer in answers
    }


def _process(settings: Settings, name: str) -> Process:
    """One program. Raises UnavailableError when there is no supervisor (any more), or none that knows it."""
    found = processes(settings).get(name)
    if found is None:
        raise UnavailableError("The supervisor", str(socket_path(settings)), f"it does not know {name}")
    return found


def start(settings: Settings, name: str) -> None:
    """Start a program and return when its process lives; does nothing when it runs. See `wait_ready`."""
    find(settings, name)
    try:
        # It is we who wait: the supervisor itself waits for a program by spinning.
        _call(settings, "startProcess", name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode == ALREADY_STARTED:
            return
        raise WardError(f"{name} did not start ({fault.faultString}); {log_file(settings, name)} says why.") from fault
    _wait_until(
        lambda: _process(settings, name).state not in ("STARTING", "BACKOFF"),
        START_SECONDS,
        f"{name} did not start; {log_file(settings, name)} says why.",
    )
    if _process(settings, name).state == "FATAL":
        raise WardError(f"{name} did not start; {log_file(settings, name)} says why.")


def stop(settings: Settings, name: str) -> None:
    """Stop a program and all its children; returns when they are gone. Does nothing when it does not run.

    Somebody else, as the DAG `streams`, may start it again at that very moment: then another process runs.
    """
    server, running = find(settings, name), _process(settings, name).pid
    try:
        _call(settings, "stopProcess", name, False)
    except xmlrpc.client.Fault as fault:
        if fault.faultCode != NOT_RUNNING:
            raise WardError(f"{name} did not stop: {fault.faultString}.") from fault
    _wait_until(
        lambda: not running or _process(settings, name).pid != running,
        server.stop_seconds + START_SECONDS,
        f"{name} did not stop.",
    )


def restart(settings: Settings, name: str) -> None:
    """Stop and start a program. Raises WardError when there is no supervisor, or none that knows the program."""
    find(settings, name)
    known = processes(settings)
    if not known:
        raise WardError("Nothing is running: `./ward up` starts it.")
    if name not in known:
        raise WardError(f"The supervisor does not know {name} yet: `./ward up {name}` tells it.")
    stop(settings, name)
    start(settings, name)


def wait_ready(
    settings: Settings, name: str, seconds: float | None = None, cancelled: threading.Event | None = None
) -> None:
    """Return when the program does its work.

    One that ended is waited for, however long its restart takes: a supervisor that answers starts each again that was
    not stopped (`autorestart`), and says FATAL when it gives up.

    Raises WardError, naming its log, when the supervisor gave up, when it is not ready within `seconds` (default: its
    own limit), when `cancelled` is set meanwhile or when the supervisor is gone.
    """
    server = find(settings, name)
    limit = seconds or server.ready_seconds
    deadline = time.monotonic() + limit
    pause = cancelled or threading.Event()
    while True:
        try:
            server.ready(settings)
            return
        except UnavailableError as error:
            reason = str(error)
        process = processes(settings).get(name)
        if process is None:
            raise WardError(f"{name} is not ready ({reason}), and no supervisor answers that would start it again.")
        if process.state in ("FATAL", "STOPPED"):
            raise WardError(f"{name} does not stay up; {log_file(settings, name)} says why.")
        if time.monotonic() > deadline:
            raise WardError(f"{name} is not ready after {limit:.0f} s ({reason}); see {log_file(settings, name)}.")
        if pause.wait(POLL_SECONDS):
            raise WardError(f"No longer waiting for {name}.")


def shut_down(settings: Settings) -> None:
    """End the supervisor and whatever still runs below it. Returns when all of it is gone."""
    if alive(settings):
        pid = _call(settings, "getPID")
        _call(settings, "shutdown")
        _wait_until(lambda: not psutil.pid_exists(pid), 120, f"The supervisor (process {pid}) does not end.")
    end_leftovers(settings)


def end_leftovers(settings: Settings) -> int:
    """End what a supervisor that is gone left running, killing what takes too long; how many processes that were.

    They hold ports and locks and would never be started again.
    """
    left = leftovers(settings)
    for process in left:
        _signal(partial(process.send_signal, _stop_signal(settings, process)))
    slow = psutil.wait_procs(left, timeout=LEFTOVER_SECONDS)[1]
    for process in slow:
        _signal(process.kill)
    psutil.wait_procs(slow, timeout=LEFTOVER_SECONDS)
    return len(left)


def leftovers(settings: Settings) -> list[psutil.Process]:
    """Processes that this stack's supervisor started: by the mark that it leaves in their environment, or by the
    directory of their own that they run in, for some write their title over their environment."""
    mark = f"unix://{socket_path(settings)}"
    works = (run_dir(settings) / "work").resolve()
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SUPERVISOR_SERVER_URL") == mark or (
                process.terminal() is None and Path(process.cwd()).is_relative_to(works)
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _stop_signal(settings: Settings, process: psutil.Process) -> signal.Signals:
    """The signal that ends it soonest in good order, by the program that it belongs to."""
    try:
        server = find(settings, process.environ()["SUPERVISOR_PROCESS_NAME"])
    except (KeyError, WardError, psutil.NoSuchProcess, psutil.AccessDenied):
        return signal.SIGTERM
    return signal.Signals[f"SIG{server.stop_signal}"]


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        send()


def _wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    if not wait_for(condition, seconds, POLL_SECONDS):
        raise WardError(message)
