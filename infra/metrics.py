"""What every stream tells of itself: Prometheus metrics on a loopback port, for `./ward status` and the streams DAG.

No label ever holds a direct identifier.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Thread
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Info, start_http_server

from infra.errors import SingleInstanceError
from infra.settings import Settings

CONTACTS_VERSION = "contacts"
"""Under this name a stream tells which snapshot of the contacts is in force."""

AHEAD_SECONDS = 5.0
"""A progress that lies further ahead was made before the clock was set back, and says nothing of now."""


class StreamMetrics:
    """The gauges and counters of one stream; `serve` opens the port."""

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.registry = CollectorRegistry()
        self.progress = Gauge(
            "wardwatch_last_progress_timestamp_seconds",
            "When the stream last finished its loop",
            registry=self.registry,
        )
        self.lag = Gauge("wardwatch_lag_records", "Records that wait for the stream", registry=self.registry)
        self.records = Counter("wardwatch_records", "Records handled since start", registry=self.registry)
        self.rejected = Counter("wardwatch_rejected", "Records rejected since start", registry=self.registry)
        self.started = Gauge("wardwatch_start_timestamp_seconds", "When the stream started", registry=self.registry)

        self._in_force = Info("wardwatch_in_force", "Versions that the stream works by", registry=self.registry)

    def serve(self, settings: Settings) -> tuple[WSGIServer, Thread]:
        """Serve `/metrics` on the stream's port, in a thread that ends with the process or by `shutdown`.

        Raises SingleInstanceError when the port is taken, most often by the same stream.
        """
        self.started.set(time.time())
        host, port = settings.metrics_host, metrics_port(settings, self.stream)
        try:
            return start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise SingleInstanceError(
                f"{self.stream} cannot show its metrics on {host}:{port} ({error.strerror}): does it run already? See "
                "`./ward status`, or choose another port in [ports]."
            ) from error

    def in_force(self, **versions: str) -> None:
        """Say which versions (of thresholds, of contacts) hold for every record from now on."""
        self._in_force.info(versions)

    def alive(self, lag: float | None = None) -> None:
        """Say that the loop came round once more, with this many records still waiting."""
        self.progress.set(time.time())
        if lag is not None:
            self.lag.set(lag)


@dataclass(frozen=True)
class StreamState:
    """What a stream last said of itself. Times: epoch seconds. `in_force`: the versions that it works by, by name.

    `recent_failing`: of land-vitals, whether recent readings cannot be written to HBase.
    """

    started: float
    last_progress: float
    lag: float
    records: float
    rejected: float
    in_force: Mapping[str, str] = field(default_factory=dict)
    recent_failing: bool = False

    def got_on(self, seconds: float, now: float) -> bool:
        """Whether its loop came round in the last so many seconds. `now`: epoch s."""
        return -AHEAD_SECONDS <= now - self.last_progress < seconds


def metrics_port(settings: Settings, stream: str) -> int:
    """Port of a stream's metrics."""
    port: int = getattr(settings.ports, f"metrics_{stream.replace('-', '_')}")
    return port


def read_state(settings: Settings, stream: str) -> StreamState | None:
    """What the stream says now, or None when it does not answer, or something else does in its place."""
    # Only who asks pays for a client: the streams, which answer, import this module too.
    import requests
    from prometheus_client.parser import text_string_to_metric_families

    try:
        answer = requests.get(f"http://{settings.metrics_host}:{metrics_port(settings, stream)}/metrics", timeout=2)
        answer.raise_for_status()
        samples = [sample for family in text_string_to_metric_families(answer.text) for sample in family.samples]
    except (requests.RequestException, ValueError):
        return None
    values = {sample.name: sample.value for sample in samples}
    in_force = next((sample.labels for sample in samples if sample.name == "wardwatch_in_force_info"), {})
    return StreamState(
        started=values.get("wardwatch_start_timestamp_seconds", 0),
        last_progress=values.get("wardwatch_last_progress_timestamp_seconds", 0),
        lag=values.get("wardwatch_lag_records", 0),
        records=values.get("wardwatch_records_total", 0),
        rejected=values.get("wardwatch_rejected_total", 0),
        in_force=in_force,
        recent_failing=values.get("wardwatch_recent_failing", 0) > 0,
    )
