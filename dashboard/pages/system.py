"""The system page: each server and stream, the disks, and where the servers' own pages are."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from nicegui import ui

from alerts.entries import as_moment
from dashboard.following import keep_fresh
from dashboard.frame import ward_page
from dashboard.roles import Permission
from dashboard.system_look import LOOK_EVERY_SECONDS, SIZES_EVERY_SECONDS, Seen, SystemLook, links
from dashboard.system_text import as_bytes, as_space, is_low
from dashboard.visit import Visit
from infra.disk import Size
from infra.servers import STREAMS
from infra.status import Row, duration

STREAM_NAMES = frozenset(stream.name for stream in STREAMS)
STATES = {
    "up": ("✓ up", "ward-is-fine"),
    "starting": ("◆ not ready", "ward-is-medium"),
    "hangs": ("▲ hangs", "ward-is-high"),
    "down": ("▲ down", "ward-is-high"),
}
"""Shape, text and colour of a state."""

SERVER_COLUMNS = ("Server", "State", "For", "MiB", "Page")
STREAM_COLUMNS = ("Stream", "State", "For", "Lag (records)", "Records/s", "Rejected", "Last progress", "MiB", "Page")


@ward_page("/system", "System", Permission.SEE_SYSTEM)
async def system(visit: Visit) -> None:
    """Servers and streams as they are now, renewed every few seconds."""
    look = visit.house.one(SystemLook)
    page = SystemPage(visit.house.zone)

    async def renew() -> None:
        page.show(await look.everything.get())

    async def renew_sizes() -> None:
        page.show_sizes(await look.sizes.get())

    await keep_fresh(LOOK_EVERY_SECONDS, renew)
    await keep_fresh(SIZES_EVERY_SECONDS, renew_sizes, at_first=False)


class SystemPage:
    """The elements of one open page; what changes is written into them, so that nobody loses the place they are at."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._cells: dict[str, list[ui.label]] = {}
        self._summary = ui.label("Looking …").classes("ward-system-summary").props('role="status"')
        self._links = ui.row().classes("ward-system-links")
        self._streams = ui.column().classes("w-full")
        self._servers = ui.column().classes("w-full")
        with ui.element("section").classes("w-full"):
            _headline("Disks")
            self._disks = {name: ui.label() for name in ("state", "hdfs")}
            self._sizes = ui.label("Adding up the directories …")

    def show(self, seen: Seen) -> None:
        """Show a look."""
        if not self._cells:
            self._build(seen.rows)
        for row in seen.rows:
            self._fill(row, seen)
        missing = [row.name for row in seen.rows if row.state != "up"]
        all_up = f"✓ All {len(seen.rows)} servers and streams are up"
        said = all_up if not missing else f"▲ Not up: {', '.join(missing)}"
        memory = sum(row.memory_bytes for row in seen.rows)
        as_of = f"As of {as_moment(round(seen.at * 1000), self._zone)} {self._zone.key}."
        self._summary.set_text(f"{said}. Memory of all: {memory / 2**30:.1f} GiB. {as_of}")
        self._summary.classes(remove="ward-is-fine ward-is-high", add="ward-is-high" if missing else "ward-is-fine")
        for name, text, space in (
            ("state", "The state directory's disk", seen.state_disk),
            ("hdfs", "HDFS", seen.hdfs),
        ):
            self._disks[name].set_text(f"{text}: {as_space(space)}")
            self._disks[name].classes(remove="ward-is-high", add="ward-is-high" if is_low(space) else "")

    def show_sizes(self, sizes: Sequence[Size]) -> None:
        """Show what the directories take."""
        told = (f"{size.name} {'' if size.is_complete else 'more than '}{as_bytes(size.used)}" for size in sizes)
        self._sizes.set_text(f"Taken by directory: {', '.join(told)}.")

    def _build(self, rows: Sequence[Row]) -> None:
        with self._links:
            for title, address in links(rows):
                _link(title, address)
        streams = [row for row in rows if row.name in STREAM_NAMES]
        for parent, title, columns, some in (
            (self._streams, "Streams", STREAM_COLUMNS, streams),
            (self._servers, "Servers", SERVER_COLUMNS, [row for row in rows if row not in streams]),
        ):
            with parent, ui.element("section").classes("w-full"):
                _headline(title)
                self._cells |= _table(title, columns, some)

    def _fill(self, row: Row, seen: Seen) -> None:
        state, colour = STATES[row.state]
        age = duration(seen.at - row.since) if row.since else "–"
        memory = f"{row.memory_bytes / 2**20:,.0f}" if row.memory_bytes else "–"
        texts = [state, age, memory]
        if len(self._cells[row.name]) > len(texts):
            rate = seen.rates.get(row.name)
            texts = [
                state,
                age,
                "–" if row.lag is None else f"{row.lag:,.0f}",
                "–" if rate is None else f"{rate:,.1f}",
                "–" if row.rejected is None else f"{row.rejected:,.0f}",
                f"{duration(seen.at - row.progress)} ago" if row.progress else "–",
                memory,
            ]
        for cell, text in zip(self._cells[row.name], texts, strict=True):
            cell.set_text(text)
        self._cells[row.name][0].classes(remove="ward-is-fine ward-is-medium ward-is-high", add=colour)


def _headline(text: str) -> None:
    ui.html(f"<h2>{text}</h2>", sanitize=False).classes("ward-section-title")


def _link(title: str, address: str) -> None:
    ui.link(title, address, new_tab=True).props('rel="noopener noreferrer"').classes("ward-system-link")


def _table(title: str, columns: Sequence[str], rows: Sequence[Row]) -> dict[str, list[ui.label]]:
    """A table with a line for each row; the labels of what changes, by the row's name."""
    cells: dict[str, list[ui.label]] = {}
    with (
        ui.element("div").classes("ward-scroll").props(f'tabindex="0" role="region" aria-label="{title}"'),
        ui.element("table").classes("ward-table"),
    ):
        with ui.element("thead"), ui.element("tr"):
            for column in columns:
                with ui.element("th").props('scope="col"'):
                    ui.label(column)
        with ui.element("tbody"):
            for row in rows:
                with ui.element("tr"):
                    with ui.element("th").props('scope="row"'):
                        ui.label(row.name)
                    cells[row.name] = [_cell() for _ in columns[1:-1]]
                    with ui.element("td"):
                        if row.page:
                            _link(row.page, row.page)
    return cells


def _cell() -> ui.label:
    with ui.element("td"):
        return ui.label()
