"""The look at all servers and streams that the system page shows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dashboard import system_look
from dashboard.system_look import Seen, SystemLook, links, rates
from dashboard.system_text import as_bytes, as_space, is_low
from infra.disk import Space, sizes
from infra.errors import UnavailableError
from infra.servers import Server, all_of
from infra.settings import Settings
from infra.status import Row
from infra.supervise import Process

STREAM = Row("land-vitals", "up", 1_000.0, 42, 2**20, "", 5.0, 1_090.0, records=100.0, rejected=0.0)


def seen(row: Row, at: float) -> Seen:
    return Seen(at, [row], {}, None, None)


def test_the_rate_is_what_was_handled_between_two_looks() -> None:
    assert rates(seen(STREAM, 10.0), [replace(STREAM, records=150.0)], 15.0) == {"land-vitals": 10.0}


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, STREAM),
        (replace(STREAM, records=None), STREAM),
        (STREAM, replace(STREAM, records=None)),
        (STREAM, replace(STREAM, since=1_200.0)),
        (STREAM, replace(STREAM, records=3.0)),
    ],
)
def test_without_two_answers_of_the_same_process_no_rate_is_claimed(before: Row | None, now: Row) -> None:
    assert rates(seen(before, 10.0) if before else None, [now], 15.0) == {"land-vitals": None}


def test_the_pages_that_people_want_are_linked_by_the_names_that_people_know() -> None:
    settings = Settings()
    rows = [replace(STREAM, name=server.name, page=server.page(settings)) for server in all_of(settings)]
    assert [title for title, _ in links(rows)] == ["Airflow", "NameNode", "HBase", "HiveServer2", "Inbox"]
    assert all(address.startswith("http://127.0.0.1:") for _, address in links(rows))


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """MariaDB's check hangs until the given function is called; all other checks answer at once."""
    go = threading.Event()

    def look(settings: Settings, server: Server, process: Process | None, now: Callable[[], float]) -> Row:
        if server.name == "mariadb":
            go.wait()
        if server.name == "kafka":
            raise KeyError("beans")
        return replace(STREAM, name=server.name)

    def no_hdfs(settings: Settings) -> Space:
        raise UnavailableError("HDFS", "there", "away")

    monkeypatch.setattr(system_look, "row_of", look)
    monkeypatch.setattr(system_look, "hdfs_space", no_hdfs)
    monkeypatch.setattr(system_look, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(system_look, "LOOK_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(
        "infra.supervise.processes",
        lambda settings: {name: Process(name, "RUNNING", 7, 900.0) for name in ("mariadb", "kafka")},
    )
    yield go.set
    go.set()


def test_a_server_that_hangs_or_answers_nonsense_hides_no_other(tmp_path: Path, hanging: Callable[[], None]) -> None:
    look = SystemLook(Settings(state_dir=tmp_path))
    found = {row.name: row for row in asyncio.run(look.everything.get()).rows}
    assert (found["mariadb"].state, found["mariadb"].since) == ("hangs", 900.0)
    assert found["kafka"].state == "hangs"
    assert found["land-vitals"].state == "up"
    assert len(found) == len(all_of(Settings()))


def test_a_disk_that_cannot_be_asked_is_said_to_be_unknown(tmp_path: Path, hanging: Callable[[], None]) -> None:
    found = asyncio.run(SystemLook(Settings(state_dir=tmp_path)).everything.get())
    assert found.state_disk is not None
    assert found.hdfs is None
    assert "not known" in as_space(found.hdfs)


def test_room_is_told_with_its_share_and_a_warning_when_it_is_little() -> None:
    assert as_space(Space(100 * 2**30, 60 * 2**30, 40 * 2**30)) == "40.0 GiB free of 100.0 GiB (40 %), 60.0 GiB used."
    assert is_low(Space(100, 95, 5))
    assert "make room" in as_space(Space(100, 95, 5))


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (512, "512 B"), (3.25 * 2**20, "3.2 MiB"), (5 * 2**40, "5.0 TiB")]
)
def test_bytes_are_told_in_a_unit_that_is_read_at_a_glance(count: float, text: str) -> None:
    assert as_bytes(count) == text


def test_directories_are_added_up_and_one_with_too_many_files_is_given_up(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    for name, files in (("kafka", 3), ("mariadb", 2500)):
        directory = tmp_path / "data" / name / "deep"
        directory.mkdir(parents=True)
        for number in range(files):
            (directory / str(number)).write_bytes(b"x" * 10)
    ticks = iter(range(0, 10_000, 3))
    found = {size.name: size for size in sizes(settings, lambda: float(next(ticks)))}
    assert found["kafka"].is_complete
    assert found["kafka"].used > 0
    assert not found["mariadb"].is_complete
