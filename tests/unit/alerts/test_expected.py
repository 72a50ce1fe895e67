"""How often each vital is measured, by the settings."""

from __future__ import annotations

import pytest

from alerts.expected import changed_seconds_of
from infra.errors import ConfigurationError
from infra.settings import Alerts, Settings


def test_only_what_a_site_has_set_is_changed() -> None:
    assert changed_seconds_of(Settings()) == {}
    assert changed_seconds_of(Settings(alerts=Alerts(expected_seconds={"systolic_bp": 1}))) == {"systolic_bp": 1.0}


def test_a_setting_for_an_attribute_that_is_not_measured_is_refused() -> None:
    settings = Settings(alerts=Alerts(expected_seconds={"spo": 5}))
    with pytest.raises(ConfigurationError, match="spo is not measured; possible: heart_rate"):
        changed_seconds_of(settings)
