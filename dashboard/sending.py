"""A form is sent once, however often its button is pressed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Sending:
    """Lets a form that is open be sent once: not while it is being sent, and not when it has been."""

    is_open: bool = False
    is_busy: bool = False

    def begin(self) -> bool:
        """Whether it may be sent now."""
        if not self.is_open or self.is_busy:
            return False
        self.is_busy = True
        return True

    def end(self, is_done: bool) -> None:
        """It was sent, or what was typed must be corrected."""
        self.is_busy = False
        self.is_open = self.is_open and not is_done
