"""Spark Thrift Server, the peer of HiveServer2: it comes with pyspark and reads the same metastore and files.

It runs as Spark's own documentation starts it, on as many cores as HiveServer2 has and with a larger heap, with Spark's
defaults for its compiler.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark

from infra.errors import WardError
from infra.settings import Settings
from infra.waiting import wait_for
from spark_jobs.session import LOOPBACK, spark_properties

MAIN = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
MASTER, MEMORY = "local[2]", "1g"
READY_SECONDS, STOP_SECONDS = 180.0, 20.0
LOG_SHOWN = 800


@contextmanager
def spark_thrift_server(settings: Settings) -> Iterator[Settings]:
    """The settings of a client of the server, which runs until the end of the block.

    Raises WardError with the end of its log when it does not start.
    """
    directory = settings.state_dir / "bench" / "spark-thrift"
    directory.mkdir(parents=True, exist_ok=True)
    port, log = _free_port(), directory / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            _command(settings, port, directory),
            cwd=directory,
            env={**os.environ, "SPARK_LOCAL_IP": LOOPBACK, "HADOOP_USER_NAME": settings.hadoop.user},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if not wait_for(lambda: process.poll() is not None or _listens(port), READY_SECONDS, 0.5) or process.poll():
            raise WardError(f"Spark Thrift Server did not start: {log.read_text(errors='replace')[-LOG_SHOWN:]}")
        hadoop = {"hiveserver2_host": LOOPBACK, "hiveserver2_port": port}
        yield settings.model_copy(update={"hadoop": settings.hadoop.model_copy(update=hadoop)})
    finally:
        _end(process)


def _command(settings: Settings, port: int, directory: Path) -> list[str]:
    generous = {"optimising_compiler": True, "driver_memory": MEMORY}
    own = settings.model_copy(update={"spark": settings.spark.model_copy(update=generous)})
    properties = spark_properties(own, MASTER, flags="") | {
        "spark.sql.catalogImplementation": "hive",
        "spark.hadoop.hive.server2.thrift.bind.host": LOOPBACK,
        "spark.hadoop.hive.server2.thrift.port": str(port),
        "spark.hadoop.hive.exec.scratchdir": str(directory / "scratch"),
    }
    file = directory / "spark.properties"
    file.write_text("".join(f"{name} {value}\n" for name, value in properties.items()), encoding="utf-8")
    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    return [str(submit), "--properties-file", str(file), "--class", MAIN, "spark-internal"]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((LOOPBACK, 0))
        return int(one.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex((LOOPBACK, port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    begun = time.monotonic()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(max(1.0, STOP_SECONDS - (time.monotonic() - begun)))
