"""How a stream that is a web page works until it is stopped."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping

import uvicorn

from alerts.threads import Threads
from infra.errors import WardError
from infra.metrics import StreamMetrics

LOOP_SECONDS = 1.0


def serve_until(
    stop: threading.Event,
    server: uvicorn.Server,
    listener: socket.socket,
    metrics: StreamMetrics,
    beside: Mapping[str, Callable[[threading.Event], None]] | None = None,
) -> None:
    """Serve on `listener` until `stop` is set, with the work of `beside` (by name) in threads of their own.

    Raises what a thread raised, and WardError when the server ends by itself.
    """

    def serve(stopped: threading.Event) -> None:
        server.run(sockets=[listener])
        if not stopped.is_set():
            raise WardError("The web server of the page has ended by itself.")

    with Threads(stop) as threads:
        threads.start("web server", serve)
        for name, work in (beside or {}).items():
            threads.start(name, work)
        while not stop.wait(LOOP_SECONDS):
            threads.check()
            if server.started:
                metrics.alive(0)
        server.should_exit = True
