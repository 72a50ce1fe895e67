"""Starting the Spark merge step as a process of its own, by its module's name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any, get_args

import orjson
from pydantic import SecretStr

from infra.errors import ConfigurationError, WardError
from infra.settings import PROJECT_ROOT, Settings

MERGE_MODULE = "spark_jobs.merge_contacts"
MERGE_TIMEOUT_SECONDS = 1800.0
QUICK_START = "-XX:TieredStopAtLevel=1"
"""The merge lives for seconds: without the optimising compiler it takes 28 s of processor time instead of 51."""


def without_secrets(settings: Settings) -> dict[str, Any]:
    """The settings as JSON values for another process; secrets stay here."""
    secrets = {name for name, info in Settings.model_fields.items() if SecretStr in get_args(info.annotation)}
    # The ports are dumped shifted already.
    return settings.model_dump(mode="json", exclude=secrets) | {"port_offset": 0}


def run_merge(settings: Settings, request: dict[str, Any], output: IO[bytes]) -> dict[str, Any]:
    """Run the merge step on `request` (all but its `settings`) and return its answer; Spark's log goes to `output`.

    Raises ConfigurationError or WardError, with the step's own sentence when it gives one.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-m", MERGE_MODULE],
            input=orjson.dumps({**request, "settings": without_secrets(settings)}),
            stdout=subprocess.PIPE,
            stderr=output,
            cwd=PROJECT_ROOT,
            env={**os.environ, "JAVA_TOOL_OPTIONS": QUICK_START},
            timeout=MERGE_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WardError(f"The merge was stopped: it had not finished after {MERGE_TIMEOUT_SECONDS:.0f} s.") from error
    lines = done.stdout.splitlines()
    answer: dict[str, Any] = orjson.loads(lines[-1]) if lines and lines[-1].startswith(b"{") else {}
    if "error" in answer:
        raise (ConfigurationError if answer["kind"] == ConfigurationError.__name__ else WardError)(answer["error"])
    if done.returncode != 0 or not answer:
        raise WardError(
            f"The merge of the contacts ended with status {done.returncode}: {_last_line(Path(output.name))}. "
            f"All it said is in {output.name}."
        )
    return answer


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].strip().rstrip(".") if lines else "it gave no reason"
