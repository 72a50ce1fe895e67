"""One Kafka consumer for all open pages: readings, scores and the alarms' steps, as they happen."""

from __future__ import annotations

import threading
import time

from confluent_kafka import OFFSET_END, Consumer, TopicPartition

from clinical.topics import VITAL_INFO
from dashboard.live.state import LiveState
from infra.clients import kafka_config
from infra.settings import Settings

POLL_SECONDS = 0.2


def follow(settings: Settings, live: LiveState, stop: threading.Event) -> None:
    """Fill `live` until `stop` is set. Commits nothing: each start begins anew."""
    config = kafka_config(
        settings, **{"group.id": "ward-page", "enable.auto.commit": False, "isolation.level": "read_committed"}
    )
    consumer = Consumer(config)
    try:
        partitions = consumer.list_topics(VITAL_INFO, 30).topics[VITAL_INFO].partitions
        consumer.assign([TopicPartition(VITAL_INFO, partition, OFFSET_END) for partition in partitions])
        while not stop.is_set():
            if any(message.error() is None for message in consumer.consume(1000, POLL_SECONDS)):
                live.heard(time.time())
    finally:
        consumer.close()
