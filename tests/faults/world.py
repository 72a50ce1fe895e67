"""What every fault under load needs: patients, their doctor, the load, and the oracle afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from clinical.topics import DERIVED_VITALS
from hive.breach_audit import DERIVED_LANDING
from hive.landed import wait_until_passed
from infra.metrics import CONTACTS_VERSION, read_state
from infra.settings import Settings
from sqoop.location import location_in_hive
from tests.faults.campaign import STREAMS, Campaign
from tests.faults.editors import Editors, said, say
from tests.faults.load import Load, admit, ward_of
from tests.faults.oracle import Findings, Oracle
from tests.faults.people import People, lift_silences, silence
from tests.faults.recovery import Watch
from tests.running import run_ward
from tests.stack.alerting import ward_subscriptions

Await = Callable[..., Any]
REST_SECONDS = 240


@dataclass(frozen=True)
class World:
    """A campaign on a running stack."""

    settings: Settings
    campaign: Campaign
    oracle: Oracle

    @classmethod
    def begin(cls, settings: Settings, campaign: Campaign, await_condition: Await) -> World:
        """Admit the campaign's patients, silence some, subscribe their doctor, and wait until detection knows them."""
        doctor = f"{campaign.name.lower()}@faults.example"
        admit(settings, campaign.name)
        silence(settings, campaign.name)
        ward_subscriptions("add", doctor, "--ward", ward_of(campaign.name))
        run_ward("import-contacts")
        version = location_in_hive(settings, "health.patients").rsplit("/", 1)[-1]

        def is_known() -> bool:
            state = read_state(settings, "detect-breaches")
            return state is not None and state.in_force.get(CONTACTS_VERSION, "") >= version

        campaign.said = campaign.said or said(settings)[-1]
        await_condition(is_known, REST_SECONDS, "detection does not know the patients", 1)
        return cls(settings, campaign, Oracle(settings, campaign.name, campaign.since, doctor))

    @contextmanager
    def loaded(self) -> Iterator[Watch]:
        """Readings are written and alarms acknowledged meanwhile; the watch tells when fresh readings have passed every
        stage."""
        seed = self.campaign.seed + len(self.campaign.done)
        load = Load(self.settings, self.campaign.name, seed, self.campaign.acknowledged)
        people = People(self.settings, self.campaign.name, self.campaign.authors, self.campaign.fallen_back)
        editors = Editors(self.settings, self.campaign.name, self.campaign.edits)
        with Watch(self.settings, self.campaign.name).following() as watch:
            load.start()
            people.start()
            editors.start()
            try:
                yield watch
            finally:
                load.finish()
                people.finish()
                editors.finish()
                load.calm_down()

    def findings(self, await_condition: Await) -> Findings:
        """What the oracle finds once everything has come to rest."""
        await_condition(self._is_at_rest, REST_SECONDS, "what was written did not come to rest", 2)
        # Landing may have looked for the last time just before they came.
        wait_until_passed(self.settings, DERIVED_LANDING, [DERIVED_VITALS], "land-vitals", REST_SECONDS)
        run_ward("import-contacts")
        try:
            return self.oracle.findings(self.campaign)
        finally:
            lift_silences(self.settings, self.campaign.name)
            say(self.settings, self.campaign.said, self.campaign.name)

    def _is_at_rest(self) -> bool:
        """Whether all streams have worked off everything, every alarm is over, and every mail was mailed on."""
        states = [read_state(self.settings, stream) for stream in STREAMS]
        if any(state is None or state.lag for state in states):
            return False
        return not self.oracle.open_alarms() and self.oracle.is_mailed()
