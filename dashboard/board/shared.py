"""The board for all open pages: each part of a tile is made once, when it changes, and sent to whom it is news.

A page says what it has (a version) and is told what changed since. Pages of those who see names and of those who do
not are made apart: what the one shows is never sent to the other.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import orjson

from dashboard.board import tile
from dashboard.board.bed import Bed, bed_of
from dashboard.live.patient import PatientNow
from dashboard.live.state import LiveState, Wards

DUE_SECONDS = 0.25
"""What was looked at so shortly ago is not looked at again for a page that opens."""

HEAD, STATE, LOOKS, SCORE, SEEN = "head", "state", "looks", "score", "seen"
NOT_YET = "What was sent in the last minutes is being read."


@dataclass
class _Tile:
    """`parts`: by name, for everybody; `named` and `nameless`: those that differ. Each with the version it is of.

    `inputs`: what each cell was made of.
    """

    bed: Bed
    parts: dict[str, tuple[str, int]] = field(default_factory=dict)
    named: dict[str, tuple[str, int]] = field(default_factory=dict)
    nameless: dict[str, tuple[str, int]] = field(default_factory=dict)
    inputs: dict[str, tuple[object, ...]] = field(default_factory=dict)


class SharedBoard:
    """Thread-safe; `live`'s clock is its own."""

    def __init__(self, live: LiveState, zone: ZoneInfo) -> None:
        self._live = live
        self._zone = zone
        self._lock = threading.Lock()
        self._tiles: dict[str, _Tile] = {}
        self._version = 1
        self._made_at = 0.0
        self._order: list[str] = []
        self._problems: list[str] = []
        self._told: dict[tuple[bool, str, int], dict[str, Any]] = {}

    def refresh(self) -> None:
        """Make anew what changed. Some 20 ms of processor time for 200 patients with a reading each second."""
        with self._lock:
            at = self._live.clock()
            if 0 <= at - self._made_at < DUE_SECONDS:
                return
            self._made_at = at
            self._version += 1
            self._told.clear()
            now = round(self._made_at * 1000)
            with self._live.look() as wards:
                self._problems = sorted(wards.problems.values())
                if not wards.caught_up:
                    self._problems.append(NOT_YET)
                # Until then whoever has not been read yet would look silent.
                present = wards.beds() if wards.caught_up else set()
                for gone in self._tiles.keys() - present:
                    del self._tiles[gone]
                for patient_id in present:
                    self._make(patient_id, wards, now)
            self._order = sorted(self._tiles, key=lambda one: self._tiles[one].bed.place)

    def news(self, sees_identity: bool, ward: str, since: int) -> dict[str, Any]:
        """What a page that has version `since` (0: nothing) lacks; `ward` empty: of all wards. Made once for all pages
        that lack the same: change nothing in it.

        `order`: all its tiles. `tiles`: part -> HTML of those that changed, by patient, as JSON. `now`: epoch ms.
        """
        with self._lock:
            asked = (sees_identity, ward, since)
            if (known := self._told.get(asked)) is None:
                known = self._told[asked] = self._tell(*asked)
            return known

    def _tell(self, sees_identity: bool, ward: str, since: int) -> dict[str, Any]:
        order = [one for one in self._order if not ward or self._tiles[one].bed.ward == ward]
        tiles: dict[str, dict[str, str]] = {}
        for patient_id in order:
            kept = self._tiles[patient_id]
            own = kept.named if sees_identity else kept.nameless
            changed = {name: html for parts in (kept.parts, own) for name, (html, at) in parts.items() if at > since}
            if changed:
                tiles[patient_id] = changed
        return {
            "from": since,
            "to": self._version,
            "now": round(self._made_at * 1000),
            "order": order,
            "tiles": orjson.dumps(tiles).decode(),
            "counts": _counts([self._tiles[one].bed for one in order]),
            "wards": sorted(Counter(kept.bed.ward for kept in self._tiles.values()).items()),
            "problems": self._problems,
        }

    def _make(self, patient_id: str, wards: Wards, now: int) -> None:
        bed = bed_of(patient_id, wards, now)
        patient = wards.patients.get(patient_id)
        kept = self._tiles.get(patient_id)
        # To the pages of the ward that a patient comes to, each part is news, however long it has been as it is.
        if kept is None or kept.bed.ward != bed.ward:
            kept = self._tiles[patient_id] = _Tile(bed)
        is_same = kept.bed == bed and bool(kept.parts)
        kept.bed = bed
        self._put(kept.parts, SEEN, tile.seen_text(patient))
        observed = tile.observed_html(patient.observed if patient else {}, now)
        self._put(kept.parts, SCORE, tile.score_html(patient.score if patient else None, now) + observed)
        self._cells(kept, patient, now)
        quality = patient.quality if patient else None
        # Of another day than today a time is told with its date.
        inputs = (quality, datetime.fromtimestamp(now / 1000, self._zone).date())
        if is_same and kept.inputs.get(STATE) == inputs:
            return
        kept.inputs[STATE] = inputs
        self._put(kept.parts, LOOKS, tile.looks(bed))
        for parts, sees_identity in ((kept.named, True), (kept.nameless, False)):
            self._put(parts, HEAD, tile.head_html(bed, sees_identity))
            self._put(parts, STATE, tile.state_html(bed, quality, sees_identity, now, self._zone))

    def _cells(self, kept: _Tile, patient: PatientNow | None, now: int) -> None:
        marks, lost = tile.severities(kept.bed), kept.bed.standing.lost
        for place, cell in enumerate(tile.CELLS):
            all_series = [patient.series.get(name) if patient else None for name in cell.attributes]
            known = [series for series in all_series if series is not None]
            own = {marks[name] for name in cell.attributes if name in marks}
            severity = next((one for one in tile.SHAPES if one in own), "")
            is_lost = any(name in lost for name in cell.attributes)
            age = now - max((series.times[-1] for series in known), default=now)
            inputs = (*((one.version, one.times[-1]) for one in known), severity, is_lost, age // 60_000)
            name = f"v{place}"
            if kept.inputs.get(name) == inputs:
                continue
            kept.inputs[name] = inputs
            self._put(kept.parts, name, tile.cell_html(cell, all_series, severity, is_lost, age))

    def _put(self, parts: dict[str, tuple[str, int]], name: str, html: str) -> None:
        before = parts.get(name)
        if before is None or before[0] != html:
            parts[name] = (html, self._version)


def _counts(beds: list[Bed]) -> dict[str, int]:
    return {
        "beds": len(beds),
        "high": sum(bed.worst == "high" for bed in beds),
        "medium": sum(bed.worst == "medium" for bed in beds),
        "silent": sum(bed.no_signal_since is not None for bed in beds),
    }
