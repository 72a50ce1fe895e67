"""Configuration files: complete, private, and with every listener on the loopback."""

from __future__ import annotations

import errno
import os
import re
import shlex
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from configparser import ConfigParser
from pathlib import Path

import pytest

from infra import hiveserver2, render
from infra.errors import ConfigurationError, WardError
from infra.java import java_program
from infra.render import FILES, TEMPLATES, conf_dir, fill, render_all
from infra.secrets import NAMES, ensure_secrets
from infra.servers import all_of
from infra.settings import Kafka, Settings
from infra.supervise import EMPTY_TEMPORARY, configuration, temporary_dir


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(state_dir=tmp_path, port_offset=7)
    ensure_secrets(settings)
    render_all(settings)
    return settings


def test_every_template_is_filled_in_without_a_name_left(settings: Settings) -> None:
    for file in FILES:
        assert "${" not in (settings.state_dir / "conf" / file).read_text(), file


def test_a_disk_without_room_is_a_sentence_and_leaves_the_files_as_they_were(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    render_all(settings)
    before = {file: (conf_dir(settings) / file).read_text() for file in FILES}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(render, "write_private", full)
    with pytest.raises(WardError, match=r"cannot be written below .*No space left"):
        render_all(settings)
    assert {file: (conf_dir(settings) / file).read_text() for file in FILES} == before


def test_every_file_is_readable_by_its_owner_only(settings: Settings) -> None:
    modes = {(settings.state_dir / "conf" / file).stat().st_mode & 0o777 for file in FILES}
    assert modes == {0o600}


def test_xml_files_parse_and_name_each_property_once(settings: Settings) -> None:
    for file in FILES:
        if file.endswith(".xml"):
            names = [each.text for each in ElementTree.parse(settings.state_dir / "conf" / file).iter("name")]
            assert names, file
            assert len(names) == len(set(names)), file


@pytest.fixture
def of_hive(settings: Settings) -> dict[str, str]:
    """The properties of HiveServer2."""
    tree = ElementTree.parse(settings.state_dir / "conf/hiveserver2/hive-site.xml")
    return {str(each.findtext("name")): str(each.findtext("value")) for each in tree.iter("property")}


def test_what_hiveserver2_keeps_for_a_while_lies_where_it_is_removed(
    settings: Settings, of_hive: dict[str, str]
) -> None:
    assert of_hive["hive.exec.scratchdir"] == settings.default_fs + hiveserver2.scratch_dir(settings)
    for name in (
        "hive.exec.local.scratchdir",
        "hive.server2.logging.operation.log.location",
        "hive.downloaded.resources.dir",
        "hive.querylog.location",
        "tez.staging-dir",
    ):
        assert Path(of_hive[name]).parent == temporary_dir(settings, "hiveserver2"), name


def test_hiveserver2_runs_one_task_at_a_time(settings: Settings, of_hive: dict[str, str]) -> None:
    """Two of one query in one JVM share their operators and lose rows."""
    heap = next(each for each in hiveserver2.command(settings) if each.startswith("-Xmx"))
    slots = int(heap.removeprefix("-Xmx").removesuffix("m")) // int(of_hive["hive.tez.container.size"])
    assert slots == int(of_hive["tez.am.inline.task.execution.max-tasks"]) == 1


@pytest.mark.parametrize(("asked", "messages"), [(False, 2**63 - 1), (True, 1)])
def test_kafka_flushes_each_write_where_that_is_asked_for(tmp_path: Path, asked: bool, messages: int) -> None:
    settings = Settings(state_dir=tmp_path, kafka=Kafka(flush_each_write=asked))
    ensure_secrets(settings)
    render_all(settings)
    lines = (conf_dir(settings) / "kafka" / "server.properties").read_text().splitlines()
    assert f"log.flush.interval.messages={messages}" in lines


def test_no_listener_is_open_to_the_network(settings: Settings) -> None:
    for file in FILES:
        assert "0.0.0.0" not in (settings.state_dir / "conf" / file).read_text(), file
    assert "0.0.0.0" not in configuration(settings)


def test_all_ports_follow_the_offset(settings: Settings) -> None:
    conf = settings.state_dir / "conf"
    assert "port = 13313" in (conf / "mariadb/my.cnf").read_text()
    assert "listeners=PLAINTEXT://127.0.0.1:19099" in (conf / "kafka/server.properties").read_text()
    assert "hdfs://localhost:19827" in (conf / "hadoop/core-site.xml").read_text()


def test_a_template_that_names_something_unknown_is_an_error_that_names_both() -> None:
    with pytest.raises(ConfigurationError, match=r"hadoop/core-site\.xml names 'default_fs'"):
        fill("hadoop/core-site.xml", {})


def test_the_supervisor_knows_every_server_and_stream_and_no_secret(settings: Settings) -> None:
    text = configuration(settings)
    parser = ConfigParser(interpolation=None)
    parser.read_string(text)
    programs = {section.removeprefix("program:") for section in parser.sections() if section.startswith("program:")}
    assert programs == {server.name for server in all_of(settings)}
    for name in NAMES:
        assert settings.secret(name) not in text


def test_every_program_has_a_temporary_directory_of_its_own_and_its_java_knows_it(settings: Settings) -> None:
    parser = ConfigParser(interpolation=None)
    parser.read_string(configuration(settings))
    for server in all_of(settings):
        program = parser[f"program:{server.name}"]
        if server.user() is not None:
            assert "TMPDIR" not in program.get("environment", "")
            continue
        directory = settings.state_dir / "run" / "tmp" / server.name
        assert f'TMPDIR="{directory}"' in program["environment"]
        words = shlex.split(program["command"])
        assert words[: len(EMPTY_TEMPORARY)] == list(EMPTY_TEMPORARY)
        command = words[len(EMPTY_TEMPORARY) :]
        assert command[0] != java_program() or command[1] == f"-Djava.io.tmpdir={directory}"


def test_what_a_killed_program_left_in_its_temporary_directory_is_gone_when_it_starts(tmp_path: Path) -> None:
    directory = tmp_path / "run" / "some program"
    (directory / "blockmgr-1").mkdir(parents=True)
    command = [
        *EMPTY_TEMPORARY,
        sys.executable,
        "-c",
        "import os, sys; print(os.listdir(os.environ['TMPDIR']), sys.argv[1])",
    ]
    told = subprocess.run(
        [*command, 'a "b"'], env=os.environ | {"TMPDIR": str(directory)}, capture_output=True, text=True, check=True
    )
    assert told.stdout == '[] a "b"\n'
    assert directory.stat().st_mode & 0o777 == 0o700


def test_a_percent_sign_reaches_the_program_unchanged(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path / "ninety%")
    ensure_secrets(settings)
    assert "ninety%%" in configuration(settings)
    assert not re.search(
        r"ninety%[^%]", re.sub(r"^.*logfile.*$|^.*file=.*$|^childlogdir.*$", "", configuration(settings), flags=re.M)
    )


def test_the_templates_hold_no_index_address() -> None:
    for path in TEMPLATES.rglob("*"):
        if path.is_file() and path.name in ("pom.xml", "package-lock.json"):
            assert '"resolved"' not in path.read_text(), path
            assert "<repository>" not in path.read_text(), path
