"""How often each vital is measured, by the settings: for lost signals, for the life of alarms and for replays alike."""

from __future__ import annotations

from clinical.vitals import VITALS
from infra.errors import ConfigurationError
from infra.settings import Settings


def changed_seconds_of(settings: Settings) -> dict[str, float]:
    """Attribute -> seconds between two readings, of those that the settings change.

    Raises ConfigurationError for an attribute that does not exist.
    """
    changed = settings.alerts.expected_seconds
    if unknown := sorted(changed.keys() - VITALS.keys()):
        raise ConfigurationError(
            f"alerts.expected_seconds: {', '.join(unknown)} is not measured; possible: {', '.join(VITALS)}."
        )
    return changed
