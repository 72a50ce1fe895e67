"""What the poison of the fault suite is refused for, by landing's own judgement."""

from __future__ import annotations

from pyspark.sql import SparkSession

from infra.settings import Readings
from spark_jobs.transforms.readings import parse_readings
from tests.faults.test_poison import REASONS, malformed, without_identity
from tests.unit.spark_jobs.frames import kafka_frame

MESSAGES = 300


def test_each_kind_is_refused_for_what_it_is_and_only_an_implausible_value_leaves_the_rest(spark: SparkSession) -> None:
    bad = malformed("P-1", MESSAGES, of_seed=1)
    assert {spoil for _, spoil in bad} == {*REASONS}
    rows = parse_readings(kafka_frame(spark, [message for message, _ in bad]), Readings()).orderBy("offset").collect()
    reasons = [" ".join(problem.reason for problem in row.problems) for row in rows]
    wrong = [
        (message, reason)
        for (message, spoil), reason in zip(bad, reasons, strict=True)
        if not REASONS[spoil].fullmatch(reason)
    ]
    assert wrong == []


def test_the_patient_is_missing_in_some() -> None:
    spoilt = [message for message, spoil in malformed("P-1", MESSAGES, of_seed=1) if spoil is without_identity]
    assert any(b'"patient_id":null' in message for message in spoilt)
