"""Detection that starts again: on topics made anew, and in another mode. Each test has a Spark driver of its own."""

from __future__ import annotations

import pytest

from infra.checkpoints import read_checkpoint
from infra.clients import hdfs
from infra.settings import Settings
from tests.stack.detection_world import Breaches, DetectionWorld, await_that, someone

pytestmark = [pytest.mark.own_world, pytest.mark.timeout(1800)]


def test_a_topic_made_anew_is_judged_from_its_beginning(stack: Settings) -> None:
    world = DetectionWorld(stack)
    world.create()
    checkpoint = world.settings.hdfs_path("checkpoints", world.place.checkpoint)
    try:
        with world.running():
            for _ in range(20):
                world.send(world.reading(someone(), heart_rate=75))
            await_that(lambda: readings_in(world, checkpoint) == 20, "an epoch that ended behind all readings")
        world.make_topics_anew()
        breaches, patient = Breaches(world), someone()
        world.send(world.reading(patient, heart_rate=190))
        with world.running():
            breaches.wait_for(patient)
        breaches.close()
        names = hdfs(world.settings).ls(world.settings.hdfs_path("checkpoints"), detail=False)
        assert [name for name in names if f"{world.place.checkpoint}.set-aside-" in name]
    finally:
        world.destroy()


def test_a_query_that_was_ended_while_it_wrote_its_very_first_plan_starts_again(stack: Settings) -> None:
    world = DetectionWorld(stack)
    world.create()
    try:
        plans = world.settings.hdfs_path("checkpoints", world.place.checkpoint, "offsets")
        hdfs(world.settings).makedirs(plans, exist_ok=True)
        hdfs(world.settings).pipe_file(f"{plans}/.0.b58f60cd-66d1-4586-b051-173956b37153.tmp", b"")
        breaches, patient = Breaches(world), someone()
        with world.running():
            world.send(world.reading(patient, heart_rate=190))
            breaches.wait_for(patient)
        breaches.close()
    finally:
        world.destroy()


def readings_in(world: DetectionWorld, checkpoint: str) -> int:
    reached = read_checkpoint(hdfs(world.settings), checkpoint)
    return sum(reached.offsets.get(world.place.readings, {}).values()) if reached else 0


def test_contacts_too_many_to_broadcast_are_joined_in_micro_batches_and_back(stack: Settings) -> None:
    world = DetectionWorld(stack, patients_broadcast_max=2)
    world.create()
    try:
        with world.running():
            breaches, patient = Breaches(world), someone()
            people = [(patient, "Name", "1"), ("other", "Other", "2"), ("third", "Third", "3")]
            for version, snapshot in (("20260101T000000000Z", people), ("20260102T000000000Z", people[:1])):
                world.switch_contacts(version, snapshot)

                def judged_with(version: str = version) -> bool:
                    world.send(world.reading(patient, heart_rate=190))
                    return any(breach["patients_version"] == version for breach in breaches.of(patient))

                await_that(judged_with, f"a breach with the contacts {version}")
            unknown = someone()
            world.send(world.reading(unknown, heart_rate=190))
            (breach,) = breaches.wait_for(unknown)
            assert breach["contact_missing"]
            assert all(breach["name"] == "Name" for breach in breaches.of(patient) if not breach["contact_missing"])
            breaches.close()
    finally:
        world.destroy()
