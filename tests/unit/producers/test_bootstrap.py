"""Topics that exist follow the settings; that Kafka does as it is told is tested in the stack."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import ConfigResource  # type: ignore[attr-defined]

from clinical.topics import Topic
from infra.errors import UnavailableError
from infra.settings import Kafka, Retention, Settings
from producers import bootstrap
from producers.bootstrap import create_topics

WEEK_MS = 7 * 24 * 3_600_000
READINGS, OTHER, CURSOR = Topic("readings", 4), Topic("other", 1), Topic("cursor", 1, compacted=True)
NOTES = Topic("notes", 1, compacted=True, notes=True)
DAY_MS = 24 * 3_600_000


def done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


class Admin:
    """A cluster with all four topics."""

    def __init__(self) -> None:
        self.retention = {"readings": WEEK_MS, "other": 2 * WEEK_MS, "cursor": -1, "notes": -1}
        self.policy = {"readings": "delete", "other": "delete", "cursor": "compact", "notes": "compact"}
        self.asked_to_set: dict[str, dict[str, str]] = {}
        self.error: KafkaException | None = None

    def list_topics(self, **_options: Any) -> Any:
        counts = {topic.name: range(topic.partitions) for topic in (READINGS, OTHER, CURSOR, NOTES)}
        return SimpleNamespace(topics={name: SimpleNamespace(partitions=own) for name, own in counts.items()})

    def describe_configs(self, resources: list[ConfigResource]) -> dict[ConfigResource, Future[Any]]:
        return {each: done(self._told(each.name)) for each in resources}

    def incremental_alter_configs(self, resources: list[ConfigResource]) -> dict[ConfigResource, Future[Any]]:
        for each in resources:
            self.asked_to_set[each.name] = {entry.name: str(entry.value) for entry in each.incremental_configs}
        return {each: done(self.error) for each in resources}

    def _told(self, name: str) -> dict[str, SimpleNamespace]:
        told = {"retention.ms": str(self.retention[name]), "cleanup.policy": self.policy[name]}
        return {key: SimpleNamespace(value=value) for key, value in told.items()}


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin()
    monkeypatch.setattr(bootstrap, "AdminClient", lambda _config: made)
    return made


def test_a_topic_whose_retention_is_another_gets_that_of_the_settings(admin: Admin) -> None:
    create_topics(Settings(), [READINGS, OTHER, CURSOR])
    assert admin.asked_to_set == {"other": {"retention.ms": str(WEEK_MS)}}


@pytest.mark.parametrize(("days", "hours", "kept"), [(400, 168, 400), (1, 72, 3)])
def test_notes_of_what_was_sent_again_are_kept_for_a_time_and_never_shorter_than_dead_letters(
    admin: Admin, days: int, hours: int, kept: int
) -> None:
    settings = Settings(retention=Retention(sent_again_days=days), kafka=Kafka(retention_hours=hours))
    create_topics(settings, [NOTES])
    wanted = {"retention.ms": str(kept * DAY_MS), "cleanup.policy": "compact,delete"}
    assert admin.asked_to_set == {"notes": wanted}


def test_topics_that_we_may_not_change_stay_as_they_are(admin: Admin) -> None:
    admin.error = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    create_topics(Settings(), [READINGS, OTHER])
    admin.error = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    with pytest.raises(UnavailableError):
        create_topics(Settings(), [READINGS, OTHER])
