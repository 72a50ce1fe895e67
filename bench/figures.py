"""What a benchmark finds: figures with their goals, as a table for people and as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Size:
    """How much is measured. `tiny`: for correctness only, in seconds. `say` is told how far it has come.

    `seconds`: how long a load is held, where that can be chosen; None: as long as it takes for a good figure.
    """

    seed: int
    tiny: bool
    say: Callable[[str], None]
    seconds: float | None = None


@dataclass(frozen=True)
class Figure:
    """One line of the table. `value` and `goal` as people read them; `met` None: there is no goal."""

    name: str
    value: str
    goal: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Report:
    """`setting`: what it was measured on; `details`: the numbers behind the figures, for the JSON file."""

    title: str
    figures: Sequence[Figure]
    setting: Mapping[str, Any]
    details: Mapping[str, Any] = field(default_factory=dict)

    def as_table(self) -> Table:
        """The figures; what missed its goal is marked in words, not by colour alone."""
        table = Table("figure", "measured", "goal", "", title=self.title)
        for figure in self.figures:
            mark = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
            table.add_row(figure.name, figure.value, figure.goal, mark)
        return table

    def save(self, path: Path) -> None:
        """Write everything as JSON, in place of what was there."""
        content = {
            "title": self.title,
            "setting": dict(self.setting),
            "figures": [vars(figure) for figure in self.figures],
            "details": dict(self.details),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
