"""Everything that is installed: Debian packages, jars with Maven, the inbox with npm, Spark's classes. Each part once.

What only tests need (a browser, and axe, which judges how accessible a page is) is installed for them alone.

A part is installed beside its place and moved in when it is whole, with a stamp of what it was made of; a part whose
stamp is missing or different is installed anew. So an interrupted download is repaired by the next call.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import orjson
from rich.console import Console

from infra.errors import WardError
from infra.initialise import find_postgres, find_program, node_program
from infra.render import TEMPLATES
from infra.servers import project_environment, venv_program
from infra.settings import PROJECT_ROOT, Settings

DEBIAN_PACKAGES: dict[str, Callable[[], str]] = {
    "mariadb-server": lambda: find_program("mariadbd"),
    "postgresql": lambda: find_postgres("initdb"),
    "openjdk-17-jdk-headless": lambda: find_program("javac"),
    "maven": lambda: find_program("mvn"),
}
"""Package -> the program that shows that it is there, whoever installed it."""

TEST_PACKAGES: dict[str, Callable[[], str]] = {
    "chromium": lambda: find_program("chromium"),
    "iproute2": lambda: find_program("ss"),
    "e2fsprogs": lambda: find_program("mkfs.ext4"),
}
"""What only `./ward test` needs, in the same form."""

JAR_PARTS = (
    "kafka",
    "hdfs",
    "hbase",
    "metastore",
    "hiveserver2",
    "spark",
    "spark-metastore-client",
    "sqoop",
    "hbase-shell",
)
COPY_JARS = "org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies"
ATTEMPTS = 3
AT_ONCE = 2
STAMP = ".installed"
ERROR = re.compile(r"\b(?:err|errors?)\b|^E:", re.IGNORECASE)
"""As npm, Maven and apt-get mark one."""

SENTENCE_WORDS = 6

POLICY_FILE = "/usr/sbin/policy-rc.d"
APT_SCRIPT = """
policy=$1 mark='# Wardwatch: only while it installs packages'
shift
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
if [ ! -e "$policy" ] || grep -qxF "$mark" "$policy"; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    printf '#!/bin/sh\\n%s\\nexit 101\\n' "$mark" > "$policy"
    chmod 755 "$policy"
fi
apt-get -q update
apt-get -q -y install --no-install-recommends "$@"
"""
"""Installs its arguments but the first, which says where policy-rc.d is: it tells Debian not to start services, 101
means `not now`. It goes at the end, also that by a signal, for which dash runs no EXIT trap by itself. What a run that
was killed left is known by its mark and goes with the next; somebody else's stays."""


@dataclass(frozen=True)
class Part:
    """Something that is fetched into a directory of its own; `sources` decide whether it is up to date."""

    name: str
    target: Path
    sources: tuple[Path, ...]
    fetch: Callable[[Path], None]
    attempts: int = ATTEMPTS

    def checksum(self) -> str:
        return hashlib.sha256(b"\0".join(source.read_bytes() for source in self.sources)).hexdigest()

    def installed(self) -> bool:
        stamp = self.target / STAMP
        return stamp.exists() and stamp.read_text() == self.checksum()

    def install(self) -> float:
        """Fetch, tried `attempts` times, then put in place in one step. Returns seconds."""
        begun = time.monotonic()
        partial = self.target.with_name(f"{self.target.name}.partial")
        for attempt in range(1, self.attempts + 1):
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            try:
                self.fetch(partial)
                break
            except WardError:
                if attempt == self.attempts:
                    raise
        (partial / STAMP).write_text(self.checksum())
        shutil.rmtree(self.target, ignore_errors=True)
        partial.rename(self.target)
        return time.monotonic() - begun


def parts(settings: Settings) -> list[Part]:
    """Every part that is downloaded, in the order in which servers need them."""
    jars = [_jars(settings, name) for name in JAR_PARTS]
    return [*jars, _modules("maildev", settings.tools_dir / "node", "the inbox (maildev)")]


def parts_for_tests(settings: Settings) -> list[Part]:
    """What only `./ward test` needs."""
    return [_modules("axe", settings.tools_dir / "axe", "axe-core")]


def axe_script(settings: Settings) -> Path:
    """What is put into a page to judge how accessible it is."""
    return settings.tools_dir / "axe" / "node_modules" / "axe-core" / "axe.min.js"


def _modules(name: str, target: Path, what: str) -> Part:
    package = (TEMPLATES / name / "package.json", TEMPLATES / name / "package-lock.json")
    return Part(name, target, package, _npm(package, what))


def _jars(settings: Settings, name: str) -> Part:
    pom = TEMPLATES / name / "pom.xml"
    return Part(name, settings.lib_dir / name, (pom,), _maven(pom))


def class_archive(settings: Settings) -> Part:
    """What makes a Spark driver start with a third less work. Made on this machine, when Spark's jars are there."""
    program = PROJECT_ROOT / "spark_jobs" / "archive_classes.py"
    sources = (program, TEMPLATES / "spark" / "pom.xml", PROJECT_ROOT / "requirements.lock")

    def make(target: Path) -> None:
        command = [
            venv_program("python"),
            "-m",
            "spark_jobs.archive_classes",
            str(target / settings.class_archive.name),
        ]
        environment = {**os.environ, **project_environment(settings)}
        _run(command, "Spark's classes could not be archived", cwd=target, environment=environment)

    return Part("spark-classes", settings.class_archive.parent, sources, make, attempts=1)


def _maven(pom: Path) -> Callable[[Path], None]:
    def fetch(target: Path) -> None:
        arguments = ("-q", "-B", "-f", str(pom), COPY_JARS, f"-DoutputDirectory={target}", "-DincludeScope=runtime")
        _run([find_program("mvn"), *arguments], f"Maven could not fetch the jars of infra/stack/{pom.parent.name}")
        for archive in target.glob("*.tar.gz"):
            unpack(archive, target)
            archive.unlink()

    return fetch


def unpack(archive: Path, target: Path) -> None:
    """Unpack without the archive's own top directory."""
    with tarfile.open(archive) as tar:
        for member in tar.getmembers():
            _top, _slash, member.name = member.name.partition("/")
            if member.name:
                tar.extract(member, target, filter="data")


def _npm(package: tuple[Path, ...], what: str) -> Callable[[Path], None]:
    def fetch(target: Path) -> None:
        for file in package:
            shutil.copy(file, target)
        node = node_program("node")
        npm = Path(node).parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        arguments = ("ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(target))
        _run([node, str(npm), *arguments], f"npm could not fetch {what}", cwd=target)

    return fetch


def _run(command: list[str], failure: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=cwd, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            said, wrong = process.communicate()
        except KeyboardInterrupt:
            # It got the signal as well and may have to clean up; `subprocess.run` would kill it after 0.25 s.
            process.communicate()
            raise
    if process.returncode != 0:
        raise WardError(f"{failure}: {what_failed(wrong.strip() or said.strip())}")


def what_failed(said: str) -> str:
    """The line of a program's output that tells why it failed: of its errors the first that is more than a code."""
    lines = [line.strip() for line in said.splitlines()] or ["no message"]
    errors = [line for line in lines if ERROR.search(line)] or lines
    return next((line for line in errors if len(line.split()) >= SENTENCE_WORDS), errors[0])


def missing_packages(for_tests: bool = False) -> list[str]:
    """Debian packages whose program is not on this machine."""
    missing = []
    for package, find in {**DEBIAN_PACKAGES, **(TEST_PACKAGES if for_tests else {})}.items():
        try:
            find()
        except WardError:
            missing.append(package)
    return missing


def install_packages(packages: list[str]) -> float:
    """Install with apt-get, as root or through sudo. Services of the packages are not started: ours run otherwise."""
    begun = time.monotonic()
    by_hand = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if shutil.which("apt-get") is None:
        raise WardError(f"Not a Debian-like system: install these by your own means: {', '.join(packages)}.")
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
            raise WardError(f"Debian packages are missing. As root, run: {by_hand}")
        prefix = [sudo, "-n"]
    _run([*prefix, "sh", "-c", APT_SCRIPT, "sh", POLICY_FILE, *packages], f"`{by_hand}` failed")
    return time.monotonic() - begun


def ensure_installed(settings: Settings, console: Console, for_tests: bool = False) -> None:
    """Install every part that is missing or out of date; says each one's seconds and records them in `install.json`.
    `for_tests`: with what only tests need.

    On a prepared machine this reads a few small files and downloads nothing. Raises WardError naming the part, except
    for the archive of Spark's classes, which it can do without.
    """
    packages = missing_packages(for_tests)
    wanted = [*parts(settings), *(parts_for_tests(settings) if for_tests else ())]
    todo = [part for part in wanted if not part.installed()]
    if packages:
        with console.status(f"installing Debian packages: {', '.join(packages)} …"):
            _record(settings, console, "debian packages", install_packages(packages))
    if todo:
        with (
            console.status(f"downloading {', '.join(part.name for part in todo)} …"),
            ThreadPoolExecutor(AT_ONCE) as pool,
        ):
            for future in as_completed(running := {pool.submit(part.install): part for part in todo}):
                _record(settings, console, running[future].name, future.result())
    archive = class_archive(settings)
    if not archive.installed():
        with console.status("archiving Spark's classes, which makes its jobs start sooner …"):
            try:
                _record(settings, console, archive.name, archive.install())
            except WardError as error:
                console.print(f"[yellow]![/] {error}. Spark's jobs start more slowly without.")


def ensure_peer(settings: Settings, name: str, say: Callable[[str], None]) -> None:
    """Install the jars of infra/stack/<name>, which only a benchmark needs, unless they are there. Raises WardError."""
    part = _jars(settings, name)
    if not part.installed():
        say(f"downloading {name} …")
        say(f"installed {name} in {part.install():.0f} s")


def _record(settings: Settings, console: Console, name: str, seconds: float) -> None:
    path = settings.tools_dir / "install.json"
    known: dict[str, float] = orjson.loads(path.read_bytes()) if path.exists() else {}
    known[name] = round(seconds, 1)
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    partial.rename(path)
    console.print(f"[green]✓[/] installed {name:<22} {seconds:6.1f} s")
