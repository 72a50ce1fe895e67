"""A second producer beside the stack's, and its peer: neither may touch what is the stack's."""

from pathlib import Path

import pytest

from bench.carriers import _environment, peer, producer_settings, product
from bench.debezium import DEFAULTS, TUNED, row_id
from bench.source_database import SourceDatabase
from clinical.topics import TOPICS
from infra.settings import Settings

TABLE = "health.bench_1"


@pytest.fixture
def source(tmp_path: Path) -> SourceDatabase:
    settings = Settings(state_dir=tmp_path, port_offset=3000)
    mysql = settings.mysql.model_copy(update={"port": 40_000})
    return SourceDatabase(settings.model_copy(update={"mysql": mysql}), "not-shown", server_pid=0)


def test_the_process_of_the_second_producer_works_by_the_settings_that_were_made_for_it(
    source: SourceDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = producer_settings(source, TABLE)
    for name, value in _environment(wanted).items():
        monkeypatch.setenv(name, value)
    found = Settings()
    assert (found.source.table, found.mysql_port, found.producer) == (TABLE, 40_000, wanted.producer)
    assert found.bootstrap_servers == source.settings.bootstrap_servers
    assert found.ports.metrics_vitals_producer != source.settings.ports.metrics_vitals_producer


def test_no_carrier_writes_a_topic_of_the_stack_or_of_another_carrier(source: SourceDatabase, tmp_path: Path) -> None:
    carriers = [
        product(source, TABLE),
        product(source, TABLE),
        *(peer(source, TABLE, tmp_path, t) for t in (DEFAULTS, TUNED)),
    ]
    names = [topic.name for carrier in carriers for topic in carrier.topics]
    assert len(set(names)) == len(names) == 6
    assert not set(names) & {topic.name for topic in TOPICS}
    assert all(carrier.topic in {topic.name for topic in carrier.topics} for carrier in carriers)


def test_both_kinds_of_message_tell_the_id_of_their_row(source: SourceDatabase) -> None:
    assert product(source, TABLE).id_of(b'{"reading_id":7,"patient_id":"P1"}') == 7
    assert row_id(b'{"before":null,"after":{"id":8,"patient_id":"P1"},"op":"c"}') == 8
