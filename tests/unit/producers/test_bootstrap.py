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
from infra.settings import Settings
from producers import bootstrap
from producers.bootstrap import create_topics

WEEK_MS = 7 * 24 * 3_600_000
READINGS, OTHER, CURSOR = Topic("readings", 4), Topic("other", 1), Topic("cursor", 1, compacted=True)


def done(result: Any) -> Future[Any]:
    future: Future[Any] = Future()
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
    return future


class Admin:
    """A cluster with all three topics."""

    def __init__(self) -> None:
        self.retention = {"readings": WEEK_MS, "other": 2 * WEEK_MS, "cursor": -1}
        self.asked_to_set: dict[str, dict[str, str]] = {}
        self.error: KafkaException | None = None

    def list_topics(self, **_options: Any) -> Any:
        counts = {topic.name: range(topic.partitions) for topic in (READINGS, OTHER, CURSOR)}
        return SimpleNamespace(topics={name: SimpleNamespace(partitions=own) for name, own in counts.items()})

    def describe_configs(self, resources: list[ConfigResource]) -> dict[ConfigResource, Future[Any]]:
        return {each: done({"retention.ms": SimpleNamespace(value=self._told(each))}) for each in resources}

    def incremental_alter_configs(self, resources: list[ConfigResource]) -> dict[ConfigResource, Future[Any]]:
        for each in resources:
            self.asked_to_set[each.name] = {entry.name: str(entry.value) for entry in each.incremental_configs}
        return {each: done(self.error) for each in resources}

    def _told(self, topic: ConfigResource) -> str:
        return str(self.retention[topic.name])


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    made = Admin()
    monkeypatch.setattr(bootstrap, "AdminClient", lambda _config: made)
    return made


def test_a_topic_whose_retention_is_another_gets_that_of_the_settings(admin: Admin) -> None:
    create_topics(Settings(), [READINGS, OTHER, CURSOR])
    assert admin.asked_to_set == {"other": {"retention.ms": str(WEEK_MS)}}


def test_topics_that_we_may_not_change_stay_as_they_are(admin: Admin) -> None:
    admin.error = KafkaException(KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
    create_topics(Settings(), [READINGS, OTHER])
    admin.error = KafkaException(KafkaError(KafkaError._TIMED_OUT))
    with pytest.raises(UnavailableError):
        create_topics(Settings(), [READINGS, OTHER])
