"""HDFS as a client sees it when it refuses, what a client refuses itself, and how long it tries. A small server stands
for a NameNode and its DataNode, in one."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, MutableMapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from infra import clients
from infra.clients import hdfs, mysql_connection, with_retries
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Hadoop, MySQL, Settings

STATUS = {"pathSuffix": "", "type": "FILE", "length": 45}


def refusal(exception: str) -> bytes:
    return json.dumps({"RemoteException": {"exception": exception, "message": "why it refuses"}}).encode()


class Refusing(BaseHTTPRequestHandler):
    """Knows every file; its DataNode cannot read the one named `broken` and has lost the one named `gone`."""

    def do_GET(self) -> None:
        if "safe" in self.path:
            self._answer(403, refusal("SafeModeException"))
        elif "op=GETFILESTATUS" in self.path:
            self._answer(200, json.dumps({"FileStatus": STATUS}).encode())
        elif "namenoderpcaddress" in self.path:
            self._answer(404 if "gone" in self.path else 403, refusal("IOException"))
        else:
            self.send_response(307)
            self.send_header("Location", f"http://{self.headers['Host']}{self.path}&namenoderpcaddress=localhost:1")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def settings() -> Iterator[Settings]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Settings(hadoop=Hadoop(webhdfs_url=f"http://127.0.0.1:{server.server_address[1]}"))
        server.shutdown()


def test_what_a_datanode_says_of_its_trouble_is_never_taken_for_a_files_content(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match="status 403"):
        hdfs(settings).cat_file("/broken")


def test_a_file_that_the_datanode_has_lost_is_a_missing_file(settings: Settings) -> None:
    with pytest.raises(FileNotFoundError):
        hdfs(settings).cat_file("/gone")


def test_a_namenode_in_safe_mode_is_away(settings: Settings) -> None:
    with pytest.raises(UnavailableError, match="SafeModeException"):
        hdfs(settings).ls("/safe")


def test_a_namenode_that_does_not_answer_is_named(settings: Settings) -> None:
    away = Settings(hadoop=Hadoop(webhdfs_url="http://127.0.0.1:9"))
    with pytest.raises(UnavailableError, match=r"HDFS at http://127\.0\.0\.1:9"):
        hdfs(away).ls("/")


@pytest.mark.parametrize("content", [None, b"no certificate"], ids=["no file", "no certificate"])
def test_a_ca_file_that_holds_no_certificates_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"mysql\.ssl_ca: .*ca\.pem is not a PEM file"):
        mysql_connection(Settings(mysql=MySQL(ssl_ca=file)), "ward_reader", "secret")


Said = list[MutableMapping[str, Any]]


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """What is logged, by a logger that no earlier test has bound."""
    monkeypatch.setattr(clients, "log", structlog.get_logger())
    with capture_logs() as lines:
        yield lines


class Server:
    """Raises these errors, one a call, and answers then."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def ask(self) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "here"


def away() -> UnavailableError:
    return UnavailableError("MySQL", "db.example:3306", "refused")


def test_a_server_that_is_away_is_asked_again_and_each_retry_names_it(said: Said) -> None:
    assert with_retries(Settings(start_retry_seconds=60), Server(away(), away()).ask) == "here"
    assert [(line["event"], line["log_level"], line["attempt"]) for line in said] == [
        ("retrying", "warning", 1),
        ("retrying", "warning", 2),
    ]
    assert all("MySQL at db.example:3306 cannot be reached" in line["reason"] for line in said)


def test_a_server_that_stays_away_is_given_up_with_its_own_error(said: Said) -> None:
    server = Server(*(away() for _ in range(100)))
    with pytest.raises(UnavailableError, match=r"MySQL at db\.example:3306"):
        with_retries(Settings(start_retry_seconds=1), server.ask)
    assert said
    assert len(server.errors) == 100 - len(said) - 1


@pytest.mark.parametrize("error", [ConfigurationError("A setting is wrong."), ValueError("a mistake")])
def test_what_trying_again_does_not_mend_is_raised_at_once(said: Said, error: Exception) -> None:
    server = Server(error)
    with pytest.raises(type(error)) as raised:
        with_retries(Settings(start_retry_seconds=60), server.ask)
    assert raised.value is error
    assert said == []
