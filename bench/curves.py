"""Curves of the documentation, as SVG. The same numbers give the same bytes, so a drawing changes only with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.settings import PROJECT_ROOT

CURVES = PROJECT_ROOT / "docs" / "curves"
WIDTH, PANEL_HEIGHT = 7.0, 2.6
"""Inches, of the whole drawing and of each of its panels."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "wardwatch",
    "svg.fonttype": "none",  # text stays text: it can be searched, and no glyph depends on this machine's fonts
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
}


@dataclass(frozen=True)
class Line:
    """A named line through points (x, y); `dashed` for what stands beside the product's own, such as a peer."""

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False


@dataclass(frozen=True)
class Panel:
    """One plot. `y_label` with its unit; `log`: the y axis is logarithmic, else it begins at 0."""

    y_label: str
    lines: Sequence[Line]
    log: bool = False


def draw(path: Path, title: str, x_label: str, panels: Sequence[Panel], log_x: bool = True) -> None:
    """Write the panels, one below the other over the same x axis, as SVG to `path`, in place of what was there."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(panels)), layout="constrained")
        axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for plot, panel in zip(axes, panels, strict=True):
            _fill(plot, panel)
        axes[0].set_title(title)
        axes[-1].set_xlabel(x_label)
        if log_x:
            axes[-1].set_xscale("log")
        ticks = sorted({x for panel in panels for line in panel.lines for x, _ in line.points})
        axes[-1].set_xticks(ticks, [f"{x:,g}" if x < 1e6 else f"{x:,.0f}" for x in ticks])
        axes[-1].minorticks_off()
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def _fill(plot: Any, panel: Panel) -> None:
    for line in panel.lines:
        plot.plot(*zip(*line.points, strict=True), marker="o", label=line.name, linestyle="--" if line.dashed else "-")
    plot.set_ylabel(panel.y_label)
    if panel.log:
        plot.set_yscale("log")
    else:
        plot.set_ylim(bottom=0)
    if len(panel.lines) > 1:
        plot.legend(frameon=False)
