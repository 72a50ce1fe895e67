"""Sqoop's command line and the files that it needs."""

import stat
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr

from infra.errors import ConfigurationError, WardError
from infra.settings import MySQL, Settings
from sqoop.command import SqoopRun, first_error, kept_class_jar, run_sqoop, sqoop_command, sqoop_run, trust_store

SECRET = "s3cret with spaces"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    lib = tmp_path / "tools" / "lib" / "sqoop"
    lib.mkdir(parents=True)
    (lib / "sqoop-1.4.7-hadoop260.jar").touch()
    return Settings(tools_dir=tmp_path / "tools", state_dir=tmp_path / "state", reader_password=SecretStr(SECRET))


def command(settings: Settings) -> list[str]:
    run = SqoopRun(settings.state_dir / "run")
    return sqoop_command(settings, run, "SELECT 1 WHERE $CONDITIONS", ["patient_id", "name"], "hdfs://h:1/staging/x")


def test_the_password_is_in_a_private_file_and_not_on_the_command_line(settings: Settings) -> None:
    assert SECRET not in " ".join(command(settings))
    with sqoop_run(settings) as run:
        assert run.password_file.read_text() == SECRET
        assert stat.S_IMODE(run.password_file.stat().st_mode) == 0o600
        assert stat.S_IMODE(run.directory.stat().st_mode) == 0o700


def test_nothing_is_left_of_a_run_that_failed(settings: Settings) -> None:
    with pytest.raises(FileNotFoundError), sqoop_run(settings) as run:
        (run.directory / "classes" / "missing").touch()
    assert not run.directory.exists()


def test_what_a_crashed_run_left_is_removed_by_the_next(settings: Settings) -> None:
    with sqoop_run(settings) as run:
        (run.directory / "left").touch()
        with sqoop_run(settings) as again:
            assert not (again.directory / "left").exists()


def test_properties_come_right_after_the_name_of_the_tool(settings: Settings) -> None:
    words = command(settings)
    between = words[words.index("import") + 1 : words.index("--connect")]
    assert f"-Dfs.defaultFS={settings.default_fs}" in between
    assert all(word.startswith("-D") for word in between)


def test_the_class_of_the_rows_is_compiled_once_for_the_same_columns_and_sqoop(settings: Settings) -> None:
    assert "--bindir" in command(settings)
    kept = kept_class_jar(settings, ["patient_id", "name"])
    kept.parent.mkdir(parents=True)
    kept.touch()
    words = command(settings)
    assert words[words.index("--jar-file") + 1] == str(kept)
    assert "--bindir" not in words
    assert kept_class_jar(settings, ["patient_id", "phone"]) != kept
    (settings.lib_dir / "sqoop" / "sqoop-1.4.7-hadoop260.jar").rename(settings.lib_dir / "sqoop" / "sqoop-1.4.8.jar")
    assert "--bindir" in command(settings)


def test_columns_come_as_text_into_parquet_by_one_mapper(settings: Settings) -> None:
    words = command(settings)
    assert words[words.index("--map-column-java") + 1] == "patient_id=String,name=String"
    assert words[words.index("--num-mappers") + 1] == "1"
    assert "--as-parquetfile" in words


def test_without_a_ca_file_the_connection_is_plain_and_in_utc(settings: Settings) -> None:
    words = command(settings)
    url = words[words.index("--connect") + 1]
    assert url.startswith("jdbc:mysql://127.0.0.1:13306/health?")
    assert "sslMode=DISABLED" in url
    assert "connectionTimeZone=UTC" in url


def test_with_a_ca_file_the_servers_name_is_verified(settings: Settings) -> None:
    words = command(settings.model_copy(update={"mysql": MySQL(host="rds.example", port=3306, ssl_ca=Path("ca.pem"))}))
    url = words[words.index("--connect") + 1]
    assert url.startswith("jdbc:mysql://rds.example:3306/")
    assert "sslMode=VERIFY_IDENTITY" in url
    assert "allowPublicKeyRetrieval=false" in url


def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    with pytest.raises(ConfigurationError, match=r"ca\.pem is not a PEM file"):
        trust_store(tmp_path / "ca.pem")


def test_missing_jars_are_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Sqoop is not installed"):
        command(settings.model_copy(update={"tools_dir": tmp_path / "nothing"}))


LOST = """\
2026-12-01 07:05:15,760 INFO LocalJobRunner: Failed to createOutputCommitter
java.net.SocketException: Call From ward to localhost:9000 failed: Connection reset
\tat java.lang.Thread.run(Thread.java:840)
"""


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (
            f"echo 'said before'; echo '{LOST}'; exec sleep 600",
            r"ended before it began, by java\.net\.SocketEx.*reset$",
        ),
        ("exec sleep 600", r"had not finished after 1 s\."),
        ("echo '2026-12-01 07:05:15,760 ERROR X: no table'; exit 3", r"ended with status 3: no table\."),
    ],
    ids=["job never began", "takes too long", "fails"],
)
def test_sqoop_that_does_not_do_its_work_is_ended_and_its_reason_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, why: str
) -> None:
    log = tmp_path / "import.log"
    log.write_text(LOST)  # of the import before
    monkeypatch.setattr("sqoop.command.sqoop_command", lambda *_: ["sh", "-c", script])
    monkeypatch.setattr("sqoop.command.SQOOP_TIMEOUT_SECONDS", 1.0 if script == "exec sleep 600" else 60.0)
    before = psutil.Process().children()
    with sqoop_run(settings) as run, log.open("ab") as output, pytest.raises(WardError, match=why):
        run_sqoop(settings, run, "SELECT 1", ["name"], "hdfs://h:1/staging/x", output)
    assert [child for child in psutil.Process().children() if child not in before] == []


def test_the_first_error_of_sqoop_is_found() -> None:
    said = (
        "2026-03-01 12:00:00,001 INFO Sqoop: Running\n"
        "2026-03-01 12:00:01,002 ERROR SqlManager: Table 'x' doesn't exist.\n"
        "2026-03-01 12:00:01,003 ERROR ImportTool: Import failed\n"
    )
    assert first_error(said) == "Table 'x' doesn't exist"
    assert first_error("") == "it gave no reason"
