"""What other thresholds would have meant on the last 24 hours: asked of a process of its own, which gives way.

The replay takes a core for seconds to minutes, so it runs niced beside the page, one at a time for all pages.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import orjson

from hbase.table import Cells
from infra.errors import WardError
from infra.settings import PROJECT_ROOT

HOURS = 24
COMMAND = ("nice", "-n", "10", sys.executable, "-m", "dashboard.limits.what_if_job")
LINE_BYTES = 1 << 20
ENDS_SECONDS = 5.0
FAILED = "The replay ended without an answer; its reason is in the log of ward-page."


@dataclass(frozen=True)
class Meaning:
    """What a change would have meant, of the attributes that it changes; before: by the thresholds in force."""

    attributes: tuple[str, ...]
    patients: int
    alarms_before: int
    alarms_after: int
    mails_before: int
    mails_after: int
    missed: int
    new: int
    severity: int

    def sentences(self) -> list[str]:
        """For people, the numbers first."""
        return [
            f"On the last {HOURS} hours this would have meant {_of(self.alarms_after, 'alarm')} and "
            f"{_of(self.mails_after, 'email')} instead of {self.alarms_before:,} and {self.mails_before:,}.",
            f"{self.missed:,} episodes would no longer have been mailed about, {self.new:,} newly, "
            f"{self.severity:,} with another severity.",
            f"Replayed: {', '.join(self.attributes)} of {_of(self.patients, 'patient')}, as if nothing else had "
            "alarmed and nobody had acknowledged.",
        ]


class CancelledError(WardError):
    """Somebody ended the replay."""


class Busy(WardError):
    """Another replay runs."""


class WhatIf:
    """One replay, from `ask` to its answer or `cancel`. Lives in the event loop of the page."""

    _running: WhatIf | None = None

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._is_cancelled = False

    async def ask(self, cells: Cells, attributes: Sequence[str], say: Callable[[str], None]) -> Meaning:
        """What the table `cells` would have meant; `say` hears how far it is.

        Raises Busy, CancelledError, or WardError with the replay's own sentence, as when Hive has no readings.
        """
        if WhatIf._running is not None:
            raise Busy("Another replay runs already, perhaps for somebody else: wait until it is over.")
        WhatIf._running = self
        try:
            return await self._ask(orjson.dumps({"cells": cells, "attributes": list(attributes)}), say)
        finally:
            WhatIf._running = None
            await self._end()

    def cancel(self) -> None:
        """End it; `ask` then raises CancelledError. More than once, or when it is over, does nothing."""
        self._is_cancelled = True
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    async def _ask(self, question: bytes, say: Callable[[str], None]) -> Meaning:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            cwd=PROJECT_ROOT,
            limit=LINE_BYTES,
        )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        if self._is_cancelled:
            self.cancel()
        with suppress(BrokenPipeError, ConnectionResetError):
            stdin.write(question)
            await stdin.drain()
            stdin.close()
        async for line in stdout:
            try:
                heard = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise WardError(FAILED) from error
            if "problem" in heard:
                raise WardError(heard["problem"])
            if "meaning" in heard:
                return Meaning(**heard["meaning"] | {"attributes": tuple(heard["meaning"]["attributes"])})
            say(heard["doing"])
        if self._is_cancelled:
            raise CancelledError("The replay was cancelled.")
        raise WardError(FAILED)

    async def _end(self) -> None:
        """The process has ended after this, whatever it was at."""
        process = self._process
        if process is None:
            return
        try:
            await asyncio.wait_for(process.wait(), ENDS_SECONDS)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def _of(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
