"""Scripts and the writing of answers."""

import io
import json
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hive.statements import cell, split_statements, write_csv, write_json


def test_statements_end_at_semicolons_outside_quotes() -> None:
    script = "select 'a;b' ; -- a comment; not a statement\nselect \"c;--\" from `d;e`;;"
    assert split_statements(script) == ["select 'a;b'", 'select "c;--" from `d;e`']


def test_an_escaped_quote_does_not_end_a_text() -> None:
    assert split_statements("select 'it\\'s; one'; select 2 - 1") == ["select 'it\\'s; one'", "select 2 - 1"]


def test_an_unfinished_quote_loses_nothing() -> None:
    assert split_statements("select 'open") == ["select 'open"]


@given(st.lists(st.text("abc '\"xyz\n,()", min_size=1).filter(str.strip)))
def test_quoted_texts_survive_splitting(texts: list[str]) -> None:
    statements = ["select '" + text.replace("'", "\\'") + ";'" for text in texts]
    assert split_statements(";".join(statements)) == statements


def test_csv_has_a_header_and_quotes_what_needs_it() -> None:
    out = io.StringIO()
    write_csv(out, ("id", "name"), iter([(1, 'Ann, "A"'), (2, None)]))
    assert out.getvalue().splitlines() == ["id,name", '1,"Ann, ""A"""', "2,"]


def test_json_is_one_object_a_line() -> None:
    out = io.StringIO()
    write_json(out, ("t", "d", "n"), iter([(Decimal("36.600"), date(2026, 1, 31), None)]))
    assert json.loads(out.getvalue()) == {"t": 36.6, "d": "2026-01-31", "n": None}


def test_null_is_shown_as_such() -> None:
    assert (cell(None), cell(""), cell(0)) == ("NULL", "", "0")
