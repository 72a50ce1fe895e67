"""The Compare page: chosen patients or wards side by side."""

from __future__ import annotations

from nicegui import ui

from clinical.vitals import JUDGED
from dashboard.compare import look
from dashboard.compare.sides import SIDES_MOST, Period, Side, choices, chosen
from dashboard.compare.sources import CompareSources, Comparison
from dashboard.frame import problems_told, ward_page
from dashboard.roles import Permission
from dashboard.visit import Visit

RENEW_SECONDS = 3.0
WAITING = {Period.MONTH: "Reading 30 days from Hive: this may take a minute or two …"}


@ward_page("/compare", "Compare", Permission.COMPARE)
async def compare(visit: Visit) -> None:
    """A form, and below it what was compared last."""
    ComparePage(visit)


class ComparePage:
    """The elements of one open page."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._labels = self._labelled()
        with ui.element("div").classes("ward-compare-form"):
            self._sides = ui.select(
                self._labels, label=f"Patients and wards, up to {SIDES_MOST}", multiple=True, with_input=True, value=[]
            )
            self._sides.classes("ward-compare-sides").props("use-chips")
            self._vital = ui.select(
                {attribute: vital.label for attribute, vital in JUDGED.items()}, label="Vital", value="heart_rate"
            ).classes("ward-compare-choice")
            self._period = ui.select(
                {period.name: period.label for period in Period}, label="Over", value=Period.DAY.name
            ).classes("ward-compare-choice")
            self._button = ui.button("Compare", on_click=self._compare)
        self._waiting = ui.row().classes("items-center").props('role="status"')
        with self._waiting:
            ui.spinner().props('aria-hidden="true"')
            self._waiting_text = ui.label()
        self._waiting.set_visibility(False)
        self._result = ui.element("div").classes("ward-compare-result")
        ui.timer(RENEW_SECONDS, self._renew)

    def _choices(self) -> dict[str, Side]:
        with self._visit.house.live.look() as wards:
            return choices(dict(wards.contacts or {}), wards.beds(), self._visit.sees_identity)

    def _labelled(self) -> dict[str, str]:
        return {key: side.label for key, side in self._choices().items()}

    def _renew(self) -> None:
        """Patients come and go; whoever was chosen and has gone is no longer chosen."""
        if (labels := self._labelled()) != self._labels:
            self._labels = labels
            self._sides.set_options(labels, value=[key for key in self._sides.value if key in labels])

    async def _compare(self) -> None:
        attribute, period = str(self._vital.value), Period[str(self._period.value)]
        with problems_told():
            sides = chosen(self._choices(), list(self._sides.value))
            self._waiting_text.set_text(WAITING.get(period, "Reading …"))
            self._waiting.set_visibility(True)
            self._button.disable()
            try:
                found = await self._visit.act(Permission.COMPARE, self._read, sides, attribute, period)
            finally:
                self._waiting.set_visibility(False)
                self._button.enable()
            self._show(found)

    def _read(self, sides: list[Side], attribute: str, period: Period) -> Comparison:
        for side in sides:
            patient_id = side.key if side.kind == "patient" else None
            about = "" if patient_id else f" of ward {side.key}"
            self._visit.record("compare", patient_id, f"{attribute}{about} over {period.label}")
        return self._visit.house.one(CompareSources).compare(sides, attribute, period)

    def _show(self, found: Comparison) -> None:
        spread, alarms = look.in_words(found)
        self._result.clear()
        with self._result:
            _headline(look.heading(found))
            ui.label(look.when(found, self._visit.house.zone)).classes("ward-compare-note")
            height = f"height: {6 + 3 * len(found.sides)}rem"
            if any(one.spread for one in found.sides):
                chart = ui.echart(look.spread_chart(found)).classes("ward-compare-chart").style(height)
                chart.props('role="img"').props["aria-label"] = spread
            ui.html(look.spread_table(found), sanitize=False).classes("w-full")
            ui.label(look.explanation(found)).classes("ward-compare-note")
            _headline(f"Alarms for each bed and day, over {found.period.label}")
            chart = ui.echart(look.alarm_chart(found)).classes("ward-compare-chart").style(height)
            chart.props('role="img"').props["aria-label"] = alarms
            ui.html(look.alarm_table(found), sanitize=False).classes("w-full")
            ui.label(look.alarm_explanation(found)).classes("ward-compare-note")


def _headline(text: str) -> None:
    with ui.element("h2"):
        ui.label(text)
