"""The servers and streams of the stack: how each is started, what it waits for, how it is known to be ready."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from infra import initialise, java, readiness
from infra.errors import ConfigurationError
from infra.priority import GIVE_WAY
from infra.render import conf_dir, data_dir
from infra.settings import PROJECT_ROOT, Settings

Check = Callable[[Settings], None]
Predicate = Callable[[Settings], bool]


def always(_settings: Settings) -> bool:
    return True


def nothing(_settings: Settings) -> None:
    """No first-start work."""


def no_page(_settings: Settings) -> str:
    return ""


@dataclass(frozen=True)
class Server:
    """One supervised process.

    `ready` returns when the server does its work and raises UnavailableError until then. `prepare` is the work before
    each start (most of it only before the first) and runs when everything in `depends_on` is ready. `ports` are names
    of fields of `Settings.ports`. `wanted` is False where settings point at a server elsewhere.
    """

    name: str
    command: Callable[[Settings], list[str]]
    ready: Check
    ports: tuple[str, ...]
    depends_on: tuple[str, ...] = ()
    prepare: Check = nothing
    environment: Callable[[Settings], dict[str, str]] = lambda _settings: {}
    page: Callable[[Settings], str] = no_page
    wanted: Predicate = always
    user: Callable[[], str | None] = lambda: None
    stop_signal: str = "TERM"
    stop_seconds: int = 30
    ready_seconds: int = 300
    is_stream: bool = False


def venv_program(program: str) -> str:
    """Path of a program of the project's Python environment."""
    return str(PROJECT_ROOT / ".ward" / "venv" / "bin" / program)


def _http(port: str, path: str = "/") -> Callable[[Settings], str]:
    return lambda settings: f"http://127.0.0.1:{getattr(settings.ports, port)}{path}"


def project_environment(settings: Settings) -> dict[str, str]:
    """Environment of our own Python processes: the same settings, wherever they are started."""
    return {
        "PYTHONPATH": str(PROJECT_ROOT),
        "PYTHONUNBUFFERED": "1",
        "WARDWATCH_STATE_DIR": str(settings.state_dir),
        "WARDWATCH_TOOLS_DIR": str(settings.tools_dir),
        "WARDWATCH_PORT_OFFSET": str(settings.port_offset),
        "PATH": f"{venv_program('')}:{os.defpath}:/usr/sbin:/sbin:/usr/local/bin",
        "PYSPARK_PYTHON": venv_program("python"),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_LOCAL_HOSTNAME": "localhost",
        "no_proxy": "127.0.0.1,localhost",
        "NO_PROXY": "127.0.0.1,localhost",
    }


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Environment in which `airflow …` speaks to the embedded Airflow; its settings are in a private airflow.cfg."""
    return project_environment(settings) | {
        "AIRFLOW_HOME": str(settings.state_dir / "airflow"),
        "AIRFLOW_CONFIG": str(conf_dir(settings) / "airflow" / "airflow.cfg"),
    }


def _hadoop_environment(settings: Settings) -> dict[str, str]:
    return {"HADOOP_USER_NAME": settings.hadoop.user}


def _hiveserver2_environment(settings: Settings) -> dict[str, str]:
    """It is begun by a program of ours, which looks for `java` where `./ward` does."""
    ours = {name: value for name, value in project_environment(settings).items() if name != "PATH"}
    return ours | _hadoop_environment(settings)


def _embedded_mysql(settings: Settings) -> bool:
    return settings.mysql.host == "127.0.0.1" and settings.mysql.port is None


def _embedded_hdfs(settings: Settings) -> bool:
    return settings.hadoop.default_fs is None


def _mariadb_command(settings: Settings) -> list[str]:
    return [initialise.find_program("mariadbd"), f"--defaults-file={conf_dir(settings) / 'mariadb' / 'my.cnf'}"]


def _postgres_command(settings: Settings) -> list[str]:
    options = {
        "listen_addresses": "127.0.0.1",
        "port": settings.ports.postgres,
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": 60,
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    command = [initialise.find_postgres("postgres"), "-D", str(initialise.postgres_dir(settings))]
    return command + [part for name, value in options.items() for part in ("-c", f"{name}={value}")]


def _kafka_command(settings: Settings) -> list[str]:
    properties = str(conf_dir(settings) / "kafka" / "server.properties")
    return java.command(
        settings, "kafka", "kafka.Kafka", properties, heap="384m", conf=("kafka",), compiler=java.FULL_COMPILER
    )


def _hdfs_command(main: str) -> Callable[[Settings], list[str]]:
    return lambda settings: java.command(settings, "hdfs", main, heap="192m", conf=("hadoop",), flags=java.HDFS_FLAGS)


def _hbase_command(heap: str, *arguments: str) -> Callable[[Settings], list[str]]:
    def command(settings: Settings) -> list[str]:
        flags = (*java.HBASE_FLAGS, f"-Dhbase.log.dir={settings.log_dir}", f"-Dhbase.home.dir={settings.state_dir}")
        return java.command(settings, "hbase", *arguments, heap=heap, conf=("hbase", "hadoop"), flags=flags)

    return command


def _metastore_command(settings: Settings) -> list[str]:
    main = "org.apache.hadoop.hive.metastore.HiveMetaStore"
    return java.metastore_command(settings, main, "-p", str(settings.ports.metastore))


def _hiveserver2_command(_settings: Settings) -> list[str]:
    return [venv_program("python"), "-m", "infra.hiveserver2"]


def _sns_command(settings: Settings) -> list[str]:
    return [venv_program("python"), "-m", "infra.sns_stand_in", "-H", "127.0.0.1", "-p", str(settings.ports.sns)]


def _inbox_command(settings: Settings) -> list[str]:
    return [
        initialise.node_program("node"),
        str(settings.tools_dir / "node" / "node_modules" / "maildev" / "dist" / "bin" / "maildev.js"),
        *("--ip", "127.0.0.1", "--smtp", str(settings.ports.smtp)),
        *("--web-ip", "127.0.0.1", "--web", str(settings.ports.inbox)),
        *("--mail-directory", str(data_dir(settings, "inbox"))),
    ]


def _airflow_command(part: str, *arguments: str) -> Callable[[Settings], list[str]]:
    # Tasks are the scheduler's children. Some of them start every minute, and what doctors see must not wait for them.
    first = () if part == "api-server" else ("nice", "-n", str(GIVE_WAY))
    return lambda _settings: [*first, venv_program("airflow"), part, *arguments]


def _airflow(part: str, arguments: tuple[str, ...], ports: tuple[str, ...], component: str) -> Server:
    first = part == "api-server"
    return Server(
        name=f"airflow-{part}",
        command=_airflow_command(part, *arguments),
        ready=readiness.airflow(component, f"airflow-{part}"),
        ports=ports,
        depends_on=("postgres",) if first else ("airflow-api-server",),
        prepare=initialise.airflow if first else nothing,
        environment=airflow_environment,
        page=_http("airflow") if first else no_page,
    )


SERVERS: tuple[Server, ...] = (
    Server(
        name="mariadb",
        command=_mariadb_command,
        ready=readiness.mariadb,
        ports=("mysql",),
        prepare=initialise.mariadb,
        wanted=_embedded_mysql,
        stop_seconds=60,
    ),
    Server(
        name="kafka",
        command=_kafka_command,
        ready=readiness.kafka,
        ports=("kafka", "kafka_controller"),
        prepare=initialise.kafka,
        wanted=lambda settings: settings.kafka.bootstrap_servers is None,
        stop_seconds=60,
    ),
    Server(
        name="namenode",
        command=_hdfs_command("org.apache.hadoop.hdfs.server.namenode.NameNode"),
        ready=readiness.namenode,
        ports=("namenode", "namenode_http"),
        prepare=initialise.namenode,
        environment=_hadoop_environment,
        page=_http("namenode_http"),
        wanted=_embedded_hdfs,
    ),
    Server(
        name="datanode",
        command=_hdfs_command("org.apache.hadoop.hdfs.server.datanode.DataNode"),
        ready=readiness.datanode,
        ports=("datanode", "datanode_http", "datanode_ipc"),
        depends_on=("namenode",),
        environment=_hadoop_environment,
        page=_http("datanode_http"),
        wanted=_embedded_hdfs,
    ),
    Server(
        name="hbase",
        command=_hbase_command("512m", "org.apache.hadoop.hbase.master.HMaster", "start"),
        ready=readiness.hbase,
        ports=("zookeeper", "hbase_master", "hbase_master_http", "hbase_regionserver", "hbase_regionserver_http"),
        depends_on=("datanode",),
        environment=_hadoop_environment,
        page=_http("hbase_master_http"),
        wanted=lambda settings: settings.hadoop.hbase_thrift_port is None and _embedded_hdfs(settings),
        stop_seconds=60,
    ),
    Server(
        name="hbase-thrift",
        command=_hbase_command("192m", "org.apache.hadoop.hbase.thrift.ThriftServer", "start"),
        ready=readiness.hbase_thrift,
        ports=("hbase_thrift", "hbase_thrift_http"),
        depends_on=("hbase",),
        environment=_hadoop_environment,
        page=_http("hbase_thrift_http"),
        wanted=lambda settings: settings.hadoop.hbase_thrift_port is None and _embedded_hdfs(settings),
    ),
    Server(
        name="metastore",
        command=_metastore_command,
        ready=readiness.metastore,
        ports=("metastore",),
        depends_on=("mariadb", "datanode"),
        prepare=initialise.metastore,
        environment=_hadoop_environment,
        wanted=lambda settings: settings.hadoop.metastore_uri is None,
    ),
    Server(
        name="hiveserver2",
        command=_hiveserver2_command,
        ready=readiness.hiveserver2,
        ports=("hiveserver2", "hiveserver2_http"),
        depends_on=("metastore",),
        prepare=initialise.hiveserver2,
        environment=_hiveserver2_environment,
        page=_http("hiveserver2_http"),
        wanted=lambda settings: settings.hadoop.hiveserver2_port is None,
    ),
    Server(
        name="sns",
        command=_sns_command,
        ready=readiness.sns,
        ports=("sns",),
        environment=project_environment,
        page=_http("sns", "/moto-api/"),
        wanted=lambda settings: settings.embedded_email,
    ),
    Server(
        name="inbox",
        command=_inbox_command,
        ready=readiness.inbox,
        ports=("smtp", "inbox"),
        page=_http("inbox"),
        wanted=lambda settings: settings.embedded_email,
    ),
    Server(
        name="postgres",
        command=_postgres_command,
        ready=readiness.postgres,
        ports=("postgres",),
        prepare=initialise.postgres,
        user=initialise.postgres_user,
        stop_signal="INT",
        stop_seconds=60,
    ),
    _airflow("api-server", (), ("airflow",), "metadatabase"),
    _airflow("scheduler", ("--skip-serve-logs",), (), "scheduler"),
    _airflow("dag-processor", (), (), "dag_processor"),
    _airflow("triggerer", ("--skip-serve-logs",), (), "triggerer"),
)


def _stream(
    name: str,
    module: str,
    *depends_on: str,
    wanted: Predicate = always,
    stop_seconds: int = 20,
    ports: tuple[str, ...] = (),
    page: Callable[[Settings], str] = no_page,
) -> Server:
    return Server(
        name=name,
        command=lambda _settings: [venv_program("python"), "-m", module],
        ready=readiness.stream(name),
        ports=(f"metrics_{name.replace('-', '_')}", *ports),
        depends_on=depends_on,
        environment=project_environment,
        wanted=wanted,
        is_stream=True,
        stop_seconds=stop_seconds,
        page=page,
    )


STREAMS: tuple[Server, ...] = (
    _stream("vitals-producer", "producers.vitals_producer", "mariadb", "kafka"),
    _stream("land-vitals", "spark_jobs.land_vitals", "kafka", "metastore", "mariadb", stop_seconds=60),
    _stream("detect-breaches", "spark_jobs.detect_breaches", "kafka", "metastore", "hbase-thrift", stop_seconds=60),
    _stream("derive-vitals", "spark_jobs.derive_vitals", "kafka", "metastore", "mariadb", stop_seconds=60),
    _stream("alert-engine", "alerts.engine", "kafka", "mariadb", "sns"),
    _stream("mailer", "alerts.mailer", "sns", "inbox", wanted=lambda settings: settings.embedded_email),
    _stream(
        "acknowledge-page",
        "alerts.ack_page",
        "mariadb",
        wanted=lambda settings: settings.acknowledge_base_url is not None,
        ports=("acknowledge_page",),
        page=lambda settings: settings.acknowledge_base_url or "",
    ),
    _stream("ward-page", "dashboard.ward_page", "mariadb", "kafka", ports=("ward_page",), page=_http("ward_page")),
)


def all_of(settings: Settings) -> list[Server]:
    """Every server and stream that these settings want, servers first."""
    return [server for server in (*SERVERS, *STREAMS) if server.wanted(settings)]


def find(settings: Settings, name: str) -> Server:
    """The server or stream of that name. Raises ConfigurationError naming the valid ones."""
    for server in all_of(settings):
        if server.name == name:
            return server
    names = ", ".join(server.name for server in all_of(settings))
    raise ConfigurationError(f"There is no server or stream {name}; there are {names}.")


def with_dependencies(settings: Settings, names: list[str]) -> list[Server]:
    """The named ones and everything they need of what these settings want, in the order of the table."""
    known = {server.name: server for server in all_of(settings)}
    needed: set[str] = set()
    waiting = [find(settings, name).name for name in names]
    while waiting:
        name = waiting.pop()
        if name in known and name not in needed:
            needed.add(name)
            waiting.extend(known[name].depends_on)
    return [server for name, server in known.items() if name in needed]


def log_file(settings: Settings, name: str) -> Path:
    """Where the supervisor keeps what `name` prints."""
    return settings.log_dir / f"{name}.log"
