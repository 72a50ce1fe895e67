"""The alarm path against the truth: a hundred simulated patient-days at one reading a second, judged by pure functions.

The default threshold table, the rule with its defaults, NEWS2 every ten seconds as the deriving stream gives it. A
doctor acknowledges an alarm that still lasts ANSWERED_SECONDS after its mail; what is mailed when nobody ever does is
told beside it. What counts is in `bench.truth`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any
from unittest.mock import patch

from alerts.banding import BandTable
from alerts.rehearsal import Patient, Rehearsal, Series, rehearse
from bench.baselines import Baselines, mails_of, told_by
from bench.figures import Figure, Report, Size
from bench.news2_table import differences
from bench.scores import NEWS2, news2_series
from bench.spikes import mails_of_spikes, single_spikes
from bench.truth import Score, Told, detected, is_dangerous, score
from bench.ward_day import WardDay, simulate
from clinical import lifecycle_severity, news2
from clinical.messages import Severity
from clinical.notices import ENDS, Rule
from clinical.thresholds import read_table
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from infra.errors import WardError
from infra.settings import Derivation
from producers.simulator.profiles import ATTRIBUTES

PATIENTS, SECONDS = 100, 86_400
TINY_PATIENTS, TINY_SECONDS, TINY_STRIDE = 15, 3600, 1009
ANSWERED_SECONDS = 120
HIGH: frozenset[Severity] = frozenset({"high"})
MAILED: frozenset[Severity] = frozenset({"high", "medium"})
FEWER_THAN_BREACHES, FEWER_THAN_CROSSINGS, LEAST_SCORE = 0.99, 0.60, 0.95


def measure(size: Size) -> Report:
    """Every figure of the alarms' table. Raises WardError when the data is not what it should be."""
    patients, seconds = (TINY_PATIENTS, TINY_SECONDS) if size.tiny else (PATIENTS, SECONDS)
    size.say(f"simulating {patients} patients for {seconds / 3600:g} h …")
    day = simulate(size.seed, patients, seconds)
    table = default_table()
    size.say(f"judging {sum(len(readings.recorded_at) for readings in day.readings):,} readings …")
    ours, baselines = judge_ward(day, table, ANSWERED_SECONDS)
    size.say("once more with nobody who acknowledges …")
    unanswered, _ = judge_ward(day, table)
    size.say("and once more without the two-of-three rule …")
    with without_two_of_three():
        eager, _ = judge_ward(day, table, ANSWERED_SECONDS)
    size.say("scoring NEWS2 at every boundary …")
    return _report(day, ours, (unanswered, eager), baselines, differences(TINY_STRIDE if size.tiny else 1))


def default_table() -> BandTable:
    """The threshold table that a new stack begins with."""
    rows, problems = read_table(keyed(read_csv(DEFAULT_TABLE)))
    if problems:
        raise WardError(f"The default thresholds are wrong: {problems[0]}")
    return BandTable(rows)


def judge_ward(
    day: WardDay, table: BandTable, answered_after_seconds: int | None = None
) -> tuple[Rehearsal, Baselines]:
    """What the alarm path makes of the day, and what the simple ways of mailing make of the same values."""
    result, baselines = Rehearsal(), Baselines()
    for position, simulated in enumerate(day.ward.patients):
        age = day.age(simulated)
        series = series_of(day, position)
        patient = Patient(simulated.patient_id, simulated.ward, age)
        result.add(rehearse(patient, series, table, Rule(), day.end, answered_after_seconds))
        baselines.add(position, series, {one.attribute: table.at_age(one.attribute, age) for one in series})
    return result, baselines


def series_of(day: WardDay, position: int) -> list[Series]:
    """All that is judged of one patient."""
    readings, simulated = day.readings[position], day.ward.patients[position]
    series = [Series(attribute, *readings.of(attribute)) for attribute in ATTRIBUTES]
    if news2.applies(day.age(simulated), simulated.pregnant):
        series.append(Series(NEWS2, *news2_series(readings, simulated.spo2_scale, Derivation())))
    return series


def without_two_of_three() -> AbstractContextManager[Any]:
    """The lifecycle with one high reading as good as two: what the rule costs is told by what it would find."""
    return patch.object(lifecycle_severity, "_agrees", return_value=True)


def _report(
    day: WardDay,
    ours: Rehearsal,
    others: tuple[Rehearsal, Rehearsal],
    baselines: Baselines,
    scored: tuple[int, int],
) -> Report:
    unanswered, eager = others
    positions = {patient.patient_id: position for position, patient in enumerate(day.ward.patients)}
    told = told_by(ours, positions, MAILED)
    scores = [score(day, way) for way in (told, baselines.each_breach, baselines.crossings)]
    spikes = single_spikes(day)
    lost = detected(day, told_by(eager, positions, HIGH)) - detected(day, told_by(ours, positions, HIGH))
    figures = [
        _detections(day, told),
        *_mails(day, ours, baselines),
        _unanswered(day, unanswered),
        *_scores(scores),
        _is_zero(
            f"false mails from {sum(map(len, spikes.values()))} single motion spikes", mails_of_spikes(ours, spikes)
        ),
        _is_zero("high detections lost to the two-of-three rule", len(lost)),
        _is_zero(f"NEWS2 otherwise than published, of {scored[0]:,} boundary combinations", scored[1]),
    ]
    setting = {"seed": day.ward.seed, "patients": len(day.ward.patients), "seconds": day.seconds}
    return Report("Alarms against the truth", figures, setting, _details(day, ours, baselines, scores))


def _detections(day: WardDay, told: Sequence[Told]) -> Figure:
    whole = [episode for episode in day.episodes if day.ms(episode.end) <= day.end and is_dangerous(episode)]
    found = score(day, told)
    stood = f", {found.stood} by an alarm that stood already" if found.stood else ""
    value = f"{found.tp} of {len(whole)}{stood}"
    return Figure("dangerous episodes mailed as high or medium", value, "100 %", found.tp == len(whole))


def _mails(day: WardDay, ours: Rehearsal, baselines: Baselines) -> list[Figure]:
    """The first two baselines never tell that anything is over: they are compared with our mails that tell of more than
    that. The last mails at each crossing, into a band and back: it is compared with all of ours."""
    days = len(day.ward.patients) * day.seconds / 86_400
    telling = sum(any(news not in ENDS for news in mail.news) for mail in ours.mails)
    there_and_back = mails_of(baselines.crossings) + baselines.returns
    figures = [
        Figure("mails per patient-day", f"{len(ours.mails) / days:.1f}"),
        Figure("  without those that only tell that it is over", f"{telling / days:.1f}"),
    ]
    for name, mine, theirs, least in (
        ("against one mail per breach", telling, mails_of(baselines.each_breach), FEWER_THAN_BREACHES),
        ("against one per threshold crossing", telling, mails_of(baselines.crossings), FEWER_THAN_CROSSINGS),
        ("  the same, all of our mails counted", len(ours.mails), mails_of(baselines.crossings), None),
        ("all of them against one per crossing either way", len(ours.mails), there_and_back, FEWER_THAN_CROSSINGS),
    ):
        fewer = 1 - mine / max(theirs, 1)
        value = f"{fewer:.1%} fewer than {theirs / days:,.1f}"
        goal = "" if least is None else f"at least {least:.0%} fewer"
        figures.append(Figure(name, value, goal, None if least is None else fewer >= least))
    return figures


def _unanswered(day: WardDay, unanswered: Rehearsal) -> Figure:
    days = len(day.ward.patients) * day.seconds / 86_400
    return Figure("mails per patient-day when nobody ever acknowledges", f"{len(unanswered.mails) / days:.1f}")


def _scores(scores: Sequence[Score]) -> list[Figure]:
    ours, *others = scores
    above = all(ours.value > other.value for other in others)
    return [
        Figure(
            "score per episode and quiet hour",
            _score_text(ours),
            f"at least {LEAST_SCORE}, above both",
            ours.value >= LEAST_SCORE and above,
        ),
        Figure("  the same of one mail per breach", _score_text(others[0])),
        Figure("  the same of one per threshold crossing", _score_text(others[1])),
        Figure(
            "  false of ours, by what was going on", ", ".join(f"{n} {kind}" for kind, n in ours.false.items()) or "-"
        ),
    ]


def _score_text(one: Score) -> str:
    return f"{one.value:.3f} (TP {one.tp}, TN {one.tn}, FP {one.fp}, FN {one.fn})"


def _is_zero(name: str, count: int) -> Figure:
    return Figure(name, str(count), "0", count == 0)


def _details(day: WardDay, ours: Rehearsal, baselines: Baselines, scores: Sequence[Score]) -> dict[str, Any]:
    kinds = Counter(episode.kind.name for episode in day.episodes)
    news = Counter(f"{mail.news[0].value} {mail.severity} level {mail.escalation}" for mail in ours.mails)
    raised = Counter(f"{alarm.attribute} {alarm.direction} {alarm.peak}" for alarm in ours.alarms if alarm.peak)
    return {
        "values": ours.values,
        "breaches": ours.breaches,
        "episodes": dict(kinds),
        "alarms_raised": dict(raised),
        "alarms_dropped": sum(alarm.raised_at is None for alarm in ours.alarms),
        "mails": len(ours.mails),
        "mails_by_news": dict(news),
        "mails_of_baselines": {
            "each breach": mails_of(baselines.each_breach),
            "each crossing": mails_of(baselines.crossings),
            "each return": baselines.returns,
        },
        "scores": [
            {"value": one.value, "tp": one.tp, "tn": one.tn, "fp": one.fp, "fn": one.fn, "false": dict(one.false)}
            for one in scores
        ],
        "missed": [
            f"{episode.kind.name} of patient {episode.patient} at {episode.start}" for episode in scores[0].missed
        ],
    }
