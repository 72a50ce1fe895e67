"""The facts and the history of an alarm as HTML. Pure; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def facts_html(facts: Iterable[tuple[str, str]]) -> str:
    """Names and values."""
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return f'<dl class="ward-facts">{pairs}</dl>'


def table_html(name: str, headline: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table that scrolls by itself."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in headline)
    body = "".join(f"<tr>{''.join(_cell(place, cell) for place, cell in enumerate(row))}</tr>" for row in rows)
    return (
        f'<div class="ward-scroll" tabindex="0" role="region" aria-label="{escape(name)}"><table class="ward-table">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(place: int, text: str) -> str:
    looks = ' class="ward-wraps"' if place > 1 else ""
    return f"<td{looks}>{escape(text)}</td>"
