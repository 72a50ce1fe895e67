"""How people are told, by the settings: which severities and when, in which zone, with which link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alerts.entries import zone_of
from alerts.links import acknowledge_link
from alerts.message import Style
from clinical.messages import Severity
from clinical.notices import Rule
from infra.errors import ConfigurationError
from infra.settings import Settings


@dataclass(frozen=True)
class Manner:
    """By which rule, in which style, with which link to acknowledge (None: without one)."""

    rule: Rule
    style: Style
    link: Callable[[str], str] | None = None


def manner_of(settings: Settings) -> Manner:
    """As the settings say. Raises ConfigurationError for a zone or a severity that does not exist."""
    return Manner(rule_of(settings), style_of(settings), acknowledge_link(settings))


def style_of(settings: Settings) -> Style:
    """How mails are written. Raises ConfigurationError for a time zone that does not exist."""
    return Style(zone_of(settings), direct_identifiers=settings.alerts.content == "full")


def rule_of(settings: Settings) -> Rule:
    """What is told and when. Raises ConfigurationError for a severity that does not exist."""
    known: dict[str, Severity] = {"high": "high", "medium": "medium", "low": "low"}
    alerts = settings.alerts
    try:
        told = frozenset(known[severity] for severity in alerts.emailed_severities)
    except KeyError as error:
        raise ConfigurationError(f"alerts.emailed_severities: {error} is not one of high, medium, low.") from error
    return Rule(
        told,
        group_seconds=alerts.group_seconds,
        reminder_seconds=alerts.reminder_seconds,
        reminder_longest_seconds=alerts.reminder_longest_seconds,
        escalation_seconds=alerts.escalation_seconds,
    )
