"""Asking what a change would have meant: a process of its own, its progress, its end."""

from __future__ import annotations

import asyncio
import sys

import numpy as np
import pytest

from alerts.comparison import History, replay_on
from alerts.rehearsal import Patient, Series
from clinical.notices import Rule
from clinical.thresholds import read_table
from dashboard.limits.what_if import FAILED, Busy, CancelledError, Meaning, WhatIf
from dashboard.limits.what_if_job import meaning_of, of_attributes
from infra.errors import WardError
from tests.unit.dashboard.threshold_tables import default_cells

MEANING = Meaning(("spo2",), 3, 10, 1, 7, 4, 5, 0, 1)
LONG_SECONDS = 600


def program(*lines: str) -> WhatIf:
    """A process that reads the question and then does that."""
    return WhatIf((sys.executable, "-u", "-c", "\n".join(["import sys, time; sys.stdin.read()", *lines])))


def ask(one: WhatIf, said: list[str] | None = None) -> Meaning:
    heard = [] if said is None else said
    return asyncio.run(one.ask({}, ["spo2"], heard.append))


ANSWER = (
    'print(\'{"meaning": {"attributes": ["spo2"], "patients": 3, "alarms_before": 10, "alarms_after": 1, '
    '"mails_before": 7, "mails_after": 4, "missed": 5, "new": 0, "severity": 1}}\')'
)


def test_progress_is_heard_and_then_the_answer() -> None:
    said: list[str] = []
    assert ask(program("""print('{"doing": "1 of 3"}')""", ANSWER), said) == MEANING
    assert said == ["1 of 3"]


def test_the_numbers_are_told_in_a_sentence() -> None:
    first = MEANING.sentences()[0]
    assert first == "On the last 24 hours this would have meant 1 alarm and 4 emails instead of 10 and 7."


def test_what_the_replay_cannot_do_is_its_own_sentence() -> None:
    with pytest.raises(WardError, match="Hive has no readings"):
        ask(program("""print('{"problem": "Hive has no readings of spo2"}')"""))


def test_a_replay_that_breaks_is_a_sentence_and_the_next_one_can_be_asked() -> None:
    with pytest.raises(WardError, match=FAILED):
        ask(program("raise SystemExit(3)"))
    assert ask(program(ANSWER)) == MEANING


def test_a_replay_is_cancelled_and_its_process_has_ended() -> None:
    one = program("""print('{"doing": "long"}')""", f"time.sleep({LONG_SECONDS})")

    async def run() -> None:
        with pytest.raises(CancelledError):
            await one.ask({}, ["spo2"], lambda _doing: one.cancel())

    asyncio.run(run())
    process = one._process
    assert process is not None
    assert process.returncode is not None


def test_there_is_one_replay_at_a_time() -> None:
    first = program("""print('{"doing": "long"}')""", f"time.sleep({LONG_SECONDS})")

    async def run() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(first.ask({}, ["spo2"], lambda _doing: begun.set()))
        await begun.wait()
        with pytest.raises(Busy):
            await program(ANSWER).ask({}, ["spo2"], lambda _doing: None)
        first.cancel()
        with pytest.raises(CancelledError):
            await task

    asyncio.run(run())


def test_what_is_replayed_is_what_is_told() -> None:
    rows = read_table(default_cells())[0]
    values = np.array([98.0] * 30 + [85.0] * 20 + [98.0] * 60)
    series = Series("spo2", 1000 * np.arange(len(values), dtype=np.int64), values)
    history = History([(Patient("P1", "ICU", 50.0), [series])], 3_600_000)
    own = of_attributes(rows, ["spo2"])
    assert {row.attribute for row in own} == {"spo2"}
    silent = [row for row in own if row.direction == "normal"]
    told = Meaning(**meaning_of(replay_on(history, own, silent, Rule()), history, ("spo2",)))
    assert (told.patients, told.alarms_before, told.alarms_after, told.mails_after, told.missed) == (1, 1, 0, 0, 1)
    assert told.mails_before >= 1
