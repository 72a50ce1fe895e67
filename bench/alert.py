"""From a patient's heart standing still to the doctor's mail, at a thousand readings a second on the real stack.

It needs `./ward up`. A process of its own writes readings in range of a thousand patients. Meanwhile, one after the
other, further patients report a heart rate of 0 with a good signal, each once: such a reading completes the condition
of a high alarm by itself, without the delay of its band, so that what is measured is the way and not the waiting that
the rule asks for. A delay runs from the commit of that row, by the clock of who wrote it, until the inbox has taken the
mail by SMTP. They come less often than mails may go out, so that no mail waits for its turn. Each such patient must
have one mail, and the inbox must have it.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from alerts.inbox import received_mails
from bench.figures import Figure, Report, Size
from bench.held import Held, held_figure
from bench.own_ward import OwnWard, own_ward, patients_of
from bench.ward_writer import Load, writing, written
from infra.clients import alerts_connection, devices_connection
from infra.errors import WardError
from infra.settings import Settings, load_settings
from infra.waiting import wait_for
from producers.simulator.writer import TABLES

P50_SECONDS, P99_SECONDS = 1.5, 5.0
MAILED_SECONDS, DOUBLED_SECONDS = 120.0, 3.0
"""How long the last mails are waited for, and how long afterwards a second one would be seen."""

STANDSTILL = {"heart_rate": 0, "signal_quality": 99}
"""Nothing else, so that a patient of any age has this one alarm (3 points of NEWS2 are none)."""

STEPS = ("commit to breach", "breach to outbox", "outbox to SNS", "SNS to inbox")


@dataclass(frozen=True)
class Plan:
    """So many alarms, one every `every` seconds, while `patients` others report `rate` readings a second."""

    alarms: int = 300
    every: float = 0.4
    patients: int = 1000
    rate: int = 1000
    warm_seconds: float = 30


TINY = Plan(alarms=3, every=0.5, patients=20, rate=20, warm_seconds=1)


@dataclass(frozen=True)
class Mailed:
    """A mail about a patient: when its breach was found, and when it was in the outbox, with SNS and in the inbox
    (epoch ms)."""

    patient_id: str
    notification_id: str
    detected_at: int
    decided_at: int
    sent_at: int
    mailed_at: int

    def steps(self, committed_at: int) -> tuple[int, ...]:
        """How long each of STEPS took, ms."""
        times = (committed_at, self.detected_at, self.decided_at, self.sent_at, self.mailed_at)
        return tuple(int(took) for took in np.diff(times))


def measure(size: Size) -> Report:
    """Delays of every alarm. Raises WardError when a patient has no mail, or more than one."""
    settings, plan = load_settings(), TINY if size.tiny else Plan()
    log = settings.log_dir / "bench-alert-writer.log"
    size.say(f"admitting {plan.patients + plan.alarms} patients …")
    with own_ward(settings, size.seed, plan.patients + plan.alarms) as ward:
        load = Load(ward.name, size.seed, plan.patients, plan.rate, 0)
        with writing(load, log) as background:
            size.say(f"{plan.rate:,} readings a second, and an alarm every {plan.every} s, {plan.alarms} times …")
            time.sleep(plan.warm_seconds)  # the load is to stand before the first alarm
            committed = _stand_still(settings, ward, plan, size.seed)
            wait_for(lambda: _mailed(settings, ward, committed).keys() == committed.keys(), MAILED_SECONDS, 1.0)
            time.sleep(DOUBLED_SECONDS)  # what must not come can only be waited for
            background.require_alive()
            mailed = _mailed(settings, ward, committed)
            require_one_each(committed, mailed, _in_the_inbox(settings, ward))
            load_held = written(background.stop()).held(plan.rate)
        size.say("discharging everybody …")
    return report(committed, {patient: one for patient, [one] in mailed.items()}, load_held, plan, size.seed)


def _stand_still(settings: Settings, ward: OwnWard, plan: Plan, seed: int) -> dict[str, int]:
    """Write the readings by the clock, a little irregular; when each patient's was committed, epoch ms."""
    rng = np.random.default_rng([seed, plan.alarms])
    patients = patients_of(ward.name, seed, plan.patients + plan.alarms)[plan.patients :]
    columns = ("patient_id", "recorded_at", *STANDSTILL)
    statement = f"INSERT INTO {TABLES.readings} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
    committed: dict[str, int] = {}
    begun = time.monotonic()
    with closing(devices_connection(settings)) as connection, connection.cursor() as cursor:
        for number, patient in enumerate(patients):
            due = begun + (number + rng.uniform(0, 0.5)) * plan.every
            time.sleep(max(0.0, due - time.monotonic()))
            cursor.execute(statement, (patient.patient_id, datetime.now(UTC), *STANDSTILL.values()))
            committed[patient.patient_id] = time.time_ns() // 1_000_000
    return committed


def _mailed(settings: Settings, ward: OwnWard, patients: Iterable[str]) -> dict[str, list[Mailed]]:
    """The mails of the ward's doctor about these patients, by patient."""
    with closing(alerts_connection(settings)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.patient_id, m.notification_id, a.breach, n.created_at, n.sent_at, m.mailed_at"
            " FROM alarms a JOIN notifications n USING (alarm_id)"
            " JOIN mailed m ON m.notification_id = COALESCE(n.merged_into, n.notification_id)"
            " JOIN subscriptions s USING (subscription_id) WHERE a.ward = %s AND s.email = %s",
            (ward.name, ward.doctor),
        )
        rows = cursor.fetchall()
    wanted, found = set(patients), dict[str, list[Mailed]]()
    for patient, notification, breach, created, sent, arrived in rows:
        if patient in wanted:
            one = Mailed(patient, notification, json.loads(breach)["detected_at"], created, sent or arrived, arrived)
            found.setdefault(patient, []).append(one)
    return found


def _in_the_inbox(settings: Settings, ward: OwnWard) -> Counter[str]:
    """How often the inbox has each of the doctor's mails, by notification."""
    return Counter(mail.notification_id for mail in received_mails(settings) if ward.doctor in mail.recipients)


def require_one_each(
    patients: Iterable[str], mailed: Mapping[str, Sequence[Mailed]], in_the_inbox: Mapping[str, int]
) -> None:
    """Raises WardError unless there is one mail about each patient, and the inbox has it once."""
    wanted = list(patients)
    without = [one for one in wanted if not mailed.get(one)]
    more = [one for one in wanted if len(mailed.get(one, ())) > 1]
    arrived = [in_the_inbox.get(mail.notification_id, 0) for mails in mailed.values() for mail in mails]
    if without or more or any(times != 1 for times in arrived):
        raise WardError(
            f"Of {len(wanted)} patients {len(without)} have no mail and {len(more)} more than one; of {len(arrived)} "
            f"mails the inbox lacks {arrived.count(0)} and has {sum(times > 1 for times in arrived)} more than once."
        )


def report(committed: Mapping[str, int], mailed: Mapping[str, Mailed], load: Held, plan: Plan, seed: int) -> Report:
    """The delays, as a table."""
    delays = [(mailed[patient].mailed_at - at) / 1000 for patient, at in committed.items()]
    p50, p99 = (float(np.percentile(delays, share)) for share in (50, 99))
    steps = np.array([mailed[patient].steps(at) for patient, at in committed.items()])
    figures = [
        Figure(
            "patients with one mail each", f"{len(mailed)} of {len(committed)}", "all", len(mailed) == len(committed)
        ),
        held_figure("readings beside them", [load]),
        Figure("commit to inbox, p50", f"{p50:.2f} s", f"under {P50_SECONDS:g} s", p50 < P50_SECONDS),
        Figure("commit to inbox, p99", f"{p99:.2f} s", f"under {P99_SECONDS:g} s", p99 < P99_SECONDS),
        Figure("commit to inbox, longest", f"{max(delays):.2f} s"),
        *(
            Figure(f"  {name}, p50 and p99", " and ".join(f"{ms / 1000:.2f} s" for ms in np.percentile(took, (50, 99))))
            for name, took in zip(STEPS, steps.T, strict=True)
        ),
    ]
    setting = {"seed": seed, **vars(plan)}
    details = {
        "delays_seconds": delays,
        "steps_ms": {name: took.tolist() for name, took in zip(STEPS, steps.T, strict=True)},
    }
    return Report("Commit to mail, with the stack under load", figures, setting, details)
