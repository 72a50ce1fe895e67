"""Commands of Wardwatch, as a benchmark runs them."""

from __future__ import annotations

import subprocess

from infra.errors import WardError
from infra.settings import PROJECT_ROOT


def run_ward(*arguments: str) -> None:
    """Run `./ward`. Raises WardError with the end of what it said when it fails."""
    done = subprocess.run([PROJECT_ROOT / "ward", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise WardError(f"`./ward {' '.join(arguments)}` failed: {done.stdout[-500:]}{done.stderr[-500:]}")
