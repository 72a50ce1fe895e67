"""Signed links: they hold for one alarm and one day, and no change of a character passes."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from alerts.links import PATH, AlteredLinkError, ExpiredLinkError, acknowledge_link, make_token, read_token
from infra.errors import ConfigurationError
from infra.settings import Alerts, Settings
from tests.unit.alerts.alarms_looked_at import ALARM_ID

KEY = "a key of the test"
NOW = 1_790_000_000
TOKEN = make_token(KEY, ALARM_ID, NOW + 60)
OTHER_ALARM = ALARM_ID[::-1]


def test_a_token_names_its_alarm_until_it_expires() -> None:
    assert read_token(KEY, TOKEN, NOW) == ALARM_ID
    assert read_token(KEY, TOKEN, NOW + 59.9) == ALARM_ID


@pytest.mark.parametrize("now", [NOW + 60, NOW + 86_400])
def test_an_expired_token_is_refused_as_expired_with_its_alarm_and_its_end(now: float) -> None:
    with pytest.raises(ExpiredLinkError) as refused:
        read_token(KEY, TOKEN, now)
    assert (refused.value.alarm_id, refused.value.expired_at) == (ALARM_ID, NOW + 60)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "-",
        ALARM_ID,
        TOKEN[:-1],
        TOKEN + "0",
        TOKEN + "\n",
        TOKEN.upper(),
        TOKEN.replace("-", "."),
        TOKEN.replace(ALARM_ID, OTHER_ALARM),
        TOKEN.replace(str(NOW + 60), str(NOW + 61)),
        TOKEN.replace(str(NOW + 60), "0" + str(NOW + 60)),
        TOKEN.replace(str(NOW + 60), "١٢٣"),
        make_token("another key", ALARM_ID, NOW + 60),
        "é" * 200,
    ],
)
def test_an_altered_token_is_refused_whenever_it_is_opened(token: str) -> None:
    for now in (NOW, NOW + 3600):
        with pytest.raises(AlteredLinkError):
            read_token(KEY, token, now)


@given(st.integers(0, len(TOKEN) - 1), st.sampled_from(string.hexdigits + "-_.~/ "))
def test_no_single_character_can_be_changed(place: int, letter: str) -> None:
    altered = TOKEN[:place] + letter + TOKEN[place + 1 :]
    if altered != TOKEN:
        with pytest.raises(AlteredLinkError):
            read_token(KEY, altered, NOW)


@given(st.text(max_size=200))
def test_no_text_is_a_token_by_chance(text: str) -> None:
    with pytest.raises(AlteredLinkError):
        read_token(KEY, text, NOW)


def test_a_link_begins_with_the_public_address_and_holds_for_the_hours_that_are_set() -> None:
    alerts = Alerts(public_base_url="https://alarms.hospital.example/ward/", acknowledge_link_hours=2)
    link = acknowledge_link(Settings(alerts=alerts, acknowledge_key=SecretStr(KEY)), lambda: NOW)
    assert link is not None
    base, token = link(ALARM_ID).split(PATH)
    assert base == "https://alarms.hospital.example/ward"
    assert read_token(KEY, token, NOW + 7199) == ALARM_ID
    with pytest.raises(ExpiredLinkError):
        read_token(KEY, token, NOW + 7200)


def test_every_character_of_a_link_is_one_that_a_mail_reader_keeps_in_it() -> None:
    link = acknowledge_link(Settings(acknowledge_key=SecretStr(KEY)), lambda: NOW)
    assert link is not None
    address = link(ALARM_ID)
    assert set(address) <= set(string.ascii_letters + string.digits + ":/.-")
    assert address[-1].isalnum()


def test_without_an_address_there_are_no_links() -> None:
    assert acknowledge_link(Settings(alerts=Alerts(sns_endpoint_url="aws"))) is None


def test_a_key_that_was_never_made_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="acknowledge_key"):
        acknowledge_link(Settings(state_dir=tmp_path))
