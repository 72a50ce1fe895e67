"""Stream `ward-page`: the live page over the running system, for doctors, nurses, ops and analysts.

It keeps nothing that matters: killed and started again, it shows the same. While a server is away, what needs it says
so, and the rest goes on.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import uvicorn

from alerts.entries import zone_of
from alerts.expected import changed_seconds_of
from alerts.web_stream import serve_until
from infra.listening import listen
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream

STREAM = "ward-page"
GRACE_SECONDS = 5
HEADER_MAX_BYTES = 16_384


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Serve the page until `stop` is set."""
    # Read by NiceGUI when it is imported; nothing of ours is kept there.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(settings.state_dir / "ward-page"))
    from dashboard.accounts import Accounts
    from dashboard.house import House
    from dashboard.live.feed import follow
    from dashboard.live.older import fill_trends
    from dashboard.live.register import follow_alarms, follow_contacts, follow_streams
    from dashboard.live.state import LiveState
    from dashboard.patient.room import Room
    from dashboard.throttle import Throttle
    from dashboard.web import create_app

    live = LiveState(changed_seconds=changed_seconds_of(settings))
    house = House(settings, Accounts(settings), Throttle(time.monotonic), live, zone_of(settings))
    config = uvicorn.Config(
        create_app(house),
        log_config=None,
        access_log=False,
        server_header=False,
        # Only the proxy of this machine is believed to say who asks.
        proxy_headers=settings.dashboard.public_base_url is not None,
        forwarded_allow_ips="127.0.0.1",
        ws_per_message_deflate=False,
        h11_max_incomplete_event_size=HEADER_MAX_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    beside: dict[str, Callable[[threading.Event], None]] = {
        "live feed": lambda stopped: follow(settings, live, stopped),
        "live streams": lambda stopped: follow_streams(settings, live, stopped),
        "live contacts": lambda stopped: follow_contacts(settings, live, stopped),
        "live alarms": lambda stopped: follow_alarms(settings, live, stopped),
        "imports of contacts": house.one(Room).imports.run,
        "older trends": lambda stopped: fill_trends(settings, live, stopped),
    }
    with listen(STREAM, settings.dashboard.host, settings.ports.ward_page, "dashboard.host") as listener:
        serve_until(stop, uvicorn.Server(config), listener, metrics, beside)


if __name__ == "__main__":
    run_stream(STREAM, body)
