"""A Spark data source that reads the threshold table in HBase, for analysts and batch jobs.

    register(spark)
    spark.read.format("hbase_thresholds").load()

The table is small: one scan, one partition. It is read anew by each action, as it stands then; what is in force is in
the snapshots (`hbase.snapshots`). Options `host`, `port`, `table` and `timeout_ms` override the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition

from clinical.thresholds import parse_rows
from hbase.table import read_state
from infra.errors import ConfigurationError
from infra.settings import Settings, load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from pyspark.sql.types import StructType

NAME = "hbase_thresholds"
SCHEMA = """
    row_key STRING, attribute STRING, low_age_limit DECIMAL(15,6), high_age_limit DECIMAL(15,6), direction STRING,
    low_value DECIMAL(15,6), high_value DECIMAL(15,6), alert_flag BOOLEAN, severity STRING, delay_seconds INT,
    clear_margin DECIMAL(15,6), alert_message STRING, source STRING, patient_id STRING, reason STRING,
    updated_by STRING, changed_at TIMESTAMP
"""
"""One row a band; an open limit is null, as is the patient of a general row. `changed_at`: when a cell of the row was
last written."""


def register(spark: SparkSession) -> None:
    """Make the format known to a session."""
    spark.dataSource.register(ThresholdSource)


class ThresholdSource(DataSource):
    """The format `hbase_thresholds`, for batch reading."""

    @classmethod
    def name(cls) -> str:
        return NAME

    def schema(self) -> str:
        return SCHEMA

    def reader(self, schema: StructType) -> DataSourceReader:  # noqa: ARG002
        return ThresholdReader(_overridden(load_settings(), dict(self.options)))


class ThresholdReader(DataSourceReader):
    """Reads the whole table by one scan.

    Where it is, is settled on the driver; executors need no settings of their own.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def partitions(self) -> list[InputPartition]:
        return [InputPartition(0)]

    def read(self, partition: InputPartition) -> Iterator[tuple[Any, ...]]:  # noqa: ARG002
        """Rows in the order of `SCHEMA`. Raises UnavailableError; ConfigurationError naming a row without sense."""
        state = read_state(self._settings)
        rows, problems = parse_rows(state.cells)
        if problems:
            raise ConfigurationError(f"The threshold table has a row that cannot be read. {problems[0]}")
        for row in rows:
            yield (
                row.row_key,
                row.attribute,
                row.low_age,
                row.high_age,
                row.direction,
                row.low_value,
                row.high_value,
                row.alert_flag,
                row.severity,
                row.delay_seconds,
                row.clear_margin,
                row.alert_message,
                row.source,
                row.patient_id,
                row.reason,
                row.updated_by,
                datetime.fromtimestamp(state.last_change(row.row_key)[0] / 1000, UTC),
            )


def _overridden(settings: Settings, options: dict[str, str]) -> Settings:
    """The settings with the options of a read put over them. Raises ConfigurationError for an unknown option."""
    unknown = set(options) - {"host", "port", "table", "timeout_ms"}
    if unknown:
        raise ConfigurationError(f"{NAME} has no option {sorted(unknown)[0]}: use host, port, table, timeout_ms.")
    hadoop = {
        setting: convert(options[name])
        for name, setting, convert in (
            ("host", "hbase_thrift_host", str),
            ("port", "hbase_thrift_port", int),
            ("timeout_ms", "hbase_timeout_ms", int),
        )
        if name in options
    }
    thresholds = {"table": options["table"]} if "table" in options else {}
    return settings.model_copy(
        update={
            "hadoop": settings.hadoop.model_copy(update=hadoop),
            "thresholds": settings.thresholds.model_copy(update=thresholds),
        }
    )
