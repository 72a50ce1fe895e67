"""How the system page words room on disks. Pure."""

from __future__ import annotations

from infra.disk import Space

LOW_SPACE = 0.1
"""Less than this part of a disk free is worth a warning."""


def as_bytes(count: float) -> str:
    """`512 B`, `3.2 MiB`, `41.0 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def is_low(space: Space | None) -> bool:
    """Whether somebody should make room."""
    return space is not None and space.free < LOW_SPACE * space.total


def as_space(space: Space | None) -> str:
    """How much is free of how much, and the share in per cent; whether that is little."""
    if space is None:
        return "not known at the moment."
    share = 100 * space.free / space.total if space.total else 0
    warning = " ▲ That is little: make room." if is_low(space) else ""
    return (
        f"{as_bytes(space.free)} free of {as_bytes(space.total)} ({share:.0f} %), {as_bytes(space.used)} used.{warning}"
    )
