"""Installing: each part once, whole or not at all, and repaired when it was interrupted."""

from __future__ import annotations

import _thread
import io
import os
import signal
import subprocess
import tarfile
import threading
from pathlib import Path

import pytest
from rich.console import Console

from infra import install
from infra.errors import WardError
from infra.initialise import find_program
from infra.install import Part, class_archive, missing_packages, parts, what_failed
from infra.settings import Settings
from infra.waiting import wait_for


def a_part(tmp_path: Path, failures: int = 0) -> tuple[Part, list[str]]:
    source = tmp_path / "pom.xml"
    source.write_text("<project/>")
    calls: list[str] = []

    def fetch(target: Path) -> None:
        calls.append("fetch")
        (target / "half.jar").write_text("half")
        if len(calls) <= failures:
            raise WardError("timed out")
        (target / "half.jar").rename(target / "whole.jar")

    return Part("kafka", tmp_path / "lib" / "kafka", (source,), fetch), calls


def test_a_part_is_installed_once(tmp_path: Path) -> None:
    part, _ = a_part(tmp_path)
    assert not part.installed()
    part.install()
    assert part.installed()


def test_a_download_that_fails_is_tried_again_and_leaves_nothing_half(tmp_path: Path) -> None:
    part, calls = a_part(tmp_path, failures=2)
    part.install()
    assert len(calls) == 3
    assert sorted(path.name for path in part.target.iterdir()) == [".installed", "whole.jar"]
    assert [path.name for path in part.target.parent.iterdir()] == ["kafka"]


def test_a_download_that_keeps_failing_says_so_and_the_part_stays_missing(tmp_path: Path) -> None:
    part, calls = a_part(tmp_path, failures=9)
    with pytest.raises(WardError, match="timed out"):
        part.install()
    assert len(calls) == install.ATTEMPTS
    assert not part.installed()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "npm warn Unknown user config\nnpm error code ECONNREFUSED\nnpm error syscall connect\n"
            "npm error FetchError: request to http://127.0.0.1:9/axe-core failed, reason: connect ECONNREFUSED",
            "npm error FetchError: request to http://127.0.0.1:9/axe-core failed, reason: connect ECONNREFUSED",
        ),
        (
            "[INFO] Scanning\n[ERROR] Failed to execute goal: no such artifact",
            "[ERROR] Failed to execute goal: no such artifact",
        ),
        ("Reading package lists...\nE: Unable to locate package chromium", "E: Unable to locate package chromium"),
        ("npm warn deprecated\nnpm error code E404", "npm error code E404"),
        ("Killed", "Killed"),
        ("", "no message"),
    ],
)
def test_a_failed_program_is_told_by_its_error_and_not_by_a_warning(said: str, told: str) -> None:
    assert what_failed(said) == told


def test_a_changed_dependency_list_is_installed_anew(tmp_path: Path) -> None:
    part, _ = a_part(tmp_path)
    part.install()
    (part.target / "old.jar").write_text("of the old list")
    part.sources[0].write_text("<project>2</project>")
    assert not part.installed()
    part.install()
    assert not (part.target / "old.jar").exists()


def test_every_part_has_its_dependency_list_in_the_project(tmp_path: Path) -> None:
    found = parts(Settings(tools_dir=tmp_path))
    assert [part.name for part in found] == [*install.JAR_PARTS, "maildev"]
    assert all(source.exists() for part in found for source in part.sources)
    assert not any(part.installed() for part in found)


def test_a_browser_and_axe_are_installed_for_tests_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(tools_dir=tmp_path)
    monkeypatch.setattr(install, "DEBIAN_PACKAGES", {})
    monkeypatch.setitem(install.TEST_PACKAGES, "chromium", lambda: find_program("no-such-program"))
    assert (missing_packages(), missing_packages(for_tests=True)) == ([], ["chromium"])
    found = install.parts_for_tests(settings)
    assert [part.name for part in found] == ["axe"]
    assert all(source.exists() for part in found for source in part.sources)
    assert install.axe_script(settings).is_relative_to(found[0].target)
    assert not {part.name for part in parts(settings)} & {"axe"}


def test_what_only_a_benchmark_needs_is_installed_once_and_not_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, said = Settings(tools_dir=tmp_path), list[str]()
    monkeypatch.setattr(install, "_maven", lambda _pom: lambda target: (target / "peer.jar").touch())
    for _ in range(2):
        install.ensure_peer(settings, "kafka-connect", said.append)
    assert (settings.lib_dir / "kafka-connect" / "peer.jar").exists()
    assert [line.split()[0] for line in said] == ["downloading", "installed"]
    assert "kafka-connect" not in [part.name for part in parts(settings)]


def test_the_archive_of_classes_is_made_anew_when_spark_or_its_rehearsal_changes(tmp_path: Path) -> None:
    part = class_archive(Settings(tools_dir=tmp_path))
    assert {source.name for source in part.sources} == {"archive_classes.py", "pom.xml", "requirements.lock"}
    assert all(source.exists() for source in part.sources)
    assert not part.installed()


def test_without_an_archive_of_classes_the_installation_goes_on_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(install, "missing_packages", lambda _for_tests: [])
    monkeypatch.setattr(install, "parts", lambda _settings: [])
    monkeypatch.setattr(install, "venv_program", lambda _name: "/bin/false")
    install.ensure_installed(Settings(tools_dir=tmp_path), Console(width=200))
    assert "Spark's classes could not be archived" in capsys.readouterr().out


def test_an_archive_is_unpacked_without_its_top_directory(tmp_path: Path) -> None:
    archive = tmp_path / "server-bin.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("server-4.0.1/lib/a.jar", "server-4.0.1/scripts/schema.sql"):
            entry = tarfile.TarInfo(name)
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
    install.unpack(archive, tmp_path / "out")
    files = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert files == ["lib/a.jar", "scripts/schema.sql"]


def test_a_package_is_missing_when_its_program_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.DEBIAN_PACKAGES, "no-such-package", lambda: find_program("no-such-program"))
    assert "no-such-package" in missing_packages()


def test_without_apt_the_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WardError, match="maven, postgresql"):
        install.install_packages(["maven", "postgresql"])


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where an apt-get is that only says what policy-rc.d forbids, `began` to install, and takes its time."""
    program = tmp_path / "bin" / "apt-get"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n[ $2 = update ] && exit\ncp {tmp_path}/policy {tmp_path}/began; exec sleep $TIME\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("TIME", "0")
    monkeypatch.setattr(install, "POLICY_FILE", str(tmp_path / "policy"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def test_services_are_forbidden_while_packages_install_and_not_after(apt: Path) -> None:
    install.install_packages(["maven"])
    assert (apt / "began").read_text().endswith("exit 101\n")
    assert not (apt / "policy").exists()


def test_what_a_killed_installation_left_is_removed_by_the_next(apt: Path) -> None:
    install.install_packages(["maven"])
    (apt / "began").rename(apt / "policy")
    install.install_packages(["maven"])
    assert not (apt / "policy").exists()


def test_a_policy_of_somebody_else_stays(apt: Path) -> None:
    (apt / "policy").write_text("#!/bin/sh\nexit 0\n")
    install.install_packages(["maven"])
    assert (apt / "policy").read_text() == "#!/bin/sh\nexit 0\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_services_may_start_again_after_a_signal(apt: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setenv("TIME", "60")
    # As for one that a terminal started: a signal that was ignored at its start, sh cannot trap.
    command = ["env", "--default-signal", "sh", "-c", install.APT_SCRIPT, "sh", str(apt / "policy"), "maven"]
    with subprocess.Popen(command, start_new_session=True) as process:
        assert wait_for((apt / "began").exists, 60, 0.05)
        os.killpg(process.pid, number)
        assert process.wait(60) == 128 + number
    assert not (apt / "policy").exists()


def test_what_installs_packages_is_not_killed_by_ctrl_c(apt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        wait_for((apt / "began").exists, 60, 0.05)
        _thread.interrupt_main()

    monkeypatch.setenv("TIME", "2")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            install.install_packages(["maven"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (apt / "policy").exists()
