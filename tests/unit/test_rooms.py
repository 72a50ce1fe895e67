"""Which room may import which: section 2 of the design, and what has come beside it (`docs/decisions.md`)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from infra.settings import PROJECT_ROOT

DESIGN = {
    "clinical": (),
    "infra": (),
    "producers": ("clinical", "infra"),
    "spark_jobs": ("clinical", "hbase", "infra"),
    "sqoop": ("infra",),
    "hive": ("infra",),
    "hbase": ("clinical", "infra"),
    "alerts": ("clinical", "infra"),
    "dashboard": (),
}
"""`dags/` and `bench/` may import anything. The design knows no `dashboard/` yet."""

BESIDE = {
    "spark_jobs": ("hive.bootstrap", "hive.client", "hive.ddl"),
    "sqoop": ("clinical.tables", "hive.client"),
    "hive": ("clinical", "hbase.snapshots", "sqoop.snapshots"),
    "alerts": (
        "hbase.files",
        "hbase.snapshots",
        "hive.audit",
        "hive.client",
        "hive.ddl",
        "spark_jobs.landing.files",
        "spark_jobs.landing.retired",
    ),
    "dashboard": ("alerts", "clinical", "hbase", "hive.client", "hive.ddl", "infra", "sqoop.source"),
}
"""What a room imports besides, by module where it is not the whole room."""

ROOMS = {*DESIGN, "dags", "bench", "tests"}


def imports(room: str) -> Iterator[tuple[str, str]]:
    """What the files of a room import from other rooms, at their top or later: the line, and the dotted name."""
    for path in sorted((PROJECT_ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: an import relative to its file"
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            else:
                continue
            for name in names:
                if name.partition(".")[0] in ROOMS - {room}:
                    yield f"{path.relative_to(PROJECT_ROOT)}:{node.lineno}", name


def within(name: str, module: str) -> bool:
    return f"{name}.".startswith(f"{module}.")


@pytest.mark.parametrize("room", DESIGN)
def test_a_room_imports_only_what_it_may(room: str) -> None:
    allowed = (*DESIGN[room], *BESIDE.get(room, ()))
    wrong = [f"{line}: {name}" for line, name in imports(room) if not any(within(name, module) for module in allowed)]
    assert wrong == []


@pytest.mark.parametrize("room", BESIDE)
def test_an_exception_that_is_not_needed_any_more_is_taken_back(room: str) -> None:
    used = [name for _, name in imports(room)]
    assert [module for module in BESIDE[room] if not any(within(name, module) for name in used)] == []


def test_every_room_is_in_the_table() -> None:
    found = {path.parent.name for path in PROJECT_ROOT.glob("*/__init__.py")}
    assert found <= ROOMS
