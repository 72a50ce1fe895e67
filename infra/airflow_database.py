"""Run within Airflow's environment: creates its database, migrates its tables, sets the pool `spark`. Repeatable."""

from __future__ import annotations

import psycopg2
from psycopg2.extensions import ISOLATION_LEVEL_AUTOCOMMIT

from infra.settings import Settings, load_settings

SPARK_POOL = "spark"


def create_database(settings: Settings) -> None:
    """Create the database `airflow` unless it is there."""
    connection = psycopg2.connect(
        host="127.0.0.1",
        port=settings.ports.postgres,
        user="airflow",
        password=settings.secret("postgres_password"),
        dbname="postgres",
    )
    try:
        connection.set_isolation_level(ISOLATION_LEVEL_AUTOCOMMIT)
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = 'airflow'")
            if cursor.fetchone() is None:
                cursor.execute("CREATE DATABASE airflow")
    finally:
        connection.close()


def migrate() -> None:
    """Bring the tables to the installed version and set the pool that keeps Spark tasks from running side by side."""
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    initdb()
    Pool.create_or_update_pool(SPARK_POOL, 1, "Tasks that start Spark: one at a time", include_deferred=False)


if __name__ == "__main__":
    create_database(load_settings())
    migrate()
