"""Drawings: named, and the same bytes for the same numbers."""

from __future__ import annotations

from pathlib import Path

from bench.curves import Line, Panel, draw

PANELS = [
    Panel("files", [Line("compacted", [(1, 24), (10, 240), (100, 2400)]), Line("as landed", [(1, 2880)], True)], True),
    Panel("seconds", [Line("daily aggregate", [(1, 0.5), (100, 2.5)])]),
]


def test_the_same_numbers_are_drawn_as_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "other"):
        draw(tmp_path / "curves" / f"{name}.svg", "History", "days", PANELS)
    one, other = ((tmp_path / "curves" / f"{name}.svg").read_bytes() for name in ("one", "other"))
    assert one == other


def test_a_drawing_names_its_title_axes_and_lines(tmp_path: Path) -> None:
    draw(tmp_path / "drawn.svg", "History", "days", PANELS)
    text = (tmp_path / "drawn.svg").read_text(encoding="utf-8")
    for word in ("History", "days", "files", "seconds", "compacted", "as landed", "100"):
        assert f">{word}<" in text, word
