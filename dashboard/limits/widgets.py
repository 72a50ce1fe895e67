"""Small parts that the thresholds page is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui

from dashboard.limits.lanes import Lane
from dashboard.limits.picture import picture

Handler = Callable[[], object]
"""What it gives is awaited if it can be."""


def action(text: str, handler: Handler, about: str = "", quiet: bool = True) -> ui.button:
    """A button; `about` says for those who hear it which row it is for."""
    button = ui.button(text, on_click=handler).props("no-caps dense" + (" flat" if quiet else ""))
    if about:
        button.props["aria-label"] = f"{text} {about}"
    return button


def heading(text: str) -> None:
    """A headline of a part of the page; `text` is markup of our own."""
    ui.html(f"<h2>{text}</h2>", sanitize=False).classes("ward-limits-heading")


def sentences(texts: Sequence[str]) -> None:
    """Each on its own line, as text."""
    for text in texts:
        ui.label(text)


def show_picture(attribute: str, lanes: Sequence[Lane], name: str) -> None:
    """The bands; it scrolls by itself where it is wider than the page."""
    with ui.element("div").classes("ward-limits-picture").props('tabindex="0" role="group" aria-label="Picture"'):
        # Everything in it from the table is escaped by `picture`.
        ui.html(picture(attribute, lanes, name), sanitize=False)


def focus(element: ui.element | None) -> None:
    """Whoever works by keyboard goes on there, once the browser has made it."""
    if element is not None:
        # Not `ui.run_javascript`: what was pressed, and with it the place in the page, may be gone already.
        element.client.run_javascript(f"setTimeout(() => getHtmlElement({element.id})?.focus(), 0)")
