"""The alarm path through the real stack: from the commit of the reading that completes a high alarm's condition to SNS.

It needs `./ward up`. The ward simulator writes by the clock, with more episodes than a ward has. The reading is the one
whose breach raised the alarm, as `alarm_events` names it, and its time that of its insertion, as `health.breaches` has
it. An alarm whose mail waited for another of the same patient is counted apart: it waits for up to half a minute on
purpose. An alarm that became high by the clock has no such reading and is left out of the delays.

Every alarm that was raised meanwhile and was high must be told: by a mail of that severity, or of its end when it was
over before its turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from bench.commands import run_ward
from bench.figures import Figure, Report, Size
from infra.clients import alerts_connection, hive_connection
from infra.errors import WardError
from infra.metrics import StreamState, read_state
from infra.settings import Settings, load_settings
from infra.waiting import wait_for

PATIENTS, SECONDS = 60, 1800
TINY_SECONDS = 120
EPISODE_EVERY = 4.0
SETTLED_SECONDS = 300
ALONE_MS = 1000
"""A mail decided later than this after its alarm was raised has waited for others of the patient."""

STREAMS = ("vitals-producer", "derive-vitals", "detect-breaches", "alert-engine")
"""What a reading passes on its way to an alarm, in this order."""

MEASURED_SECONDS = 5.0
"""A stream may say that it goes on without having looked at its lag anew for so long."""

NAMED = 5
P50_SECONDS, P99_SECONDS = 1.0, 3.0


@dataclass(frozen=True)
class Raised:
    """A high alarm: when it was raised, decided to be told, and taken by SNS (epoch ms), and by which breach."""

    breach_id: str
    raised_at: int
    decided_at: int
    sent_at: int


def measure(size: Size) -> Report:
    """Delays of the alarms of one run. Raises WardError when no alarm was raised, one is not told, or breaches do not
    land."""
    settings, seconds = load_settings(), TINY_SECONDS if size.tiny else SECONDS
    since = datetime.now(UTC)
    begun = int(since.timestamp() * 1000)
    size.say(f"writing {PATIENTS} readings a second for {seconds} s …")
    _simulate(seconds, size.seed)
    size.say("waiting until all is judged, the last mails are sent and their breaches have landed …")
    _await_judged(settings)
    high = _await_told(lambda: _high_alarms(settings, begun), SETTLED_SECONDS)
    raised = _raised(settings, begun)
    inserted: dict[str, int] = {}

    def landed() -> bool:
        inserted.update(
            _inserted_at(settings, since, [one.breach_id for one in raised if one.breach_id not in inserted])
        )
        return len(inserted) == len(raised)

    if not wait_for(landed, SETTLED_SECONDS, 5.0):
        raise WardError(f"{len(raised) - len(inserted)} breaches are not in Hive after {SETTLED_SECONDS} s.")
    return _report(high, raised, inserted, seconds, size.seed)


def _simulate(seconds: int, seed: int) -> None:
    """Admit the patients, have their contacts known, and write their readings by the clock."""
    ward = ["simulate", "--patients", str(PATIENTS), "--seed", str(seed)]
    run_ward(*ward, "--count", "0")
    run_ward("import-contacts", "--quiet")
    run_ward(*ward, "--duration", str(seconds), "--episode-every", str(EPISODE_EVERY))


def _await_judged(settings: Settings) -> None:
    """Return once each of STREAMS, one after the other, has had nothing to read: what was written has passed them all.

    Raises WardError when one of them does not come to that.
    """
    for stream in STREAMS:
        _await_all_read(settings, stream)


def _await_all_read(settings: Settings, stream: str) -> None:
    since = time.time() + MEASURED_SECONDS
    if not wait_for(lambda: _has_read_all(read_state(settings, stream), since), SETTLED_SECONDS, 1.0):
        raise WardError(f"{stream} has not read all that was written after {SETTLED_SECONDS} s: see `./ward status`.")


def _has_read_all(state: StreamState | None, since: float) -> bool:
    return state is not None and state.last_progress > since and state.lag == 0


def _await_told(high_alarms: Callable[[], Mapping[str, bool]], patience_seconds: float) -> int:
    """How many high alarms there are, once all are told. Raises WardError when there is none, or some are not told."""
    alarms: Mapping[str, bool] = {}

    def all_told() -> bool:
        nonlocal alarms
        alarms = high_alarms()
        return all(alarms.values())

    if not wait_for(all_told, patience_seconds, 2.0):
        untold = sorted(alarm for alarm, is_told in alarms.items() if not is_told)
        raise WardError(
            f"Of {len(alarms)} high alarms {len(untold)} have no sent mail after {patience_seconds:.0f} s: "
            f"{', '.join(untold[:NAMED])}{', …' if len(untold) > NAMED else ''}."
        )
    if not alarms:
        raise WardError("No high alarm was raised: see `./ward status`.")
    return len(alarms)


def _high_alarms(settings: Settings, since: int) -> dict[str, bool]:
    """Every alarm raised since then that was high; whether its mails are sent, among them one that tells of that."""
    rows = _rows(
        settings,
        "SELECT a.alarm_id, COALESCE(MIN(n.sent_at IS NOT NULL)"
        " AND MAX(n.severity = 'high' OR t.what IN ('resolved', 'discharged')), FALSE)"
        " FROM alarms a JOIN alarm_events r ON r.alarm_id = a.alarm_id AND r.what = 'raised'"
        " AND r.notification_id IS NULL AND r.at >= %s"
        " LEFT JOIN alarm_events t ON t.alarm_id = a.alarm_id AND t.notification_id IS NOT NULL"
        " LEFT JOIN notifications n ON n.notification_id = t.notification_id"
        " WHERE a.kind = 'clinical' AND a.peak_severity = 'high' GROUP BY a.alarm_id",
        since,
    )
    return {alarm: bool(is_told) for alarm, is_told in rows}


def _raised(settings: Settings, since: int) -> list[Raised]:
    """Those of them that a reading raised to high and a mail told while they were."""
    rows = _rows(
        settings,
        "SELECT e.breach_id, MIN(e.at), MIN(n.created_at), MIN(n.sent_at)"
        " FROM alarms a JOIN alarm_events e USING (alarm_id)"
        " JOIN alarm_events r ON r.alarm_id = a.alarm_id AND r.what = 'raised' AND r.notification_id IS NULL"
        " JOIN alarm_events t ON t.alarm_id = a.alarm_id AND t.what IN ('raised', 'worse', 'again')"
        " AND t.notification_id IS NOT NULL"
        " JOIN notifications n ON n.notification_id = t.notification_id AND n.severity = 'high'"
        " WHERE a.kind = 'clinical' AND r.at >= %s AND n.sent_at IS NOT NULL AND e.what IN ('raised', 'severity_rose')"
        " AND e.notification_id IS NULL AND e.breach_id IS NOT NULL AND t.at >= e.at"
        " AND e.event_id = (SELECT MAX(x.event_id) FROM alarm_events x WHERE x.alarm_id = a.alarm_id"
        " AND x.what IN ('raised', 'severity_rose') AND x.notification_id IS NULL AND x.event_id < t.event_id)"
        " GROUP BY e.breach_id",
        since,
    )
    return [Raised(*row) for row in rows]


def _inserted_at(settings: Settings, since: datetime, breach_ids: Sequence[str]) -> dict[str, int]:
    """When the readings of these breaches were inserted (epoch ms), of those that have landed."""
    if not breach_ids:
        return {}
    names = ", ".join(f"'{identity}'" for identity in breach_ids)
    with hive_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT breach_id, CAST(CAST(inserted_at AS DECIMAL(20,3)) * 1000 AS BIGINT) FROM health.breaches"
            f" WHERE event_date >= '{since:%Y-%m-%d}' AND breach_id IN ({names})"
        )
        return dict(cursor.fetchall())


def _rows(settings: Settings, statement: str, *arguments: object) -> list[tuple[Any, ...]]:
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def _report(high: int, raised: Iterable[Raised], inserted: dict[str, int], seconds: int, seed: int) -> Report:
    everything = list(raised)
    alone = [one for one in everything if one.decided_at - one.raised_at < ALONE_MS]
    delays = [(one.sent_at - inserted[one.breach_id]) / 1000 for one in alone]
    p50, p99 = (float(np.percentile(delays, share)) for share in (50, 99)) if delays else (float("nan"),) * 2
    figures = [
        Figure("high alarms, each with a sent mail", f"{high}"),
        Figure("  by a reading and told as high; at once", f"{len(everything)}; {len(alone)}"),
        Figure("commit to SNS, p50", f"{p50:.2f} s", f"under {P50_SECONDS:g} s", p50 < P50_SECONDS),
        Figure("commit to SNS, p99", f"{p99:.2f} s", f"under {P99_SECONDS:g} s", p99 < P99_SECONDS),
        Figure("commit to SNS, longest", f"{max(delays, default=float('nan')):.2f} s"),
    ]
    setting = {"patients": PATIENTS, "seconds": seconds, "seed": seed}
    return Report("Alarm path on the real stack", figures, setting, {"delays_seconds": sorted(delays)})
