"""The clock by which Spark waits for the next batch, when it is set back."""

from __future__ import annotations

import time

from infra.errors import WardError

MOST_SECONDS = 20.0
"""By so much a batch may be late before its queries are started again."""


class BatchClock:
    """Sees that the clock was set back since this was made, against one that only goes on. Not for several threads.

    A query with a trigger of processing time reads from the clock when its next batch is due, and waits until the clock
    says so: set back by an hour, that is an hour without a batch and without an error.
    """

    def __init__(self) -> None:
        self._ahead = self._now()

    def require_not_set_back(self) -> None:
        """Raises WardError when it was; whoever starts the queries again has them go by the new time."""
        now = self._now()
        self._ahead = max(self._ahead, now)
        if self._ahead - now > MOST_SECONDS:
            late = f"{self._ahead - now:.0f} s"
            raise WardError(f"The clock was set back by {late}: Spark would begin no batch as long. Beginning again.")

    @staticmethod
    def _now() -> float:
        return time.time() - time.monotonic()
