"""Rolling means: a vital's average over its newest minutes, judged by the threshold table as any other attribute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from clinical.vitals import VITALS


@dataclass(frozen=True)
class RollingMean:
    """The mean of `of` over a window that moves on by whole steps: `window_seconds` that end with the full step in
    which the newest reading lies, so that it covers between `window_seconds - step_seconds` and `window_seconds`."""

    attribute: str
    of: str
    window_seconds: int
    step_seconds: int

    @property
    def inputs_expected(self) -> int:
        """How many readings a monitor gives in one window. Fewer are no mean: none is given."""
        return self.window_seconds // VITALS[self.of].monitor_seconds

    def at(self, readings: Iterable[tuple[datetime, Decimal]], newest: datetime) -> tuple[Decimal, int] | None:
        """Mean and number of the readings (time of measurement, value) in the window of `newest`; None: too few."""
        step = timedelta(seconds=self.step_seconds)
        epoch = datetime.fromtimestamp(0, newest.tzinfo)
        end = epoch + ((newest - epoch) // step + 1) * step
        inside = [value for time, value in readings if end - timedelta(seconds=self.window_seconds) <= time < end]
        return (sum(inside, Decimal()) / len(inside), len(inside)) if len(inside) >= self.inputs_expected else None


GLUCOSE_MEAN = RollingMean("glucose_mean_10m", "glucose", 600, 60)
MEANS = (GLUCOSE_MEAN,)
