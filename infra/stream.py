"""How every long-running stream starts and ends."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.log import configure_logging, get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings, load_settings

EX_TEMPFAIL = 75
EX_CONFIG = 78
PAUSE_BEFORE_EXIT_SECONDS = 5.0
"""A stream that cannot start waits this long before it exits, so that its supervisor does not spin."""

GOT_GOING_SECONDS = 60.0
"""One that ran for longer than this did start, and is started again at once."""

Body = Callable[[Settings, StreamMetrics, threading.Event], None]


def run_stream(name: str, body: Body) -> None:
    """Run `body(settings, metrics, stop)` until it returns; SIGTERM and SIGINT set `stop`. Exits the process.

    Exit status: 0 when stopped; 75 when a server stayed unreachable (its supervisor tries again); 78 when a setting or
    the source is wrong; 1 otherwise. A WardError becomes one log line, not a stack trace.
    """
    configure_logging()
    log = get_logger(name)
    stop = threading.Event()
    begun = time.monotonic()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        settings = load_settings()
        configure_logging(settings.log_level)
        metrics = StreamMetrics(name)
        metrics.serve(settings)
        log.info("starting")
        body(settings, metrics, stop)
        log.info("stopped")
        sys.exit(0)
    except UnavailableError as error:
        log.error("unavailable", reason=str(error))
        status = EX_TEMPFAIL
    except ConfigurationError as error:
        log.error("wrong configuration", reason=str(error))
        status = EX_CONFIG
    except WardError as error:
        log.error("cannot go on", reason=str(error))
        status = 1
    except Exception:
        log.exception("crashed")
        status = 1
    if time.monotonic() - begun < GOT_GOING_SECONDS:
        stop.wait(PAUSE_BEFORE_EXIT_SECONDS)
    sys.exit(status)
