"""Commands for ops: `./ward thresholds …`."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from clinical.ages import ADULT_YEARS
from clinical.thresholds import ThresholdRow, parse_rows, read_table
from hbase import display
from hbase.edits import (
    Edit,
    RefusedError,
    attribute_of,
    check,
    companions,
    limits_left,
    make,
    plan_add,
    plan_delete,
    plan_import,
    plan_set,
)
from hbase.files import read_csv, write_csv
from hbase.patient_edits import plan_patient, plan_patient_removal
from hbase.snapshots import content_hash, latest
from hbase.table import TableState, read_state, row_history
from infra.errors import ConfigurationError, UnavailableError
from infra.settings import Settings, load_settings

WIDE = 110
"""Columns of a terminal from which on the author of each row is listed too."""

app = typer.Typer(
    no_args_is_help=True,
    help="Look at and change the limits that patients are judged by.\n\n"
    "Every change is checked together with the whole table before it is written: no gap, no overlap, one normal band "
    "at every age. It is in force a few seconds later, without a restart.",
)
out = Console()


def _me() -> str:
    """The user of the operating system."""
    return pwd.getpwuid(os.getuid()).pw_name


Author = Annotated[
    str,
    typer.Option(
        default_factory=_me,
        show_default="your user name",
        help="Who makes the change; stands in the column updated_by.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


@app.command("list")
def list_rows(
    attribute: Annotated[str | None, typer.Argument(help="For example heart_rate; all attributes if left out.")] = None,
    age: Annotated[float | None, typer.Option(min=0, help="Only rows for a patient of this age in years.")] = None,
    patient_id: Annotated[str | None, typer.Option("--patient", help="Only this patient's own limits.")] = None,
) -> None:
    """Show the rows, with what they do and who changed them last."""
    state = read_state(load_settings())
    rows, problems = parse_rows(state.cells)
    known = {row.attribute for row in rows}
    if attribute is not None and attribute not in known:
        raise ConfigurationError(
            f"The table has no rows of {attribute!r}; it has {', '.join(sorted(known)) or 'none'}."
        )
    shown = [
        row
        for row in rows
        if attribute in (None, row.attribute)
        and patient_id in (None, row.patient_id)
        and (age is None or (row.low_age <= age and (row.high_age is None or age < row.high_age)))
    ]
    if patient_id is not None and not shown:
        raise ConfigurationError(f"Patient {patient_id!r} has no such limits of their own: the general ones hold.")
    _print_rows(shown, state if out.width >= WIDE else None)
    for problem in problems:
        out.print(f"[red]unreadable:[/] {escape(str(problem))}", soft_wrap=True)


@app.command("set")
def set_values(
    words: Annotated[
        list[str], typer.Argument(metavar="ROW_KEY COLUMN=VALUE…", help="Repeat ROW_KEY … to change several rows.")
    ],
    author: Author,
    dry_run: DryRun = False,
) -> None:
    """Change cells of existing rows.

    A limit that two bands share is moved in both rows by one command, for example:

    ./ward thresholds set heart_rate#040 high_value=125 heart_rate#041 low_value=126

    A blank value (high_value=) is an open limit.
    """
    settings = load_settings()
    state = read_state(settings)
    edit = plan_set(state.cells, words)
    try:
        _carry_out(settings, state, edit, author, dry_run)
    except RefusedError:
        if whole := companions(state.cells, edit):
            out.print("A limit is shared with the neighbouring band. This command moves both:", style="yellow")
            out.print(f"  ./ward thresholds set {_as_words(whole)}", soft_wrap=True, markup=False, highlight=False)
        raise


@app.command("add")
def add_row(
    words: Annotated[list[str], typer.Argument(metavar="ATTRIBUTE COLUMN=VALUE…", help="The new row's cells.")],
    author: Author,
    dry_run: DryRun = False,
) -> None:
    """Add one row under the next free key. Several rows that only fit together: use `import`."""
    settings = load_settings()
    state = read_state(settings)
    _carry_out(settings, state, plan_add(state.cells, words), author, dry_run)


@app.command("delete")
def delete_rows(
    row_keys: Annotated[list[str], typer.Argument(metavar="ROW_KEY…")],
    author: Author,
    dry_run: DryRun = False,
) -> None:
    """Delete rows. To stop judging an attribute, delete all of its rows at once."""
    settings = load_settings()
    state = read_state(settings)
    _carry_out(settings, state, plan_delete(state.cells, row_keys), author, dry_run)


@app.command("patient")
def patient_limits(
    patient_id: Annotated[str, typer.Argument(help="Whose limits; the id as the readings carry it.")],
    attribute: Annotated[str, typer.Argument(help="For example spo2.")],
    normal: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="What is normal for this patient; a side left out stays general.")
    ] = "",
    author: Annotated[str, typer.Option(help="Who sets these limits; stands in the emails.")] = "",
    reason: Annotated[str, typer.Option(help="Why; stands in the emails.")] = "",
    age: Annotated[float, typer.Option(min=0, help="Move the general bands of this age in years.")] = ADULT_YEARS,
    remove: Annotated[bool, typer.Option("--remove", help="Judge by the general limits again.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Give one patient limits of their own for one attribute, in place of the general ones.

    The general bands move along with the normal range and keep width, severity and delay. For a COPD patient:

    ./ward thresholds patient P0007 spo2 --normal 88:92 --author 'Dr Jane Doe' --reason 'COPD, target 88-92 %'

    Where the general rows have no band on a side, what lies beyond is of low severity: recorded, not mailed.
    """
    if remove and normal:
        raise ConfigurationError("Give --normal to set a patient's limits or --remove to take them away, not both.")
    settings = load_settings()
    state = read_state(settings)
    if remove:
        _carry_out(settings, state, plan_patient_removal(state.cells, patient_id, attribute), author or _me(), dry_run)
        return
    edit = plan_patient(state.cells, patient_id, attribute, normal, author, reason, age)
    _carry_out(settings, state, edit, author, dry_run, as_rows=True)


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV file with the columns that `export` writes.")],
    author: Author,
    replace: Annotated[
        str,
        typer.Option(
            help="Attributes, separated by commas, whose rows the file replaces; all others stay as they are."
        ),
    ] = "",
    dry_run: DryRun = False,
) -> None:
    """Make the table say what a file says; rows that are the same already are left alone.

    Two files come with the project: hbase/defaults/threshold_reference.csv is the default table, and
    hbase/defaults/threshold_home_glucose.csv a set for glucose at home, taken over by
    --replace glucose,glucose_mean_10m
    """
    settings = load_settings()
    state = read_state(settings)
    attributes = [name.strip() for name in replace.split(",") if name.strip()]
    wanted = read_csv(file)
    _carry_out(settings, state, plan_import(state.cells, wanted, attributes), author, dry_run)
    if left := limits_left(state.cells, wanted, attributes):
        named = ", ".join(f"{patient} {attribute}" for attribute, patient in left)
        out.print(f"Patients' own limits that the file does not have stay: {escape(named)}", soft_wrap=True)


@app.command("export")
def export_file(
    file: Annotated[Path | None, typer.Argument(help="Where to; the screen if left out.")] = None,
) -> None:
    """Write all rows as CSV, as they stand; importing the file again changes nothing."""
    cells = read_state(load_settings()).cells
    text = write_csv({**row, "attribute": attribute_of(key, row)} for key, row in sorted(cells.items()))
    if file is None:
        sys.stdout.write(text)
        return
    try:
        file.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error}.") from error
    out.print(f"{len(cells)} rows written to {file}.")


@app.command("check")
def check_table() -> None:
    """Say whether the table is right, row by row what is not, and which version is in force."""
    settings = load_settings()
    cells = read_state(settings).cells
    rows, problems = read_table(cells)
    for problem in problems:
        out.print(f"[red]{escape(problem.row_key or 'table')}[/]: {escape(problem.reason)}", soft_wrap=True)
    if not problems:
        out.print(f"The table is right: {len(rows)} rows, {sum(row.alert_flag for row in rows)} of them alert.")
    out.print(_in_force(settings, None if problems else content_hash(rows)), soft_wrap=True)
    if problems:
        raise typer.Exit(1)


@app.command("history")
def history(row_key: Annotated[str, typer.Argument(help="For example heart_rate#001.")]) -> None:
    """Show the last ten versions of each cell of a row, with time and author."""
    versions = row_history(load_settings(), row_key)
    if not versions:
        raise ConfigurationError(f"The table has no row {row_key}, so it has no history; see `./ward thresholds list`.")
    out.print(display.history_table(versions))


def _carry_out(
    settings: Settings, state: TableState, edit: Edit, author: str, dry_run: bool, as_rows: bool = False
) -> None:
    """Check, show (cell by cell, or as the rows that come of it) and write an edit that was planned from `state`."""
    if not edit:
        out.print("The table says so already; nothing to change.")
        return
    signed = edit.signed(author)
    rows = check(state.cells, signed)
    if as_rows:
        groups = {(row.patient_id, row.attribute) for row in rows if row.row_key in edit.puts}
        _print_rows([row for row in rows if (row.patient_id, row.attribute) in groups])
    else:
        out.print(display.edit_table(state.cells, edit))
    if dry_run:
        out.print(f"Not written. The table would be right, with {len(rows)} rows.")
        return
    make(settings, state, signed)
    quiet = settings.thresholds.settle_seconds
    out.print(f"Written by {author}. Detection takes it over once the table has been quiet for {quiet:g} s.")


def _print_rows(rows: list[ThresholdRow], state: TableState | None = None) -> None:
    out.print(display.rows_table(rows, state))
    for line in display.reasons(rows):
        out.print(escape(line), soft_wrap=True)


def _in_force(settings: Settings, table_hash: str | None) -> str:
    """A sentence on the newest snapshot; `table_hash` None: the table is not right."""
    try:
        snapshot = latest(settings)
    except UnavailableError as error:
        return f"Which version is in force is not known: {error}"
    if snapshot is None:
        return "No version is in force yet: detection accepts the first one when it starts."
    what = f"In force: {snapshot.version}, {len(snapshot.rows)} rows, since {display.moment(snapshot.accepted_at)} UTC"
    if table_hash is None:
        return f"{what}; it stays in force until the table is right."
    if table_hash == content_hash(snapshot.rows):
        return f"{what}, the same as the table."
    return f"{what}; the table differs and comes into force when detection has seen it quiet."


def _as_words(edit: Edit) -> str:
    return " ".join(
        f"{key} {' '.join(f'{column}={text}' for column, text in columns.items())}"
        for key, columns in edit.puts.items()
    )
