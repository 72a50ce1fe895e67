"""One factory per kind of client. Nothing connects at import or in a constructor of ours.

Every factory raises UnavailableError, naming the server and its address, when the server cannot be reached.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pymysql
import structlog
from pymysql.connections import Connection
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from infra.errors import ConfigurationError, UnavailableError, WardError
from infra.settings import Settings

HDFS_TIMEOUT_SECONDS = 60.0
DATANODE_REQUEST = "namenoderpcaddress="
"""In the address to which the NameNode sends those who want to read or write a file's content."""

GATEWAY_ERRORS = (502, 503, 504)
NOT_NOW = ("SafeModeException", "RetriableException", "StandbyException")
"""With these a NameNode refuses what it would do at another time."""

T = TypeVar("T")
log = structlog.get_logger(part="clients")


def with_retries(settings: Settings, action: Callable[[], T]) -> T:
    """`action`, tried again with growing pauses for `start_retry_seconds` while it raises UnavailableError.

    Each retry is logged with the server's name; the last UnavailableError is raised on.
    """

    def say(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        log.warning("retrying", attempt=state.attempt_number, reason=str(error))

    for attempt in Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_delay(settings.start_retry_seconds),
        wait=wait_exponential(multiplier=0.5, max=5),
        before_sleep=say,
        reraise=True,
    ):
        with attempt:
            return action()
    raise AssertionError("unreachable")


def mysql_connection(settings: Settings, user: str, password: str, **options: Any) -> Connection[Any]:
    """A MySQL connection in UTC, autocommit on unless `options` say otherwise.

    With `mysql.ssl_ca` TLS is required and verified. Without it TLS is used if the server offers it, but not on the
    loopback: there it protects nothing, and each connection costs some fifty times as much processor time.
    Raises ConfigurationError when that file holds no certificates.
    """
    tls = _mysql_tls(settings.mysql.ssl_ca) if settings.mysql.ssl_ca else None
    arguments: dict[str, Any] = {
        "host": settings.mysql.host,
        "port": settings.mysql_port,
        "user": user,
        "password": password,
        "charset": "utf8mb4",
        "autocommit": True,
        "connect_timeout": settings.mysql.connect_timeout_seconds,
        "read_timeout": settings.mysql.read_timeout_seconds,
        "init_command": "SET time_zone = '+00:00'",
        "ssl": tls,
        "ssl_disabled": tls is None and settings.mysql.is_local,
        **options,
    }
    try:
        return pymysql.connect(**arguments)
    except pymysql.err.OperationalError as error:
        raise UnavailableError("MySQL", f"{settings.mysql.host}:{settings.mysql_port}", error) from error


def _mysql_tls(ca_file: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:  # as are those of ssl
        raise ConfigurationError(f"mysql.ssl_ca: {ca_file} is not a PEM file of certificates: {error}.") from error


def reader_connection(settings: Settings, **options: Any) -> Connection[Any]:
    """MySQL as the user who may only SELECT on the source tables."""
    return mysql_connection(settings, settings.mysql.reader_user, settings.secret("reader_password"), **options)


def devices_connection(settings: Settings, **options: Any) -> Connection[Any]:
    """MySQL as the bedside devices (and the ward simulator): may change the source tables."""
    return mysql_connection(settings, settings.mysql.devices_user, settings.secret("devices_password"), **options)


def alerts_connection(settings: Settings, **options: Any) -> Connection[Any]:
    """MySQL as the alert engine: owns the alerts database, sees nothing else."""
    return mysql_connection(
        settings,
        settings.mysql.alerts_user,
        settings.secret("alerts_password"),
        **{"database": settings.mysql.alerts_database, **options},
    )


def kafka_config(settings: Settings, **extra: Any) -> dict[str, Any]:
    """The configuration that every confluent-kafka client of ours shares."""
    return {"bootstrap.servers": settings.bootstrap_servers, "broker.address.family": "v4", **extra}


@contextmanager
def hbase_connection(settings: Settings) -> Iterator[Any]:
    """A fresh happybase connection, thrown away afterwards.

    After any exception a happybase connection answers with other requests' results, so it is never used again.
    """
    import happybase
    from thriftpy2.thrift import TException

    address = f"{settings.hadoop.hbase_thrift_host}:{settings.hbase_thrift_port}"
    try:
        connection = happybase.Connection(
            settings.hadoop.hbase_thrift_host,
            settings.hbase_thrift_port,
            timeout=settings.hadoop.hbase_timeout_ms,
        )
    except (TException, OSError) as error:
        raise UnavailableError("HBase Thrift", address, error) from error
    try:
        yield connection
    except (TException, OSError) as error:
        raise UnavailableError("HBase Thrift", address, error) from error
    finally:
        connection.close()


def hive_connection(settings: Settings, answer_seconds: float | None = None, **options: Any) -> Any:
    """A PyHive (DB-API) connection to HiveServer2. DATE comes back as text.

    `answer_seconds`: how long each answer may take; without it a query may run for hours, and a server that hangs is
    waited for.
    """
    from pyhive import hive
    from thrift.transport.TSocket import TSocket
    from thrift.transport.TTransport import TTransportException
    from thrift_sasl import TSaslClientTransport

    host, port, user = settings.hadoop.hiveserver2_host, settings.hiveserver2_port, settings.hadoop.user
    socket = TSocket(host, port)
    if answer_seconds is not None:
        socket.setTimeout(answer_seconds * 1000)

    def login() -> Any:
        # HiveServer2 asks for no password; SASL only demands that there is one.
        return hive.get_installed_sasl(host=host, sasl_auth="PLAIN", username=user, password="unused")

    try:
        return hive.Connection(username=user, thrift_transport=TSaslClientTransport(login, "PLAIN", socket), **options)
    except (TTransportException, OSError) as error:
        raise UnavailableError("HiveServer2", f"{host}:{port}", error) from error


def hdfs(settings: Settings) -> Any:
    """HDFS over WebHDFS, as an fsspec file system (`ls`, `open`, `mv`, `rm`, `exists`, `makedirs`).

    `mv` within HDFS is atomic; writing a file is not: write to a temporary name, then `mv`. Calls raise
    UnavailableError when a NameNode or DataNode does not answer or not now, FileNotFoundError, PermissionError, and
    RuntimeError for other refusals.
    """
    from urllib.parse import urlparse

    from fsspec.implementations.webhdfs import WebHDFS

    url = urlparse(settings.webhdfs_url)
    files = WebHDFS(host=url.hostname, port=url.port, user=settings.hadoop.user, skip_instance_cache=True)
    files.session.mount(f"{url.scheme}://", _hdfs_adapter())
    return files


def _hdfs_adapter() -> Any:
    """How HDFS is spoken to: bounded in time, and with a DataNode's refusals told as errors.

    fsspec takes the page on which a DataNode says that it cannot read a file for the content of that file.
    """
    from urllib.parse import urlparse

    import requests
    from requests.adapters import HTTPAdapter

    class Adapter(HTTPAdapter):
        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            url = urlparse(request.url)
            address = f"{url.scheme}://{url.netloc}"
            try:
                answer = super().send(request, *arguments, **{**options, "timeout": HDFS_TIMEOUT_SECONDS})
                if not options.get("stream"):
                    _ = answer.content  # read here, where it may break off
            except requests.RequestException as error:
                raise UnavailableError("HDFS", address, type(error).__name__) from error
            if DATANODE_REQUEST in request.url and not answer.ok:
                if answer.status_code == requests.codes.not_found:
                    raise FileNotFoundError(url.path)
                raise UnavailableError("HDFS", address, f"status {answer.status_code} for {url.path}")
            if answer.status_code in GATEWAY_ERRORS:
                raise UnavailableError("HDFS", address, f"status {answer.status_code}")
            if not answer.ok and (busy := next((word for word in NOT_NOW if word in answer.text), None)):
                raise UnavailableError("HDFS", address, f"the NameNode says {busy}")
            return answer

    return Adapter()


def hdfs_rename(files: Any, source: str, target: str) -> None:
    """Move a file or directory atomically within HDFS.

    Raises WardError when HDFS did not: WebHDFS answers a refused rename with success.
    """
    files.mv(source, target)
    if not files.exists(target) or files.exists(source):
        raise WardError(f"HDFS did not rename {source} to {target}: check its space and permissions.")


def aws_client(settings: Settings, service: str) -> Any:
    """A boto3 client of `sns` or `sqs`: the embedded stand-in unless `alerts.sns_endpoint_url` is `aws`.

    It asks once, for at most `publish_timeout_seconds`; trying again is the caller's.
    """
    import boto3
    from botocore.config import Config

    timeout = settings.alerts.publish_timeout_seconds
    embedded = {"aws_access_key_id": "embedded", "aws_secret_access_key": "embedded"}
    return boto3.client(
        service,
        region_name=settings.alerts.aws_region,
        endpoint_url=settings.sns_endpoint_url,
        config=Config(connect_timeout=timeout, read_timeout=timeout, retries={"total_max_attempts": 1}),
        **(embedded if settings.embedded_email else {}),
    )
