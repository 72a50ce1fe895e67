"""How a server of the JVM is called: class path, small heap, the flags that Java 17 asks of each."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from infra.errors import ConfigurationError
from infra.render import conf_dir
from infra.settings import Settings

COMMON_FLAGS = (
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Xss512k",
    "-Duser.timezone=UTC",
    "-Djava.net.preferIPv4Stack=true",
)
QUICK_COMPILER = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=64m")
"""Starts sooner and needs less memory, at the price of peak speed that a server of this size never needs."""

FULL_COMPILER = ("-XX:ReservedCodeCacheSize=128m",)
"""For what works all day long: Kafka needs 30 % less processor time with it after three minutes, and 50 MB more."""


def _opens(*packages: str) -> tuple[str, ...]:
    return tuple(f"--add-opens={package}=ALL-UNNAMED" for package in packages)


HDFS_FLAGS = _opens("java.base/java.lang")
"""WebHDFS answers through an old JAXB that defines classes by reflection."""

HBASE_FLAGS = (
    "-Dorg.apache.hbase.thirdparty.io.netty.tryReflectionSetAccessible=true",
    "-XX:MaxDirectMemorySize=128m",
    "--add-modules=jdk.unsupported",
    *_opens(
        "java.base/java.nio",
        "java.base/sun.nio.ch",
        "java.base/java.lang",
        "java.base/jdk.internal.ref",
        "java.base/java.lang.reflect",
        "java.base/java.util",
        "java.base/java.util.concurrent",
        "java.base/jdk.internal.util.random",
    ),
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
)

HIVE_FLAGS = _opens(
    "java.base/java.lang",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/java.util.regex",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.io",
    "java.base/java.time",
    "java.base/java.lang.reflect",
    "java.sql/java.sql",
)


def java_program() -> str:
    """Path of `java`. Raises ConfigurationError when there is none."""
    found = shutil.which("java")
    if found is None:
        raise ConfigurationError("No java was found: install a JDK, version 17 or newer (openjdk-17-jdk-headless).")
    return found


def command(
    settings: Settings,
    lib: str,
    main: str,
    *arguments: str,
    heap: str,
    conf: Iterable[str] = (),
    flags: Iterable[str] = (),
    compiler: Iterable[str] = QUICK_COMPILER,
    more_jars: Iterable[str] = (),
) -> list[str]:
    """Command line of `main` on the jars of `lib`, after the configuration directories `conf` on the class path."""
    configuration = [str(conf_dir(settings) / name) for name in conf]
    jars = [str(settings.lib_dir / name / "*") for name in (lib, *more_jars)]
    class_path = ":".join(configuration + jars)
    return [java_program(), f"-Xmx{heap}", *COMMON_FLAGS, *compiler, *flags, "-cp", class_path, main, *arguments]


def metastore_command(settings: Settings, main: str, *arguments: str) -> list[str]:
    """Command line of the Hive metastore or of its schema tool."""
    logging = conf_dir(settings) / "metastore" / "metastore-log4j2.properties"
    return command(
        settings,
        "metastore",
        main,
        *arguments,
        heap="256m",
        conf=("metastore", "hadoop"),
        flags=(
            *HIVE_FLAGS,
            f"-Dlog4j.configurationFile={logging}",
            f"-Dmetastore.log4j.file={logging}",
        ),
        more_jars=("metastore/lib",),
    )
