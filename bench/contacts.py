"""Imports of contacts with Sqoop: what changed, against every row.

It needs `./ward up`. The list of patients grows from size to size; one patient in a hundred changes before each import,
incremental or full. After each, all rows where the Hive table points are compared with those of MySQL.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from bench.figures import Figure, Report, Size
from bench.rounds import ROUNDS, TINY_ROUNDS, Goal, Measure, alternate, lines, ratio
from bench.scratch_contacts import CHANGED_EVERY, ScratchContacts, scratch_contacts
from infra.errors import WardError
from infra.settings import load_settings

PATIENTS, TINY_PATIENTS = (500, 50_000, 1_000_000), (200,)
OWN, PEER = "incremental", "full"
IN_ALL = Measure("seconds", "s")
AT_LARGEST = Goal(5.0, at_least=True)
ROWS = "rows read"
LOCK_STEP = "waiting for the lock"

Samples = dict[str, list[Mapping[str, float]]]


class StepClock:
    """How long each step of an import took, as its progress tells; called with the name of each step as it begins."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: list[tuple[str, float]] = []

    def __call__(self, step: str) -> None:
        self._begun.append((step, self._clock()))

    def seconds(self) -> dict[str, float]:
        """Step -> seconds, up to now for the last; without the wait for another import, which is no part of this."""
        ends = [*(at for _, at in self._begun[1:]), self._clock()]
        found: dict[str, float] = {}
        for (step, begun), ended in zip(self._begun, ends, strict=True):
            if step != LOCK_STEP:
                found[step] = found.get(step, 0.0) + ended - begun
        return found


def measure(size: Size) -> Report:
    """Seconds of both kinds of import for each number of patients.

    Raises WardError when Hive and MySQL differ after one, or an import read other rows than it should.
    """
    with scratch_contacts(load_settings()) as contacts:
        ladder = TINY_PATIENTS if size.tiny else PATIENTS
        return _report({patients: _samples(contacts, patients, size) for patients in ladder})


def _samples(contacts: ScratchContacts, patients: int, size: Size) -> Samples:
    size.say(f"{patients:,} patients: filling the table, and a first import …")
    contacts.grow(patients)
    contacts.bring(True, lambda _step: None)
    contacts.require_equal()
    kinds = {OWN: _importer(contacts, patients, False), PEER: _importer(contacts, patients, True)}
    rounds = TINY_ROUNDS if size.tiny else ROUNDS
    return alternate(kinds, rounds, lambda text: size.say(f"{patients:,} patients, {text}"))


def _importer(contacts: ScratchContacts, patients: int, full: bool) -> Callable[[], Mapping[str, float]]:
    def once() -> Mapping[str, float]:
        changed, clock = contacts.change(), StepClock()
        result = contacts.bring(full, clock)
        steps = clock.seconds()
        if (result.changed, result.rows) != (changed, patients) or (result.kind == "full") != full:
            raise WardError(f"{changed:,} of {patients:,} patients were changed, but the import says: {result}")
        contacts.require_equal()
        return {IN_ALL.name: sum(steps.values()), **steps, ROWS: float(result.rows_read)}

    return once


def _report(found: Mapping[int, Samples]) -> Report:
    figures: list[Figure] = []
    for patients, samples in found.items():
        goal = AT_LARGEST if patients == max(PATIENTS) else None
        figures += [Figure(f"{patients:,} patients: {one.name}", one.value) for one in lines(samples, IN_ALL)]
        figures.append(ratio(samples, IN_ALL, PEER, OWN, goal))
    largest = found[max(found)]
    for step in dict.fromkeys(name for rounds in largest.values() for name in rounds[0]):
        if step not in (IN_ALL.name, ROWS):
            figures += [Figure(f"  {one.name}", one.value) for one in lines(largest, Measure(step, "s"))]
    setting = {"changed": f"one in {CHANGED_EVERY}", "patients": list(found)}
    return Report("Import of contacts with Sqoop", figures, setting, {"samples": {str(n): s for n, s in found.items()}})
