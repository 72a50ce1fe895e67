"""What bounds the producer: each of its three steps alone, on the same rows, as fast as it goes.

Reading and encoding are the product's own; producing is the Kafka client bare, in transactions of a page each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing

from confluent_kafka import Producer

from bench.carriers import producer_settings, topics_of
from bench.scratch import own_topics
from bench.source_database import SourceDatabase
from infra.clients import kafka_config
from infra.settings import Settings
from producers.encoding import Message, RowEncoder
from producers.mapping import ColumnPlan
from producers.source import Row, SourceReader

CALL_SECONDS = 30.0
MOST_ROWS = 200_000
"""Encoded and produced at most so many: they are kept in memory, and the rate is a steady one."""


def ceilings(
    source: SourceDatabase, table: str, rows: int, measure: str
) -> Mapping[str, Callable[[], dict[str, float]]]:
    """Name of the step -> runs it over the rows of the table and tells its rows a second under the name `measure`."""
    settings = producer_settings(source, table)

    def per_second(count: int, seconds: float) -> dict[str, float]:
        return {measure: count / seconds}

    def reading() -> dict[str, float]:
        begun = time.perf_counter()
        count = sum(len(page) for page in _pages(settings)[1])
        return per_second(count, time.perf_counter() - begun)

    def encoding() -> dict[str, float]:
        plan, pages = _some_pages(settings, rows)
        encoder, begun = RowEncoder(plan), time.perf_counter()
        count = sum(len(encoder.encode(page, 0)) for page in pages)
        return per_second(count, time.perf_counter() - begun)

    def producing() -> dict[str, float]:
        plan, pages = _some_pages(settings, rows)
        messages = [RowEncoder(plan).encode(page, 0) for page in pages]
        with own_topics(settings, topics_of(settings)):
            return per_second(sum(map(len, messages)), _produce(settings, messages))

    return {"reading alone": reading, "encoding alone": encoding, "producing alone": producing}


def _pages(settings: Settings) -> tuple[ColumnPlan, Generator[Sequence[Row], None, None]]:
    """The whole table, page by page, and its columns."""
    reader = SourceReader(settings)
    plan = reader.open()

    def pages() -> Generator[Sequence[Row], None, None]:
        with closing(reader):
            cursor = 0
            while page := reader.after(cursor, settings.producer.page_size):
                yield page
                cursor = page[-1][0]

    return plan, pages()


def _some_pages(settings: Settings, rows: int) -> tuple[ColumnPlan, list[Sequence[Row]]]:
    """The first pages, at most MOST_ROWS."""
    plan, pages = _pages(settings)
    found: list[Sequence[Row]] = []
    with closing(pages):
        for page in pages:
            found.append(page)
            if sum(map(len, found)) >= min(rows, MOST_ROWS):
                break
    return plan, found


def _produce(settings: Settings, pages: Sequence[Sequence[Message]]) -> float:
    """Seconds that it takes to commit each page in a transaction."""
    config = {
        "transactional.id": settings.producer.transactional_id,
        "compression.type": "lz4",
        "partitioner": "murmur2_random",
        "linger.ms": 20,
        "delivery.report.only.error": True,
    }
    producer = Producer(kafka_config(settings, **config))
    producer.init_transactions(CALL_SECONDS)
    topic, begun = settings.producer.readings_topic, time.perf_counter()
    for page in pages:
        producer.begin_transaction()
        for key, value in page:
            producer.produce(topic, value, key)
        producer.commit_transaction(CALL_SECONDS)
    return time.perf_counter() - begun
