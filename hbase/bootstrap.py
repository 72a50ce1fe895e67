"""What is needed in HBase before first use: the tables and, at first start only, the default rows of thresholds."""

from __future__ import annotations

from collections.abc import Callable

from hbase.creation import create, exists
from hbase.files import DEFAULT_TABLE, keyed, read_csv
from hbase.recent_tables import create_recent_tables
from hbase.table import FAMILY, STATE_FAMILY, VERSIONS, apply_edit, move_mark, read_mark, read_state, state_table
from infra.clients import with_retries
from infra.log import get_logger
from infra.settings import Settings

CREATION_TIMEOUT_MS = 60_000
"""Creating a table in a server that has just started takes longer than any read or write."""

MARK = "defaults"
LOADING = "loading"
LOADED = "loaded"
AUTHOR = "defaults"

log = get_logger("thresholds")


def bootstrap(settings: Settings) -> None:
    """Create the tables that are missing and load the default rows if this is the first start.

    A mark says `loading` before the threshold table is created and `loaded` when the defaults are in it. A crash in
    between leaves `loading`: the next start adds the default rows that are still absent. Once it says `loaded`, or when
    the table was there before us, nothing is ever added: what ops edited or deleted stays so.
    Raises UnavailableError when HBase does not answer within `start_retry_seconds`.
    """
    hadoop = settings.hadoop.model_copy(update={"hbase_timeout_ms": CREATION_TIMEOUT_MS})
    patient = settings.model_copy(update={"hadoop": hadoop})

    def tried(step: Callable[[Settings], None]) -> None:
        with_retries(settings, lambda: step(patient))

    tried(_create_state_table)
    tried(_create_threshold_table)
    tried(_load_defaults)
    tried(create_recent_tables)


def _create_state_table(settings: Settings) -> None:
    create(settings, state_table(settings), {STATE_FAMILY: {"max_versions": 1}})


def _create_threshold_table(settings: Settings) -> None:
    if exists(settings, settings.thresholds.table):
        # A table that we did not create is somebody's own: its rows are left as they are.
        move_mark(settings, MARK, None, LOADED)
        return
    first = move_mark(settings, MARK, None, LOADING)
    if not first and read_mark(settings, MARK) == LOADED:
        log.warning("the threshold table had been dropped and is created empty", table=settings.thresholds.table)
    create_empty(settings)


def create_empty(settings: Settings) -> None:
    """Create the threshold table, without a row, unless it is there. Raises UnavailableError."""
    create(settings, settings.thresholds.table, {FAMILY: {"max_versions": VERSIONS}})


def _load_defaults(settings: Settings) -> None:
    if read_mark(settings, MARK) != LOADING:
        return
    state = read_state(settings)
    defaults = keyed(read_csv(DEFAULT_TABLE))
    missing = {key: {**row, "updated_by": AUTHOR} for key, row in defaults.items() if key not in state.cells}
    apply_edit(settings, state, missing, ())
    move_mark(settings, MARK, LOADING, LOADED)
    log.info("loaded the default thresholds", rows=len(missing))
