"""The one settings object: read from the environment (`WARDWATCH_…`) and `wardwatch.toml`, validated at start.

Nested settings are written with two underscores in the environment, for example
`WARDWATCH_SOURCE__TABLE=health.readings`, and as tables in `wardwatch.toml`. No other module reads the environment.
"""

from __future__ import annotations

import functools
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from infra.errors import ConfigurationError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
CONFIG_FILE = Path(os.environ.get("WARDWATCH_CONFIG", PROJECT_ROOT / "wardwatch.toml")).absolute()


def _in_capitals(name: object) -> object:
    return name.upper() if isinstance(name, str) else name


def _from_the_root(path: object) -> object:
    return PROJECT_ROOT / path if isinstance(path, str | Path) else path


RootedPath = Annotated[Path, BeforeValidator(_from_the_root)]
"""A relative one begins at the project's root: streams run in directories of their own."""

LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_in_capitals)]


class Frozen(BaseModel):
    """A part of the settings; an unknown key is an error, so a misspelt one is not silently ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Ports(Frozen):
    """Ports of the embedded stack, all on the loopback and below the kernel's ephemeral range."""

    mysql: int = 13306
    postgres: int = 15432
    kafka: int = 19092
    kafka_controller: int = 19093
    namenode: int = 19820
    namenode_http: int = 19870
    datanode: int = 19866
    datanode_http: int = 19864
    datanode_ipc: int = 19867
    zookeeper: int = 12181
    hbase_master: int = 16000
    hbase_master_http: int = 16010
    hbase_regionserver: int = 16020
    hbase_regionserver_http: int = 16030
    hbase_thrift: int = 19090
    hbase_thrift_http: int = 19095
    metastore: int = 19083
    hiveserver2: int = 10000
    hiveserver2_http: int = 10002
    airflow: int = 18080
    airflow_scheduler_health: int = 18974
    airflow_worker_log: int = 18793
    airflow_trigger_log: int = 18794
    sns: int = 15000
    smtp: int = 11025
    inbox: int = 11080
    acknowledge_page: int = 11090
    ward_page: int = 11095
    metrics_vitals_producer: int = 19201
    metrics_land_vitals: int = 19202
    metrics_detect_breaches: int = 19203
    metrics_alert_engine: int = 19204
    metrics_mailer: int = 19205
    metrics_derive_vitals: int = 19206
    metrics_acknowledge_page: int = 19207
    metrics_ward_page: int = 19208

    def shifted(self, offset: int) -> Ports:
        """The same ports, each moved by `offset` (a second stack beside the first, as the tests use)."""
        return Ports(**{name: port + offset for name, port in self.model_dump().items()})


class MySQL(Frozen):
    """Where MySQL is (RDS in production) and who connects. Passwords come from `Settings.secret`."""

    host: str = "127.0.0.1"
    port: int | None = Field(None, description="default: the embedded server's port")
    ssl_ca: RootedPath | None = Field(None, description="CA file; set for RDS, TLS is then required and verified")
    connect_timeout_seconds: float = 5
    read_timeout_seconds: float = 60
    reader_user: str = Field("ward_reader", description="needs SELECT on the source tables only")
    devices_user: str = "ward_devices"
    alerts_user: str = "ward_alerts"
    metastore_user: str = "hive"
    alerts_database: str = "alerts"

    @property
    def is_local(self) -> bool:
        """Whether nothing that is said to it leaves this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


class Source(Frozen):
    """The table of readings: its name and which column is which.

    The default is the project's own table. Another one is mapped by settings alone, for example
    `table = "clinic.vitals"`, `key_column = "id"`, `patient_column = "customerId"`, `recorded_at_column = ""`,
    `inserted_at_column = ""`, `attributes = {heartbeat = "heart_rate", bp = "blood_pressure"}`.
    """

    table: str = "health.patients_vital_info"
    key_column: str = Field("id", description="an increasing integer, unique: AUTO_INCREMENT")
    key_only_grows: bool = Field(
        False,
        description="true: the key is not AUTO_INCREMENT, but every new row has a higher id all the same; one that has "
        "a lower id than those that were read is lost",
    )
    patient_column: str = "patient_id"
    device_column: str = Field("device_id", description="empty: the table has none")
    recorded_at_column: str = Field("recorded_at", description="empty: the time of receipt is used and marked so")
    inserted_at_column: str = Field(
        "inserted_at", description="empty: the time of receipt is used, as for a row where it is NULL; not audited then"
    )
    time_zone: str = Field("UTC", description="zone of the recorded_at DATETIME, which has none of its own")
    attributes: dict[str, str] = Field(
        default_factory=lambda: {
            "heart_rate": "heart_rate",
            "systolic_bp": "systolic_bp",
            "diastolic_bp": "diastolic_bp",
            "spo2": "spo2",
            "temperature": "temperature",
            "respiratory_rate": "respiratory_rate",
            "glucose": "glucose",
            "on_oxygen": "on_oxygen",
            "consciousness": "consciousness",
            "signal_quality": "signal_quality",
            "battery_percent": "battery_percent",
        },
        description="column -> attribute; `blood_pressure` splits a text such as 120/80",
    )


class Contacts(Frozen):
    """The table of patients' contacts and which column is which; an empty name means that there is none."""

    table: str = "health.patients_information"
    columns: dict[str, str] = Field(
        default_factory=lambda: {
            "patient_id": "patient_id",
            "name": "name",
            "address": "address",
            "phone": "phone",
            "admitted_ward": "admitted_ward",
            "date_of_birth": "date_of_birth",
            "sex": "sex",
            "spo2_scale": "spo2_scale",
            "pregnant": "pregnant",
            "other_details": "other_details",
            "updated_at": "updated_at",
            "discharged_at": "discharged_at",
        },
        description="our name -> their column; without updated_at every import is full",
    )
    overlap_seconds: int = Field(600, description="an incremental import asks again for this long before the mark")
    keep_snapshots: int = 5
    keep_hours: int = Field(
        4,
        ge=1,
        description="a snapshot is kept for so long after it was replaced: the audit of breaches judges its hour by "
        "the birth dates that were known then, up to two hours later",
    )


class Producer(Frozen):
    """How the producer polls and how long it waits for late commits."""

    poll_interval_seconds: float = Field(0.01, description="from the begin of one look for rows to that of the next")
    page_size: int = 5000
    late_commit_window_seconds: float = 300
    late_commit_audit_hours: int = Field(
        24, ge=0, le=168, description="the audit of an hour looks for rows that came since in so many hours before it"
    )
    gap_poll_interval_seconds: float = 0.5
    max_open_gaps: int = 100_000
    transactional_id: str = "wardwatch-vitals-producer"
    readings_topic: str = Field("vital-info", description="the streams read no other: only for a producer beside it")
    cursor_topic: str = Field(
        "vitals-producer-cursor", description="compacted; of one source table, so a producer beside it needs its own"
    )


class Kafka(Frozen):
    """Broker addresses and retention."""

    bootstrap_servers: str | None = Field(None, description="default: the embedded broker")
    replication_factor: int = 1
    retention_hours: int = 168
    flush_each_write: bool = Field(
        False, description="the embedded broker has each write on the disk before it answers: outlives a power cut"
    )


class Hadoop(Frozen):
    """HDFS, Hive and HBase addresses; the defaults are the embedded servers."""

    default_fs: str | None = None
    webhdfs_url: str | None = None
    user: str = "root"
    metastore_uri: str | None = None
    hiveserver2_host: str = "127.0.0.1"
    hiveserver2_port: int | None = None
    hbase_thrift_host: str = "127.0.0.1"
    hbase_thrift_port: int | None = None
    hbase_timeout_ms: int = 5000
    warehouse: str = Field("/wardwatch", description="everything of ours on HDFS lies below this directory")

    @model_validator(mode="after")
    def _host_with_port(self) -> Hadoop:
        """By the port we know that a server is not to be started here."""
        for server in ("hiveserver2", "hbase_thrift"):
            if f"{server}_host" in self.model_fields_set and getattr(self, f"{server}_port") is None:
                raise ValueError(f"{server}_host without {server}_port: set both, or neither for the embedded server")
        return self


class Spark(Frozen):
    """Spark masters and intervals."""

    master: str | None = Field(None, description="default: local[N], N chosen by each job")
    driver_memory: str = "768m"
    optimising_compiler: bool = Field(
        False,
        description="true lets drivers use the C2 compiler: for a large ward on a machine with cores to spare",
    )
    landing_interval_seconds: int = 30
    landing_max_offsets: int = 500_000
    realtime_epoch_seconds: int = Field(
        60,
        description="detection stands still for a moment at the end of each; what was judged since is judged again "
        "after a crash, an edited threshold or fresh contacts",
    )
    patients_broadcast_max: int = 20_000
    checkpoint_batches: int = Field(100, ge=10, description="so many of its newest batches a checkpoint keeps")
    extra: dict[str, str] = Field(default_factory=dict, description="further Spark properties, as they are")


class Readings(Frozen):
    """Which readings are believed."""

    max_future_seconds: int = Field(300, description="a reading from further ahead is rejected")
    max_age_days: int = Field(30, description="an older reading is rejected")
    least_signal_quality: float = Field(
        20,
        ge=0,
        le=100,
        description="per cent below which values of electrodes and probes are stored and not judged; 0 judges all",
    )


class Derivation(Frozen):
    """Vitals that are computed from others."""

    interval_seconds: int = Field(10, description="a score and a mean for each patient with new readings, so often")
    partitions: int = Field(2, description="parts of the state; cannot be changed once there is a checkpoint")
    late_seconds: int = Field(300, ge=60, description="how late a reading may be and still count in a rolling mean")
    fresh_seconds: int = Field(300, description="how long a measured input of NEWS2 counts")
    fresh_observation_seconds: int = Field(43_200, description="the same for consciousness and oxygen")
    remember_seconds: int = Field(
        86_400,
        description="an input of NEWS2 is kept at least so long, and forgotten after three times that; not less than "
        "the two above. After a change, scores begin without what was observed before",
    )

    @model_validator(mode="after")
    def _remembers_what_counts(self) -> Derivation:
        if self.remember_seconds < max(self.fresh_seconds, self.fresh_observation_seconds):
            raise ValueError(
                f"derivation.remember_seconds is {self.remember_seconds}: an input that still counts would be "
                "forgotten. Make it at least fresh_seconds and fresh_observation_seconds."
            )
        return self


class Alerts(Frozen):
    """Email through SNS."""

    sns_endpoint_url: str | None = Field(None, description="default: the embedded SNS; `aws` means the real one")
    aws_region: str = "eu-west-1"
    doctors_topic: str = "doctor-alerts"
    watchdog_topic: str = Field("wardwatch-watchdog", description="no person's; the name of its queue too")
    ops_topic: str = "ops-alerts"
    group_seconds: int = Field(30, ge=0, description="news of one patient within this time is one mail")
    reminder_seconds: int = Field(300, ge=1, description="the first reminder; each next one waits twice as long")
    reminder_longest_seconds: int = 3600
    escalation_seconds: tuple[int, ...] = Field(
        (300, 600), max_length=2, description="an unacknowledged high alarm is told to the next level after so long"
    )
    discharges_seconds: float = Field(10, gt=0, description="how often it is asked who was discharged")
    emailed_severities: tuple[str, ...] = ("high", "medium")
    pipeline_late_seconds: float = Field(60, ge=15, description="no reading of anybody for longer: one alarm, to ops")
    expected_seconds: dict[str, Annotated[float, Field(gt=0, allow_inf_nan=False)]] = Field(
        default_factory=dict,
        description="attribute -> how often a device sends it; three times that without one: its signal is lost. At "
        "least every 60 s: a high value waits for a second one, and an alarm for 30 s of values inside",
    )
    battery_low_percent: float = Field(15, ge=0, le=90, description="a monitor below it alarms technically; 0: none")
    publish_per_second: float = Field(8, description="SNS suspends an email endpoint above 10 messages a second")
    merge_after_seconds: float = Field(
        5, ge=0, description="mails are merged when more wait than go out in it: one of its own is read faster"
    )
    publish_timeout_seconds: float = 5
    display_time_zone: str = "UTC"
    content: str = Field("full", pattern="^(full|minimal)$", description="minimal leaves out direct identifiers")
    ops_email: str = "ops@wardwatch.example"
    sender: str = "no-reply@wardwatch.example"
    public_base_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$",
        description="where doctors reach the acknowledge page, for the links in mails. Default: with the embedded SNS "
        "the page of this machine, which only this machine can open; with the real SNS no page and no links",
    )
    acknowledge_page_host: str = Field("127.0.0.1", description="where the page listens; TLS is for a proxy before it")
    acknowledge_link_hours: float = Field(24, gt=0, le=720, description="how long the link in a mail holds")


class Thresholds(Frozen):
    """The HBase table of limits."""

    table: str = "threshold_reference"
    settle_seconds: float = Field(2, description="a table must be unchanged for this long before it comes into force")
    poll_seconds: float = 1


class Dashboard(Frozen):
    """The ward page."""

    host: str = Field("127.0.0.1", description="where the page listens; TLS is for a proxy before it")
    public_base_url: str | None = Field(
        None, pattern=r"^https?://[^\s/?#]+$", description="where people reach it through a proxy, for example with TLS"
    )
    session_hours: float = Field(12, gt=0, le=168, description="a login holds for so long at most")
    idle_minutes: float = Field(60, gt=0, description="and for so long after the last act of its user")
    session_look_seconds: float = Field(15, gt=0, description="how often an open page asks whether its login lasts")
    stale_seconds: float = Field(10, ge=2, description="no reading of anybody for longer: the page says it is old")


class Recent(Frozen):
    """Recent readings in HBase, for pages. A changed number of days holds for tables that are created after it."""

    readings_table: str = "recent_vitals"
    minutes_table: str = "vitals_by_minute"
    readings_days: int = Field(7, ge=1, description="every reading and computed value is kept for so long")
    minutes_days: int = Field(90, ge=1, description="lowest, mean and highest value of each minute")
    max_per_second: int = Field(2000, ge=1, description="messages are written at this pace at most; the others wait")


class Streams(Frozen):
    """When the watch over the streams finds one in trouble."""

    max_silence_seconds: float = Field(120, description="longer without progress: restarted, and ops are told")
    max_start_seconds: float = Field(600, description="no progress for longer since its start: restarted again")
    restart_grace_seconds: float = Field(150, description="how long the watch waits for a silent stream to come back")
    max_backlog_seconds: float = Field(600, description="a backlog that has not shrunk for longer: ops are told")
    max_stuck_seconds: float = Field(3600, description="nothing of a backlog handled for longer: restarted")
    min_backlog_records: int = Field(10_000, description="fewer waiting records are not a backlog")
    max_watchdog_seconds: float = Field(240, description="no watchdog through the alarm path for longer: ops are told")
    max_unwatched_seconds: float = Field(600, gt=0, description="no watchdog sent for longer: the engine tells ops")


class Retention(Frozen):
    """How long what would grow for ever is kept, by the daily housekeeping or (notes of what was sent again) by Kafka.
    Readings in Hive are kept until you drop them."""

    alarms_days: int = Field(400, ge=1, description="alarms that are over, their audit trail and their mails")
    threshold_snapshots_days: int = Field(800, ge=1, description="the one in force is always kept")
    airflow_days: int = Field(30, ge=2, description="Airflow's runs and task logs")
    inbox_days: int = Field(30, ge=1, description="mails of the embedded inbox")
    set_aside_days: int = Field(
        30, ge=1, description="a checkpoint of topics that were made anew; removed when its stream starts"
    )
    sent_again_days: int = Field(
        400, ge=1, description="that a row or dead letter was sent again; not less than `kafka.retention_hours`"
    )
    page_audit_days: int = Field(
        3650, ge=30, description="who looked at which patient in the ward page, or changed what"
    )


class Settings(BaseSettings):
    """All settings. `load_settings()` builds it once a process."""

    model_config = SettingsConfigDict(
        env_prefix="WARDWATCH_",
        env_nested_delimiter="__",
        toml_file=CONFIG_FILE,
        frozen=True,
        extra="forbid",
    )

    tools_dir: RootedPath = Field(PROJECT_ROOT / ".ward", description="downloads: environment, jars, node modules")
    state_dir: RootedPath = Field(PROJECT_ROOT / ".ward" / "state", description="data, logs and secrets of the stack")
    port_offset: int = 0
    ports: Ports = Ports()
    start_retry_seconds: float = Field(60, description="how long a stream tries to reach a server before it exits")
    metrics_host: str = "127.0.0.1"
    log_level: LogLevel = Field("INFO", description="what streams log, and above")
    log_megabytes: int = Field(20, ge=1, description="each program's log is put aside at so much")
    log_backups: int = Field(2, ge=0, description="so many logs that were put aside are kept")

    mysql: MySQL = MySQL()
    source: Source = Source()
    contacts: Contacts = Contacts()
    producer: Producer = Producer()
    kafka: Kafka = Kafka()
    hadoop: Hadoop = Hadoop()
    spark: Spark = Spark()
    readings: Readings = Readings()
    derivation: Derivation = Derivation()
    alerts: Alerts = Alerts()
    thresholds: Thresholds = Thresholds()
    dashboard: Dashboard = Dashboard()
    recent: Recent = Recent()
    streams: Streams = Streams()
    retention: Retention = Retention()

    mysql_root_password: SecretStr | None = None
    reader_password: SecretStr | None = None
    devices_password: SecretStr | None = None
    alerts_password: SecretStr | None = None
    metastore_password: SecretStr | None = None
    postgres_password: SecretStr | None = None
    airflow_admin_password: SecretStr | None = None
    airflow_viewer_password: SecretStr | None = None
    airflow_secret_key: SecretStr | None = None
    airflow_jwt_secret: SecretStr | None = None
    acknowledge_key: SecretStr | None = None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _shift_ports(self) -> Settings:
        object.__setattr__(self, "ports", self.ports.shifted(self.port_offset))
        return self

    def secret(self, name: str) -> str:
        """The secret of that name: the setting if it is given, else the file made at first start.

        Raises ConfigurationError when there is neither.
        """
        given: SecretStr | None = getattr(self, name)
        if given is not None:
            return given.get_secret_value()
        path = self.secrets_dir / name
        if not path.exists():
            raise ConfigurationError(
                f"No secret {name}: start the stack once with `./ward up`, which generates {path}, "
                f"or set WARDWATCH_{name.upper()}."
            )
        return path.read_text().strip()

    @property
    def secrets_dir(self) -> Path:
        return self.state_dir / "secrets"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "logs"

    @property
    def class_archive(self) -> Path:
        """The archive of Spark's classes, which `spark_jobs.archive_classes` makes."""
        return self.lib_dir / "spark-classes" / "classes.jsa"

    @property
    def lib_dir(self) -> Path:
        """Jars, one directory a server."""
        return self.tools_dir / "lib"

    @property
    def mysql_port(self) -> int:
        return self.mysql.port or self.ports.mysql

    @property
    def bootstrap_servers(self) -> str:
        return self.kafka.bootstrap_servers or f"127.0.0.1:{self.ports.kafka}"

    @property
    def default_fs(self) -> str:
        return self.hadoop.default_fs or f"hdfs://localhost:{self.ports.namenode}"

    @property
    def webhdfs_url(self) -> str:
        return self.hadoop.webhdfs_url or f"http://localhost:{self.ports.namenode_http}"

    @property
    def metastore_uri(self) -> str:
        return self.hadoop.metastore_uri or f"thrift://localhost:{self.ports.metastore}"

    @property
    def hiveserver2_port(self) -> int:
        return self.hadoop.hiveserver2_port or self.ports.hiveserver2

    @property
    def hbase_thrift_port(self) -> int:
        return self.hadoop.hbase_thrift_port or self.ports.hbase_thrift

    @property
    def sns_endpoint_url(self) -> str | None:
        """Endpoint of SNS, or None for the real one."""
        if self.alerts.sns_endpoint_url == "aws":
            return None
        return self.alerts.sns_endpoint_url or f"http://127.0.0.1:{self.ports.sns}"

    @property
    def embedded_email(self) -> bool:
        """True when the embedded SNS stands in, which needs the mailer."""
        return self.alerts.sns_endpoint_url is None

    @property
    def acknowledge_base_url(self) -> str | None:
        """Start of the links in mails, without a slash at its end; None: mails carry none, and no page is served."""
        if self.alerts.public_base_url is not None:
            return self.alerts.public_base_url.rstrip("/")
        if not self.embedded_email:
            return None
        return f"http://{self.alerts.acknowledge_page_host}:{self.ports.acknowledge_page}"

    def hdfs_path(self, *parts: str) -> str:
        """Path on HDFS below the warehouse, without the file system's name."""
        return "/".join([self.hadoop.warehouse, *parts])

    def hdfs_uri(self, *parts: str) -> str:
        """The same with the file system's name."""
        return self.default_fs + self.hdfs_path(*parts)


@functools.cache
def load_settings() -> Settings:
    """The settings of this process. Raises ConfigurationError naming each wrong setting, or the file or variable that
    cannot be read."""
    from pydantic import ValidationError

    if "WARDWATCH_CONFIG" in os.environ:
        if not CONFIG_FILE.is_file():
            raise ConfigurationError(f"WARDWATCH_CONFIG names {CONFIG_FILE}, and there is no such file.")
        # What is started from here in a directory of its own is to read the same file.
        os.environ["WARDWATCH_CONFIG"] = str(CONFIG_FILE)
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"Settings ({CONFIG_FILE} or WARDWATCH_… variables): {wrong}") from error
    except SettingsError as error:
        raise ConfigurationError(f"A WARDWATCH_… variable is not the JSON that it should be: {error}.") from error
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"Settings ({CONFIG_FILE}) cannot be read: {error}.") from error
