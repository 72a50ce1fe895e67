"""The servers' configuration files: templates in `infra/stack/`, filled in below the state directory."""

from __future__ import annotations

import getpass
from pathlib import Path
from string import Template

from infra.errors import ConfigurationError, WardError
from infra.secrets import NAMES, write_private
from infra.settings import PROJECT_ROOT, Settings

TEMPLATES = PROJECT_ROOT / "infra" / "stack"

FILES = {
    "mariadb/my.cnf": "mariadb/my.cnf",
    "mariadb/init.sql": "mariadb/init.sql",
    "kafka/server.properties": "kafka/server.properties",
    "kafka/log4j2.properties": "common/log4j2.properties",
    "hadoop/core-site.xml": "hadoop/core-site.xml",
    "hadoop/hdfs-site.xml": "hadoop/hdfs-site.xml",
    "hadoop/log4j.properties": "common/log4j.properties",
    "hbase/hbase-site.xml": "hbase/hbase-site.xml",
    "hbase/log4j2.properties": "common/log4j2.properties",
    "metastore/metastore-site.xml": "metastore/metastore-site.xml",
    "metastore/metastore-log4j2.properties": "common/log4j2.properties",
    "hiveserver2/hive-site.xml": "hiveserver2/hive-site.xml",
    "hiveserver2/hive-log4j2.properties": "common/log4j2.properties",
    "airflow/airflow.cfg": "airflow/airflow.cfg",
    "airflow/passwords.json": "airflow/passwords.json",
}
"""File below `conf_dir` -> its template."""

KAFKA_NEVER = 2**63 - 1
"""Messages after which Kafka flushes, unless told otherwise: the kernel does it when it likes."""


def conf_dir(settings: Settings) -> Path:
    """Where the filled-in configuration files are."""
    return settings.state_dir / "conf"


def data_dir(settings: Settings, *parts: str) -> Path:
    """Where the servers keep their data."""
    return settings.state_dir.joinpath("data", *parts)


def run_dir(settings: Settings) -> Path:
    """Sockets and process ids."""
    return settings.state_dir / "run"


def values(settings: Settings) -> dict[str, str]:
    """What the templates may name. Secrets are among it: files made of it are private."""
    plain = {
        "root": PROJECT_ROOT,
        "state": settings.state_dir,
        "conf": conf_dir(settings),
        "data": data_dir(settings),
        "run": run_dir(settings),
        "os_user": getpass.getuser(),
        "default_fs": settings.default_fs,
        "warehouse_uri": settings.hdfs_uri(),
        "hadoop_user": settings.hadoop.user,
        "metastore_uri": settings.metastore_uri,
        "mysql_host": settings.mysql.host,
        "mysql_port": settings.mysql_port,
        "reader_user": settings.mysql.reader_user,
        "devices_user": settings.mysql.devices_user,
        "alerts_user": settings.mysql.alerts_user,
        "metastore_user": settings.mysql.metastore_user,
        "alerts_database": settings.mysql.alerts_database,
        "kafka_retention_hours": settings.kafka.retention_hours,
        "kafka_flush_messages": 1 if settings.kafka.flush_each_write else KAFKA_NEVER,
    }
    ports = {f"port_{name}": port for name, port in settings.ports.model_dump().items()}
    return {name: str(value) for name, value in {**plain, **ports}.items()} | {
        name: settings.secret(name) for name in NAMES
    }


def fill(template: str, known: dict[str, str]) -> str:
    """The template file `template` with every `${name}` replaced.

    Raises ConfigurationError naming the file and the name when it names something unknown.
    """
    try:
        return Template((TEMPLATES / template).read_text()).substitute(known)
    except KeyError as error:
        raise ConfigurationError(f"infra/stack/{template} names {error}, which is not known to it.") from error


def render_all(settings: Settings) -> None:
    """Write every configuration file anew, each in one step and for its owner only.

    Raises WardError when one cannot be written, as on a full disk; it then stays as it was.
    """
    known = values(settings)
    try:
        for directory in (conf_dir(settings), run_dir(settings), settings.log_dir):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o700)
        for file, template in FILES.items():
            write_private(conf_dir(settings) / file, fill(template, known))
    except OSError as error:
        raise WardError(f"The configuration cannot be written below {conf_dir(settings)}: {error}.") from error
