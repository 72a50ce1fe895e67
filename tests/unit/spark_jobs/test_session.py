"""Every Spark property that we set."""

import tempfile
from pathlib import Path

import pytest

from infra.errors import ConfigurationError
from infra.settings import Settings
from spark_jobs.session import spark_properties


def test_missing_jars_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="spark-metastore-client: run"):
        spark_properties(Settings(tools_dir=tmp_path), "local[2]")


def test_extra_properties_win(tmp_path: Path) -> None:
    for name in ("spark", "spark-metastore-client"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "some.jar").touch()
    settings = Settings.model_validate({"tools_dir": tmp_path, "spark": {"extra": {"spark.ui.enabled": "true"}}})
    properties = spark_properties(settings, "yarn")
    assert properties["spark.ui.enabled"] == "true"
    assert properties["spark.sql.session.timeZone"] == "UTC"
    assert "spark.driver.bindAddress" not in properties
    assert spark_properties(settings, "local[2]")["spark.driver.bindAddress"] == "127.0.0.1"


def test_a_local_driver_starts_with_the_archive_of_classes_and_a_cluster_is_given_the_jars(tmp_path: Path) -> None:
    for name in ("spark", "spark-metastore-client"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "some.jar").touch()
    settings, jar = Settings(tools_dir=tmp_path), str(tmp_path / "lib" / "spark" / "some.jar")
    local, cluster = (spark_properties(settings, master) for master in ("local[2]", "yarn"))
    flag = f"-XX:SharedArchiveFile={settings.class_archive}"
    assert flag in local["spark.driver.extraJavaOptions"]
    assert flag not in cluster["spark.driver.extraJavaOptions"]
    assert "spark.local.dir" not in cluster
    assert (local["spark.driver.extraClassPath"], cluster["spark.jars"]) == (jar, jar)


def test_a_local_driver_keeps_what_is_temporary_where_this_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("spark", "spark-metastore-client"):
        (tmp_path / "lib" / name).mkdir(parents=True)
        (tmp_path / "lib" / name / "some.jar").touch()
    monkeypatch.setattr(tempfile, "tempdir", "/run/ward/tmp")
    properties = spark_properties(Settings(tools_dir=tmp_path), "local[2]")
    assert properties["spark.local.dir"] == "/run/ward/tmp"
    assert "-Djava.io.tmpdir=/run/ward/tmp" in properties["spark.driver.extraJavaOptions"]
