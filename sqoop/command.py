"""Running Sqoop 1.4.7: its command line, the files that it needs for a moment, and its output.

Sqoop gets everything on the command line except the password, which it reads from a file of mode 600. Whatever it
writes locally (password, trust store, job files) lies in one directory of the run, removed afterwards. Only the class
that it generates and compiles for the rows is kept for the next import.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from infra.errors import ConfigurationError, WardError
from infra.java import COMMON_FLAGS, QUICK_COMPILER, java_program
from infra.render import run_dir
from infra.settings import Settings

SQOOP_HEAP = "512m"
SQOOP_TIMEOUT_SECONDS = 3600.0
LOOK_SECONDS = 0.5
GIVEN_UP = "Failed to createOutputCommitter"
"""Hadoop's LocalJobRunner says so, at level INFO, when it loses the NameNode at that moment; it then ends its thread
without ending the job, for which Sqoop waits for good."""

TRUST_STORE_PASSWORD = "certificates-are-public"
"""A trust store holds public certificates only; PKCS#12 merely demands some password."""
ROW_CLASS = "ContactsRow"
LOG4J = """\
log4j.rootLogger=WARN,console
log4j.logger.org.apache.sqoop=INFO
log4j.logger.org.apache.hadoop.mapreduce.Job=INFO
log4j.logger.org.apache.hadoop.mapred.LocalJobRunner=INFO
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{1}: %m%n
"""


@dataclass(frozen=True)
class SqoopRun:
    """Where one run of Sqoop keeps its files."""

    directory: Path

    @property
    def password_file(self) -> Path:
        return self.directory / "password"

    @property
    def trust_store(self) -> Path:
        return self.directory / "trust.p12"

    @property
    def class_jar(self) -> Path:
        """Where Sqoop puts the class that it compiles."""
        return self.directory / "classes" / f"{ROW_CLASS}.jar"


@contextmanager
def sqoop_run(settings: Settings) -> Iterator[SqoopRun]:
    """A private directory (mode 700) with password file, log configuration and trust store, removed at the end.

    A crash leaves the directory; the next run removes it, since there is only one import at a time.
    """
    base = settings.state_dir / "run" / "sqoop"
    shutil.rmtree(base, ignore_errors=True)
    base.mkdir(parents=True, mode=0o700)
    run = SqoopRun(base)
    try:
        (base / "log4j.properties").write_text(LOG4J)
        descriptor = os.open(run.password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            # No newline at the end: Sqoop would take it for a part of the password.
            file.write(settings.secret("reader_password"))
        if settings.mysql.ssl_ca is not None:
            run.trust_store.write_bytes(trust_store(settings.mysql.ssl_ca))
        yield run
    finally:
        shutil.rmtree(base, ignore_errors=True)


def trust_store(ca_file: Path) -> bytes:
    """The certificates of a PEM file (RDS gives a bundle of many) as the PKCS#12 trust store that Java reads."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
    from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

    try:
        certificates = x509.load_pem_x509_certificates(ca_file.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"mysql.ssl_ca: {ca_file} is not a PEM file of certificates: {error}.") from error
    entries = [PKCS12Certificate(cert, f"ca-{number}".encode()) for number, cert in enumerate(certificates)]
    return serialize_java_truststore(entries, BestAvailableEncryption(TRUST_STORE_PASSWORD.encode()))


def jdbc_url(settings: Settings, run: SqoopRun) -> str:
    """JDBC address of the source database: UTC, utf8mb4, TLS with a verified host when `mysql.ssl_ca` is set."""
    mysql = settings.mysql
    options = {
        "connectionTimeZone": "UTC",
        "forceConnectionTimeZoneToSession": "true",
        "characterEncoding": "UTF-8",
        "connectTimeout": str(int(mysql.connect_timeout_seconds * 1000)),
        "sslMode": "DISABLED",
        "allowPublicKeyRetrieval": "true",
    }
    if mysql.ssl_ca is not None:
        options |= {
            "sslMode": "VERIFY_IDENTITY",
            "allowPublicKeyRetrieval": "false",
            "trustCertificateKeyStoreUrl": run.trust_store.as_uri(),
            "trustCertificateKeyStoreType": "PKCS12",
            "trustCertificateKeyStorePassword": TRUST_STORE_PASSWORD,
        }
    database = settings.contacts.table.partition(".")[0]
    return f"jdbc:mysql://{mysql.host}:{settings.mysql_port}/{database}?{urlencode(options)}"


def sqoop_command(settings: Settings, run: SqoopRun, query: str, columns: Iterable[str], target: str) -> list[str]:
    """The command that imports the result of `query`, all columns as text, as Parquet into `target`.

    One mapper on purpose: one SELECT is one consistent view of the table, and splitting on a text key loses rows
    where Java and MySQL order text differently.
    """
    files = run.directory
    properties = {
        "fs.defaultFS": settings.default_fs,
        "fs.permissions.umask-mode": "077",
        "hadoop.tmp.dir": str(files / "hadoop"),
        "mapreduce.framework.name": "local",
        # Only with this does Sqoop put the class that it generates on the class path of the local job.
        "mapreduce.jobtracker.address": "local",
        "mapreduce.cluster.local.dir": str(files / "mapred"),
        "mapreduce.jobtracker.staging.root.dir": str(files / "staging"),
    }
    names = tuple(columns)
    text_columns = ",".join(f"{name}=String" for name in names)
    kept = kept_class_jar(settings, names)
    # fmt: off
    return [
        java_program(), f"-Xmx{SQOOP_HEAP}", *COMMON_FLAGS, *QUICK_COMPILER,
        "--add-opens=java.base/java.lang=ALL-UNNAMED", f"-Djava.io.tmpdir={files}",
        "-cp", f"{files}:{sqoop_lib(settings)}/*",
        "org.apache.sqoop.Sqoop", "import",
        *(f"-D{name}={value}" for name, value in properties.items()),
        "--connect", jdbc_url(settings, run),
        "--username", settings.mysql.reader_user,
        "--password-file", run.password_file.as_uri(),
        "--query", query,
        "--map-column-java", text_columns,
        "--target-dir", target,
        "--as-parquetfile",
        "--num-mappers", "1",
        "--class-name", ROW_CLASS,
        *(("--jar-file", str(kept)) if kept.exists() else ("--bindir", str(run.class_jar.parent))),
        "--outdir", str(files / "sources"),
    ]
    # fmt: on


def kept_class_jar(settings: Settings, columns: Iterable[str]) -> Path:
    """Where the class for rows of these columns, all of them text, is kept: compiling it takes a second or two.

    The name says what it was made of, and by which Sqoop.
    """
    made_of = [*columns, *sorted(jar.name for jar in sqoop_lib(settings).glob("sqoop-*.jar"))]
    digest = hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
    return run_dir(settings) / "sqoop-classes" / f"{digest}.jar"


def sqoop_lib(settings: Settings) -> Path:
    """Directory of Sqoop's jars. Raises ConfigurationError when they are not installed."""
    lib = settings.lib_dir / "sqoop"
    if not any(lib.glob("sqoop-*.jar")):
        raise ConfigurationError(f"Sqoop is not installed in {lib}: run `./ward up` once, which fetches it.")
    return lib


def run_sqoop(
    settings: Settings, run: SqoopRun, query: str, columns: Iterable[str], target: str, output: IO[bytes]
) -> None:
    """Run one import to its end; Sqoop's own messages go to `output`.

    Success here means only that Sqoop said so: the caller counts what arrived. Raises WardError otherwise; what was
    written to `target` by then is not to be used.
    """
    names = tuple(columns)
    command = sqoop_command(settings, run, query, names, target)
    environment = {
        **{name: os.environ[name] for name in ("PATH", "JAVA_HOME", "LANG") if name in os.environ},
        "HADOOP_MAPRED_HOME": str(sqoop_lib(settings)),
        "HADOOP_USER_NAME": settings.hadoop.user,
        "HOME": str(run.directory),
    }
    start = os.fstat(output.fileno()).st_size

    def said() -> str:
        with Path(output.name).open("rb") as file:
            file.seek(start)
            return file.read().decode(errors="replace")

    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, cwd=run.directory
    ) as process:
        try:
            status = _end_of(process, said)
        except BaseException:
            process.kill()
            raise
    kept = kept_class_jar(settings, names)
    if status != 0:
        kept.unlink(missing_ok=True)  # the next attempt compiles, in case it was that
        raise WardError(f"Sqoop ended with status {status}: {first_error(said())}. All it said is in {output.name}.")
    if not kept.exists():
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        run.class_jar.replace(kept)


def _end_of(process: subprocess.Popen[bytes], said: Callable[[], str]) -> int:
    """Its status. Raises WardError, with Sqoop still there, when it will not end or has not ended in time."""
    deadline = time.monotonic() + SQOOP_TIMEOUT_SECONDS
    while True:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(LOOK_SECONDS)
        _, given_up, after = said().partition(GIVEN_UP)
        if given_up:
            reason = next(iter(after.strip().splitlines()), "it gave no reason")
            raise WardError(f"Sqoop was stopped: its job had ended before it began, by {reason.strip()}")
        if time.monotonic() > deadline:
            raise WardError(f"Sqoop was stopped: it had not finished after {SQOOP_TIMEOUT_SECONDS:.0f} s.")


def first_error(text: str) -> str:
    """The first error in Sqoop's output, without its time and class."""
    found = re.search(r"^\S+ \S+ (?:ERROR|FATAL) \S+: (.+)$", text, re.MULTILINE)
    return found.group(1).strip().rstrip(".") if found else "it gave no reason"
