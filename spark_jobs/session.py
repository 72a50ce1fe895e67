"""The one way to a SparkSession: UTC, the loopback, HDFS and the Hive 4 metastore."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from py4j.protocol import Py4JError
from pyspark.sql import SparkSession

from infra.errors import ConfigurationError
from infra.settings import Settings

METASTORE_VERSION = "4.0.1"
LOOPBACK = "127.0.0.1"
READ_OWN_METRICS = "--add-exports=java.management/com.sun.jmx.mbeanserver=ALL-UNNAMED"
"""Lets a driver ask its own JVM for the lag of its Kafka consumers."""

QUICK_START = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
"""Most of the processor time of a driver's first minutes goes into the optimising compiler; it pays off only later.

Without it the JVM reserves 48 MB for compiled code, which a driver fills within minutes with the classes that Spark
generates for each batch: the sweeper then throws away what is still needed, and it is interpreted and compiled again.
"""

QUIET_ARCHIVE = "-Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:class+path=off"
"""An archive of classes that is not there, or does not fit, is no error and needs no word."""

CLOSE_FILES_SOON = {
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.initial.delay.ms": "20",
    "spark.hadoop.dfs.client.block.write.locateFollowingBlock.retries": "10",
}
"""A client that closes a file before the DataNode has reported its last block waits 400 ms by default and asks again
(see HDFS-7835): a stall at each epoch, and of each file of a batch. The wait doubles each time, in all 20 s, as before
12 s."""


def spark_session(settings: Settings, app_name: str, default_master: str, short_lived: bool = False) -> SparkSession:
    """The session of this process, with Hive support; starts a JVM when there is none yet.

    `short_lived`: the job is done within minutes, so the JVM is spared its optimising compiler, whatever
    `settings.spark.optimising_compiler` says.

    `default_master` (for example `local[6]`) holds unless `settings.spark.master` names another. `settings.spark.extra`
    is applied last and wins. No server is contacted yet: the metastore and HDFS are met by the first query.

    Raises ConfigurationError when the jars are not installed.
    """
    master = settings.spark.master or default_master
    if master.startswith("local"):
        # The web page, when `spark.extra` turns it on, binds to this address and to nothing else.
        os.environ.setdefault("SPARK_LOCAL_IP", LOOPBACK)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName(app_name).master(master)
    for key, value in spark_properties(settings, master, short_lived).items():
        builder = builder.config(key, value)
    session = builder.enableHiveSupport().getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def stop_session(spark: SparkSession) -> None:
    """Stop the session; a JVM that has gone before, as when a supervisor stops the whole process group, is no error."""
    with suppress(Py4JError, OSError):
        spark.stop()


def spark_properties(
    settings: Settings, master: str, short_lived: bool = False, flags: str | None = None
) -> dict[str, str]:
    """Every Spark property that we set, for this master. Raises ConfigurationError when jars are missing.

    `flags`: for the JVM of a local driver in place of those that let it start with the archive of classes.
    """
    metastore_jars, jars = _jars(settings.lib_dir / "spark-metastore-client"), _jars(settings.lib_dir / "spark")
    java_options = f"-Duser.timezone=UTC -DHADOOP_USER_NAME={settings.hadoop.user}"
    quick_start = f" {QUICK_START}" if short_lived or not settings.spark.optimising_compiler else ""
    properties = {
        "spark.driver.memory": settings.spark.driver_memory,
        # One small heap on few cores: the serial collector needs the least memory and no threads of its own.
        "spark.driver.extraJavaOptions": f"{java_options} -XX:+UseSerialGC {READ_OWN_METRICS}{quick_start}",
        "spark.executor.extraJavaOptions": java_options,
        # A page for each driver costs memory and a port; `spark.extra` turns it on.
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # What we compare in lower case is ASCII; to load ICU's tables for it takes the first batch seconds.
        "spark.sql.icu.caseMappings.enabled": "false",
        "spark.sql.shuffle.partitions": "4",
        "spark.sql.streaming.minBatchesToRetain": str(settings.spark.checkpoint_batches),
        # Of the 100 that are kept by default, the queries of a driver need more: each batch would compile them again.
        "spark.sql.codegen.cache.maxEntries": "1000",
        # STATIC would wipe the whole table when one of its partitions is overwritten.
        "spark.sql.sources.partitionOverwriteMode": "dynamic",
        "spark.sql.warehouse.dir": settings.hdfs_uri("warehouse"),
        # The client built into Spark does not speak to a Hive 4 metastore.
        "spark.sql.hive.metastore.version": METASTORE_VERSION,
        "spark.sql.hive.metastore.jars": "path",
        "spark.sql.hive.metastore.jars.path": ",".join(jar.as_uri() for jar in metastore_jars),
        "spark.hadoop.hive.metastore.uris": settings.metastore_uri,
        "spark.hadoop.fs.defaultFS": settings.default_fs,
        **CLOSE_FILES_SOON,
    }
    if master.startswith("local"):
        # Shuffled rows and states of patients, which a killed driver leaves: the supervisor says where, and empties it.
        temporary = tempfile.gettempdir()
        archive = f"-XX:SharedArchiveFile={settings.class_archive} {QUIET_ARCHIVE}" if flags is None else flags
        properties["spark.driver.extraJavaOptions"] += f" {archive} -Djava.io.tmpdir={temporary}"
        properties |= {
            "spark.local.dir": temporary,
            "spark.driver.host": LOOPBACK,
            "spark.driver.bindAddress": LOOPBACK,
            # On the class path of the JVM itself: only such classes come from the archive.
            "spark.driver.extraClassPath": ":".join(map(str, jars)),
        }
    else:
        properties["spark.jars"] = ",".join(map(str, jars))
    return properties | settings.spark.extra


def _jars(directory: Path) -> list[Path]:
    jars = sorted(directory.glob("*.jar"))
    if not jars:
        raise ConfigurationError(f"No jars in {directory}: run `./ward up` once, which installs them.")
    return jars
