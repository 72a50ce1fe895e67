"""A campaign: faults of a seed, one after the other under load, each until everything has recovered.

What was done is kept in a file, so that an interrupted campaign goes on with the next fault.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psutil

from infra import supervise
from infra.render import run_dir
from infra.settings import Settings
from tests.running import run_ward

STREAMS = ("vitals-producer", "land-vitals", "detect-breaches", "derive-vitals", "alert-engine", "mailer")
SERVERS = (
    "kafka",
    "mariadb",
    "sns",
    "hbase-thrift",
    "hiveserver2",
    "metastore",
    "airflow-scheduler",
    "hbase",
    "datanode",
    "namenode",
)
SUPERVISOR = "supervisor"
EVERYTHING = "everything at once"
AND = " and "
LEFT_SECONDS = 60
GOAL_SECONDS = dict.fromkeys(STREAMS, 60.0) | dict.fromkeys(SERVERS, 120.0)
"""Until all is fresh after a kill of nothing else: the goals are 30 and 90 s, the rest is for a shared machine."""


class Kills(NamedTuple):
    """How often each stream, each server, the supervisor and everything at once are killed.

    The first `alone` kills of each strike nothing else, which tells how soon that one recovers; of the others,
    `together` strike at a time.
    """

    a_stream: int
    a_server: int
    supervisor: int
    everything: int
    together: int
    alone: int


@dataclass
class Campaign:
    """`name` is unique; `done` holds each fault, when it struck and the seconds until each stage had recovered.

    What MySQL accepted is promised: `acknowledged` readings (first id, rows), and orders, by their `authors`. Alarms
    that were seen acknowledged, and later not, have `fallen_back`. `edits` of a threshold row were acknowledged by
    HBase; before them it `said` something else.
    """

    name: str
    seed: int
    began: str
    faults: list[str]
    done: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: list[tuple[int, int]] = field(default_factory=list)
    authors: list[str] = field(default_factory=list)
    fallen_back: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    said: str = ""
    findings: str = ""
    clean: bool = False
    ended: bool = False

    @property
    def since(self) -> datetime:
        return datetime.fromisoformat(self.began)

    @property
    def left(self) -> list[str]:
        return self.faults[len(self.done) :]

    @property
    def too_slow(self) -> list[tuple[str, float]]:
        """What was killed alone and came back later than it may, with the seconds that it took."""
        took = [(done["fault"], max(done["recovered"].values())) for done in self.done]
        return [(fault, seconds) for fault, seconds in took if seconds > GOAL_SECONDS.get(fault, float("inf"))]

    def save(self, settings: Settings) -> None:
        """Keep it beside the data of the stack, with which it goes."""
        path = path_of(settings, self.seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(orjson.dumps(asdict(self)))
        partial.rename(path)


def path_of(settings: Settings, seed: int) -> Path:
    """The file of a seed's newest campaign."""
    return settings.state_dir / "faults" / f"seed-{seed}.json"


def begin_or_resume(settings: Settings, seed: int, kills: Kills, ended_too: bool = False) -> Campaign:
    """The campaign of this seed that was interrupted, if there is one with the same faults, else a new one.

    `ended_too`: or one that has ended.
    """
    faults = schedule(seed, kills)
    with suppress(FileNotFoundError, ValueError, TypeError):
        kept = Campaign(**orjson.loads(path_of(settings, seed).read_bytes()))
        if kept.faults == faults and (ended_too or not kept.ended):
            return kept
    return new_campaign(seed, faults)


def new_campaign(seed: int, faults: list[str]) -> Campaign:
    """A campaign of now, with a name that no other has."""
    now = datetime.now(UTC)
    return Campaign(f"F{seed}x{int(now.timestamp()):x}", seed, now.isoformat(), faults)


def schedule(seed: int, kills: Kills) -> list[str]:
    """What is killed, in an order that the seed decides; everything at once comes last."""
    chance = random.Random(seed)
    single = [*STREAMS * min(kills.alone, kills.a_stream), *SERVERS * min(kills.alone, kills.a_server)]
    others = [*STREAMS * max(kills.a_stream - kills.alone, 0), *SERVERS * max(kills.a_server - kills.alone, 0)]
    chance.shuffle(others)
    faults = [*single, *(AND.join(group) for group in _groups(others, kills.together))]
    chance.shuffle(faults)
    return [*faults, *[SUPERVISOR] * kills.supervisor, *[EVERYTHING] * kills.everything]


def _groups(victims: list[str], size: int) -> list[list[str]]:
    """All of them, each in the first group that has room and does not hold it yet."""
    groups: list[list[str]] = []
    for victim in victims:
        for group in groups:
            if len(group) < size and victim not in group:
                group.append(victim)
                break
        else:
            groups.append([victim])
    return groups


class Struck(NamedTuple):
    """When it was, and when all that is to come back was gone (epoch seconds); the servers that must work again."""

    at: float
    gone: float
    servers: tuple[str, ...]


@contextmanager
def striking(settings: Settings, fault: str, chance: random.Random) -> Iterator[Struck]:
    """Kill (-9) what the fault names. The supervisor's and everything's end is answered by `./ward up`, as a person
    would; streams work before that has come to its end, which is waited for afterwards.

    Of a stream that runs Spark, by chance the driver's JVM instead of the process that started it.
    """
    running = supervise.processes(settings)
    if fault not in (SUPERVISOR, EVERYTHING):
        names = tuple(fault.split(AND))
        at = _killed([_victim(name, running[name].pid, chance) for name in names])
        yield Struck(at, at, names)
        return
    programs = [member for process in running.values() if process.pid for member in family(process.pid)]
    at = _killed([_supervisor(settings), *(programs if fault == EVERYTHING else ())])
    with ThreadPoolExecutor(1) as pool:
        is_up = pool.submit(run_ward, "up")
        # What a supervisor that was killed has left works on until it is ended: it tells nothing of what comes back.
        _, alive = psutil.wait_procs(programs, timeout=LEFT_SECONDS)
        assert not alive, f"{alive} are left"
        yield Struck(at, time.time(), tuple(running))
        is_up.result()


def _victim(name: str, pid: int, chance: random.Random) -> psutil.Process:
    assert pid, f"{name} does not run"
    parent, *children = family(pid)
    drivers = [child for child in children if child.name() == "java"]
    return drivers[0] if name in STREAMS and drivers and chance.random() < 0.5 else parent


def family(pid: int) -> list[psutil.Process]:
    """The process and all below it; none if it has ended."""
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _supervisor(settings: Settings) -> psutil.Process:
    return psutil.Process(int((run_dir(settings) / "supervisord.pid").read_text()))


def _killed(victims: list[psutil.Process]) -> float:
    at = time.time()
    for victim in victims:
        with suppress(psutil.NoSuchProcess):
            victim.kill()
    return at
