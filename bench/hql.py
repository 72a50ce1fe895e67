"""Questions of analysts over five million readings: HiveServer2 against Spark Thrift Server, on the same files.

It needs `./ward up`. A day of 1,000 patients is written as landing leaves it, one file for each batch of 30 s, and is
asked about; then the product's compaction runs on its hours, and it is asked about again. "As landed" is a whole day of
2,880 files, which no ward has, since its hours are compacted as they pass. Each server keeps a session
for each of the two states and has answered both questions once before a round counts, as a server that runs all day
has. Both must give, to the last digit, what DuckDB finds in the files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from bench.figures import Figure, Report, Size
from bench.questions import AGGREGATE, COLUMNS, PATIENTS_DAY, QUESTIONS, Rows, ask, require_same, truth
from bench.rounds import ROUNDS, TINY_ROUNDS, Measure, alternate, lines, ratio
from bench.scratch_readings import BATCHES_AN_HOUR, HOURS_A_DAY, History, scratch_readings
from bench.spark_thrift import spark_thrift_server
from hive.client import HiveSession, hive_session
from infra.settings import Settings, load_settings

OWN, PEER = "HiveServer2", "Spark Thrift Server"
WHOLE = History(days=1, hours_a_day=HOURS_A_DAY, files_an_hour=BATCHES_AN_HOUR, rows_a_file=1737, patients=1000)
TINY = History(days=1, hours_a_day=2, files_an_hour=10, rows_a_file=1000, patients=20)
LANDED, COMPACTED = "as landed", "compacted"
MOST_SECONDS = {AGGREGATE: 5.0, PATIENTS_DAY: 1.0}

Samples = dict[str, list[Mapping[str, float]]]


def measure(size: Size) -> Report:
    """Seconds of each question. Raises WardError when an answer is wrong, UnavailableError without the stack."""
    settings, history = load_settings(), TINY if size.tiny else WHOLE
    answers: dict[tuple[str, str], Rows] = {}
    details: dict[str, Any] = {}
    with scratch_readings(settings) as make, spark_thrift_server(settings) as peer:
        table = make()
        size.say(f"writing {history.rows:,} readings in {history.files:,} files …")
        details["writing_seconds"] = _timed(lambda: table.land(history))
        servers = {OWN: settings, PEER: peer}
        rounds = TINY_ROUNDS if size.tiny else ROUNDS
        landed, first = _rounds(servers, table.table.full_name, LANDED, answers, rounds, size.say)
        details["first_question_seconds"] = {LANDED: first}
        size.say("compacting …")
        details["compaction_seconds"] = _timed(lambda: details.update(compacted=len(table.compact())))
        compacted, first = _rounds(servers, table.table.full_name, COMPACTED, answers, rounds, size.say)
        details["first_question_seconds"][COMPACTED] = first
        size.say("comparing the answers with what is in the files …")
        expected = truth(table.read(COLUMNS), history.rows)
    for (question, engine), rows in answers.items():
        require_same(question, engine, rows, expected[question])
    return _report(history, {LANDED: landed, COMPACTED: compacted}, details)


def _rounds(
    servers: Mapping[str, Settings],
    table: str,
    state: str,
    answers: dict[tuple[str, str], Rows],
    rounds: int,
    say: Callable[[str], None],
) -> tuple[Samples, dict[str, dict[str, float]]]:
    """The questions to each server in turn, and how long each server took for each of them the first time.

    Raises WardError when a server answers otherwise than it did before.
    """

    def once(engine: str, session: HiveSession) -> dict[str, float]:
        seconds = {}
        for question in QUESTIONS:
            found = ask(session, question, table)
            require_same(question, engine, found.rows, answers.setdefault((question, engine), found.rows))
            seconds[question] = found.seconds
        return seconds

    with ExitStack() as sessions:
        ask_each = {
            engine: partial(once, engine, sessions.enter_context(hive_session(server)))
            for engine, server in servers.items()
        }
        say(f"{state}: the first questions of a session …")
        first = {engine: ask_now() for engine, ask_now in ask_each.items()}
        return alternate(ask_each, rounds, lambda text: say(f"{state}, {text}")), first


def _timed(action: Callable[[], object]) -> float:
    begun = time.monotonic()
    action()
    return time.monotonic() - begun


def _report(history: History, found: Mapping[str, Samples], details: Mapping[str, Any]) -> Report:
    figures = [
        figure
        for state, samples in found.items()
        for question, most in MOST_SECONDS.items()
        for figure in _figures(state, samples, Measure(question, "s", 2), most)
    ]
    setting = {"readings": history.rows, "files_as_landed": history.files, "patients": history.patients}
    return Report(f"HQL over {history.rows:,} readings", figures, setting, {**details, "samples": dict(found)})


def _figures(state: str, samples: Samples, measure: Measure, most: float) -> Sequence[Figure]:
    own, peer = lines(samples, measure)
    median = sorted(one[measure.name] for one in samples[OWN])[len(samples[OWN]) // 2]
    return [
        Figure(f"{state}: {own.name}", own.value, f"under {most:g} s", median < most),
        Figure(f"{state}: {peer.name}", peer.value),
        ratio(samples, measure, OWN, PEER),
    ]
