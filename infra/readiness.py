"""How each server is known to do its work, not merely to listen. Every check raises UnavailableError until then."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

import requests

from infra.clients import hbase_connection, hive_connection, kafka_config, mysql_connection
from infra.errors import UnavailableError
from infra.settings import Settings

TIMEOUT_SECONDS = 5
HIVE_ANSWER_SECONDS = 10.0
READINESS_TABLE = "wardwatch_readiness"

# The Thrift libraries print every refused connection; while a server starts, that is what is expected.
logging.getLogger("thrift").setLevel(logging.CRITICAL)
logging.getLogger("pyhive").setLevel(logging.CRITICAL)


def _get_json(server: str, url: str) -> Any:
    try:
        answer = requests.get(url, timeout=TIMEOUT_SECONDS)
        answer.raise_for_status()
        return answer.json()
    except (requests.RequestException, ValueError) as error:
        raise UnavailableError(server, url, error) from error


def mariadb(settings: Settings) -> None:
    """The last account of the init file can log in and query."""
    user, password = settings.mysql.metastore_user, settings.secret("metastore_password")
    with mysql_connection(settings, user, password) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def kafka(settings: Settings) -> None:
    """The broker answers a metadata request and knows its controller."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    silent = kafka_config(settings, **{"log_level": 0, "socket.timeout.ms": 3000})
    try:
        metadata = AdminClient(silent).list_topics(timeout=3)
    except KafkaException as error:
        raise UnavailableError("Kafka", settings.bootstrap_servers, error) from error
    if metadata.controller_id < 0 or not metadata.brokers:
        raise UnavailableError("Kafka", settings.bootstrap_servers, "no controller yet")


def namenode_bean(settings: Settings, name: str) -> dict[str, Any]:
    """What the NameNode says of itself under that name. Raises UnavailableError, while it starts too."""
    answer = _get_json("HDFS", f"{settings.webhdfs_url}/jmx?qry=Hadoop:service=NameNode,name={name}")
    if not answer["beans"]:
        raise UnavailableError("HDFS", settings.webhdfs_url, "the NameNode is still starting")
    bean: dict[str, Any] = answer["beans"][0]
    return bean


def namenode(settings: Settings) -> None:
    """The NameNode has loaded its image and answers a file system request."""
    namenode_bean(settings, "FSNamesystemState")
    url = f"{settings.webhdfs_url}/webhdfs/v1/?op=GETFILESTATUS&user.name={settings.hadoop.user}"
    _get_json("HDFS", url)


def datanode(settings: Settings) -> None:
    """HDFS can be written: the DataNode serves its block pool, the NameNode counts it, and safe mode is over.

    The NameNode alone does not know: it counts a stopped DataNode as live for ten more minutes.
    """
    url = f"http://127.0.0.1:{settings.ports.datanode_http}"
    beans = _get_json("HDFS", f"{url}/jmx?qry=Hadoop:service=DataNode,name=DataNodeInfo")["beans"]
    actors = json.loads(beans[0].get("BPServiceActorInfo", "[]")) if beans else []
    if not any(actor["ActorState"] == "RUNNING" for actor in actors):
        raise UnavailableError("HDFS", url, "the DataNode has not joined the NameNode yet")
    if namenode_bean(settings, "FSNamesystemState").get("NumLiveDataNodes", 0) < 1:
        raise UnavailableError("HDFS", settings.webhdfs_url, "no live DataNode")
    if namenode_bean(settings, "NameNodeInfo").get("Safemode", "unknown"):
        raise UnavailableError("HDFS", settings.webhdfs_url, "still in safe mode")


def hbase(settings: Settings) -> None:
    """The master is active and has a region server."""
    url = f"http://127.0.0.1:{settings.ports.hbase_master_http}"
    beans = _get_json("HBase", f"{url}/jmx?qry=Hadoop:service=HBase,name=Master,sub=Server")["beans"]
    if not beans or beans[0].get("tag.isActiveMaster") != "true" or beans[0].get("numRegionServers", 0) < 1:
        raise UnavailableError("HBase", url, "no active master with a region server")


def hbase_thrift(settings: Settings) -> None:
    """A table can be created (the first time) and scanned; a list of tables is answered long before that."""
    with hbase_connection(settings) as connection:
        # happybase makes this module when it is imported.
        from Hbase_thrift import AlreadyExists
        from Hbase_thrift import IOError as HbaseError

        try:
            if READINESS_TABLE.encode() not in connection.tables():
                connection.create_table(READINESS_TABLE, {"t": {}})
            connection.table(READINESS_TABLE).put(b"ready", {b"t:ready": b"1"})
            next(iter(connection.table(READINESS_TABLE).scan(limit=1)))
        except (AlreadyExists, HbaseError) as error:
            address = f"{settings.hadoop.hbase_thrift_host}:{settings.hbase_thrift_port}"
            raise UnavailableError("HBase", address, error.message) from error


def metastore(settings: Settings) -> None:
    """The metastore answers a Thrift call."""
    from urllib.parse import urlparse

    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TApplicationException, TMessageType, TType
    from thrift.transport import TSocket, TTransport

    address = urlparse(settings.metastore_uri)
    socket = TSocket.TSocket(address.hostname, address.port)
    socket.setTimeout(TIMEOUT_SECONDS * 1000)
    transport = TTransport.TBufferedTransport(socket)
    protocol = TBinaryProtocol(transport)
    try:
        transport.open()
        protocol.writeMessageBegin("get_all_databases", TMessageType.CALL, 0)
        protocol.writeStructBegin("get_all_databases_args")
        protocol.writeFieldStop()
        protocol.writeStructEnd()
        protocol.writeMessageEnd()
        transport.flush()
        _name, kind, _sequence = protocol.readMessageBegin()
        if kind == TMessageType.EXCEPTION:
            failure = TApplicationException()
            failure.read(protocol)
            raise UnavailableError("Hive metastore", settings.metastore_uri, failure)
        protocol.skip(TType.STRUCT)
    except (TTransport.TTransportException, OSError, EOFError) as error:
        raise UnavailableError("Hive metastore", settings.metastore_uri, error) from error
    finally:
        transport.close()


def hiveserver2(settings: Settings) -> None:
    """HiveServer2 answers a statement that goes through to the metastore; it hangs when the metastore does."""
    from pyhive.exc import Error
    from thrift.transport.TTransport import TTransportException

    connection: Any = None
    try:
        connection = hive_connection(settings, answer_seconds=HIVE_ANSWER_SECONDS)
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES")
        cursor.fetchall()
    except (Error, TTransportException, OSError) as error:
        raise UnavailableError(
            "HiveServer2", f"{settings.hadoop.hiveserver2_host}:{settings.hiveserver2_port}", error
        ) from error
    finally:
        with suppress(Exception):  # what is left of an answer that came too late may be anything
            connection.close()


def sns(settings: Settings) -> None:
    """The SNS stand-in answers."""
    url = f"http://127.0.0.1:{settings.ports.sns}/moto-api/data.json"
    _get_json("SNS", url)


def inbox(settings: Settings) -> None:
    """The inbox lists its mails and its SMTP port greets."""
    import smtplib

    _get_json("the inbox", f"http://127.0.0.1:{settings.ports.inbox}/api/email")
    try:
        with smtplib.SMTP("127.0.0.1", settings.ports.smtp, timeout=TIMEOUT_SECONDS) as smtp:
            smtp.noop()
    except (OSError, smtplib.SMTPException) as error:
        raise UnavailableError("the inbox", f"127.0.0.1:{settings.ports.smtp}", error) from error


def postgres(settings: Settings) -> None:
    """PostgreSQL answers a query."""
    import psycopg2

    try:
        connection = psycopg2.connect(
            host="127.0.0.1",
            port=settings.ports.postgres,
            user="airflow",
            password=settings.secret("postgres_password"),
            dbname="postgres",
            connect_timeout=TIMEOUT_SECONDS,
        )
    except psycopg2.OperationalError as error:
        raise UnavailableError("PostgreSQL", f"127.0.0.1:{settings.ports.postgres}", error) from error
    connection.close()


def airflow(component: str, server: str) -> Callable[[Settings], None]:
    """A check that this component of Airflow is healthy, by a heartbeat of the process that runs now."""

    def check(settings: Settings) -> None:
        from infra.supervise import processes

        url = f"http://127.0.0.1:{settings.ports.airflow}/api/v2/monitor/health"
        state = _get_json(server, url).get(component) or {}
        beats = [datetime.fromisoformat(value) for key, value in state.items() if key.startswith("latest_") and value]
        process = processes(settings).get(server)
        started = process.started if process else 0.0
        if state.get("status") != "healthy" or any(beat.timestamp() < started for beat in beats):
            raise UnavailableError(server, url, f"status {state.get('status')}")

    return check


def stream(name: str) -> Callable[[Settings], None]:
    """A check that the stream has finished a loop."""

    def check(settings: Settings) -> None:
        from infra.metrics import metrics_port, read_state

        state = read_state(settings, name)
        if state is None or state.last_progress == 0:
            address = f"127.0.0.1:{metrics_port(settings, name)}"
            raise UnavailableError(f"The stream {name}", address, "it has not finished its first loop")

    return check
