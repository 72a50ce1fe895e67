"""The settings object."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from clinical.topics import PRODUCER_CURSOR, VITAL_INFO
from infra.errors import ConfigurationError
from infra.settings import PROJECT_ROOT, Alerts, MySQL, Ports, Settings, load_settings


def test_an_offset_moves_every_port() -> None:
    assert Settings(port_offset=100).ports.kafka == Ports().kafka + 100


def test_every_embedded_address_is_on_the_loopback() -> None:
    settings = Settings()
    for address in (settings.bootstrap_servers, settings.default_fs, settings.webhdfs_url, settings.metastore_uri):
        assert "127.0.0.1" in address or "localhost" in address
    assert settings.metrics_host == "127.0.0.1"


def test_a_relative_path_begins_at_the_projects_root_wherever_it_is_read() -> None:
    assert MySQL(ssl_ca=Path(".ward/state/tls/ca.pem")).ssl_ca == PROJECT_ROOT / ".ward/state/tls/ca.pem"
    assert MySQL(ssl_ca=Path("/etc/ssl/rds-ca.pem")).ssl_ca == Path("/etc/ssl/rds-ca.pem")
    assert MySQL(ssl_ca=None).ssl_ca is None


@pytest.fixture
def fresh() -> Iterator[None]:
    """Settings are read anew, within the test and after it."""
    load_settings.cache_clear()
    yield
    load_settings.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("WARDWATCH_SOURCE__TABEL", "health.readings", r"source\.tabel"),
        ("WARDWATCH_LOG_LEVEL", "loud", r"log_level: .*'DEBUG'"),
        ("WARDWATCH_SOURCE", "{table: x}", "not the JSON .*source"),
        ("WARDWATCH_HADOOP__HIVESERVER2_HOST", "hive", "hiveserver2_host without hiveserver2_port"),
        ("WARDWATCH_HADOOP__HBASE_THRIFT_HOST", "hbase", "hbase_thrift_host without hbase_thrift_port"),
        ("WARDWATCH_DERIVATION__REMEMBER_SECONDS", "3600", r"remember_seconds is 3600: an input that still counts"),
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=told):
        load_settings()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("content", [b"[mysql\n", b"port_offset = '\xff'\n"], ids=["syntax", "encoding"])
def test_a_file_that_is_no_toml_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "wardwatch.toml"
    file.write_bytes(content)
    monkeypatch.setitem(Settings.model_config, "toml_file", file)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_settings()


@pytest.mark.usefixtures("fresh")
def test_a_file_that_was_named_and_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WARDWATCH_CONFIG", "elsewhere.toml")
    monkeypatch.setattr("infra.settings.CONFIG_FILE", tmp_path / "elsewhere.toml")
    with pytest.raises(ConfigurationError, match=r"WARDWATCH_CONFIG names /.*elsewhere\.toml"):
        load_settings()


def test_what_is_started_in_another_directory_reads_the_file_that_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("port_offset = 7\n")
    monkeypatch.setenv("WARDWATCH_CONFIG", "mine.toml")
    (tmp_path / "other").mkdir()
    ask = "from infra.settings import load_settings as s; print(s().port_offset)"
    below = f"import os, subprocess, sys; {ask}; subprocess.run([sys.executable, '-c', {ask!r}], cwd='other')"
    asked = subprocess.run(
        [sys.executable, "-c", below],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.split() == ["7", "7"]


def test_a_secret_that_was_never_generated_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="ward up"):
        Settings(state_dir=tmp_path).secret("reader_password")


def test_a_secret_given_as_a_setting_wins_over_the_file(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, reader_password="from-a-vault")
    assert settings.secret("reader_password") == "from-a-vault"
    assert "from-a-vault" not in repr(settings)


def test_the_producer_writes_the_topics_that_everybody_reads() -> None:
    producer = Settings().producer
    assert (producer.readings_topic, producer.cursor_topic) == (VITAL_INFO, PRODUCER_CURSOR)


def test_links_lead_to_the_page_of_this_machine_unless_another_address_is_set() -> None:
    assert Settings(port_offset=5).acknowledge_base_url == f"http://127.0.0.1:{Ports().acknowledge_page + 5}"
    assert Settings(alerts=Alerts(public_base_url="https://x.example/")).acknowledge_base_url == "https://x.example"
    assert Settings(alerts=Alerts(sns_endpoint_url="aws")).acknowledge_base_url is None


@pytest.mark.parametrize("address", ["x.example", "ftp://x.example", "https://", "https://x.example/?a", "https://a b"])
def test_a_public_address_that_no_link_could_begin_with_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="public_base_url"):
        Alerts(public_base_url=address)


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("inf"), float("nan")])
def test_a_vital_is_expected_after_some_seconds(seconds: float) -> None:
    with pytest.raises(ValidationError, match="expected_seconds"):
        Alerts(expected_seconds={"glucose": seconds})


def test_real_sns_needs_no_mailer() -> None:
    settings = Settings(alerts={"sns_endpoint_url": "aws"})
    assert settings.sns_endpoint_url is None
    assert not settings.embedded_email


@pytest.mark.parametrize(
    ("host", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("vitals.example.internal", False)],
)
def test_mysql_is_local_only_on_the_loopback(host: str, is_local: bool) -> None:
    assert MySQL(host=host).is_local is is_local
