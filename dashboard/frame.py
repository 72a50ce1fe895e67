"""What every page has: who may open it, its menu, a warning when its data is old, and the end of its session."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from nicegui import ui

from alerts.ack_html import FOOTER
from dashboard.html import not_allowed_page, sentence_page
from dashboard.roles import Permission
from dashboard.visit import NotFoundError, Visit, in_thread
from infra.errors import UnavailableError, WardError
from infra.log import get_logger

BUILD_SECONDS = 60.0
FRESH_EVERY_SECONDS = 1.0
LEAVE_SECONDS = 3.0
PRIMARY = "#0b5394"
"""Of buttons and what is chosen: white on it, and it on white, can be read (WCAG AA)."""

LOG_OUT = '<form method="post" action="/logout"><button class="ward-logout">Log out</button></form>'
TO_LOGIN = """<script>
setInterval(async () => {
  if (document.hidden || !window.socket || window.socket.connected) return;
  const answer = await fetch("/_nicegui_ws/", { cache: "no-store" }).catch(() => null);
  if (answer?.status === 401) window.location.reload();
}, 5000);
</script>"""
"""Whose session ended while there was no connection is refused a new one, over which they would be told to log in."""

HEARD_EVERY_SECONDS = 3.0
HEARD = "window.wardHeardAt = performance.now()"
CUT_OFF = """<p class="ward-old" id="ward-cut-off" role="alert" hidden></p>"""
LISTENING = f"""<script>
{HEARD};
setInterval(() => {{
  const told = document.getElementById("ward-cut-off");
  if (!told || document.querySelector(".ward-board")) return;
  const silence = Math.round((performance.now() - window.wardHeardAt) / 1000);
  const cut = silence > 10;
  told.textContent = cut ? `THIS PAGE IS CUT OFF: nothing has come from the server for ${{silence}} s.` : "";
  told.hidden = !cut;
  document.body.classList.toggle("ward-cut-off", cut);
}}, 1000);
</script>"""
"""A page with which nobody speaks any more says so, in its own words; the board does it itself, by its news."""

WARD_MAX = 200
"""Characters of a ward in an address."""

VISIT = "wardwatch.visit"
"""Under this name the gate keeps the visit in a request's scope."""

log = get_logger("ward-page")


@dataclass(frozen=True)
class MenuItem:
    """A page in the menu."""

    path: str
    title: str
    permission: Permission


MENU: list[MenuItem] = []


def ward_page(
    path: str, title: str, permission: Permission, in_menu: bool = True, keeps_session: bool = False
) -> Callable[[Callable[..., Awaitable[None]]], None]:
    """Decorates `async def build(visit, …path parameters)`: a page at `path` for those who have the permission.

    `keeps_session`: while it is open its session does not end for want of acts, as on a wall screen. What the builder
    raises as WardError is shown as a sentence; NotFoundError is a page of its own, with status 404.
    """
    if in_menu:
        MENU.append(MenuItem(path, title, permission))

    def register(build: Callable[..., Awaitable[None]]) -> None:
        signature = inspect.signature(build, eval_str=True)
        own = [parameter for name, parameter in signature.parameters.items() if name != "visit"]
        request = inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=Request)

        async def page(*, request: Request, **parameters: Any) -> Response | None:
            visit: Visit = request.scope[VISIT]
            if not visit.may(permission):
                return HTMLResponse(not_allowed_page(permission), 403)
            async with _framed(visit, path, title, keeps_session):
                try:
                    await build(visit, **parameters)
                except NotFoundError as error:
                    return HTMLResponse(sentence_page("Not found", str(error)), 404)
                except WardError as error:
                    complain(error)
            return None

        keyword_only = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        page.__signature__ = inspect.Signature([request, *keyword_only])  # type: ignore[attr-defined]
        ui.page(path, title=f"{title} · Wardwatch", response_timeout=BUILD_SECONDS)(page)

    return register


def complain(error: WardError) -> None:
    """Show what went wrong as a sentence, where the page is being built."""
    with ui.row().classes("ward-problem items-center").props('role="alert"'):
        ui.icon("error").props('aria-hidden="true"')
        ui.label(str(error))


def keep_in_address(path: str, **choices: str) -> None:
    """Whoever loads the page again, or comes back to it by logging in again, finds what is chosen there now."""
    query = urlencode({name: text for name, text in choices.items() if text})
    ui.navigate.history.replace(f"{path}?{query}" if query else path)
    ui.context.client.request.scope["query_string"] = query.encode()


@contextmanager
def problems_told(about: str = "") -> Iterator[None]:
    """Around an act of a button or a form: a WardError becomes a notification that stays until it is closed.

    `about`: what was acted on, where something else may be shown by then.
    """
    try:
        yield
    except WardError as error:
        if isinstance(error, UnavailableError):
            log.warning("unavailable", reason=str(error))
        ui.notify(told_of(about, str(error)), type="negative", timeout=0, close_button="Close", multi_line=True)


def told_of(about: str, sentence: str) -> str:
    """A sentence that says what it is about."""
    return f"{about}: {sentence}" if about else sentence


@asynccontextmanager
async def _framed(visit: Visit, path: str, title: str, keeps_session: bool) -> AsyncIterator[None]:
    ui.add_head_html('<link rel="stylesheet" href="/ward.css">')
    ui.add_head_html(TO_LOGIN)
    ui.add_head_html(LISTENING)
    ui.run_javascript("document.documentElement.lang = 'en'")
    ui.colors(primary=PRIMARY)
    with ui.header().classes("ward-header items-center").props('role="banner"'):
        ui.label("Wardwatch").classes("ward-brand")
        with ui.element("nav").classes("ward-menu").props('aria-label="Pages"'):
            for item in MENU:
                if visit.may(item.permission):
                    link = ui.link(item.title, item.path).classes("ward-menu-item")
                    if item.path == path:
                        link.classes("ward-here").props('aria-current="page"')
        ui.space()
        ui.label(f"{visit.account.name} ({visit.account.role})").classes("ward-who")
        ui.html(LOG_OUT, sanitize=False)
    old = ui.label().classes("ward-old").props('role="alert"')
    old.set_visibility(False)
    ui.html(CUT_OFF, sanitize=False)
    with ui.element("div").classes("ward-main"):  # within the library's own <main>
        ui.html(f"<h1>{title}</h1>", sanitize=False).classes("ward-title")
        yield
    with ui.element("footer").classes("ward-footer"):
        ui.label(FOOTER)
    _show_age(visit, old)
    ui.timer(FRESH_EVERY_SECONDS, lambda: _show_age(visit, old))
    ui.timer(HEARD_EVERY_SECONDS, lambda: ui.run_javascript(HEARD))
    ui.timer(visit.house.settings.dashboard.session_look_seconds, lambda: _end_with_session(visit, keeps_session))


def _show_age(visit: Visit, old: ui.label) -> None:
    age = visit.house.live.age_seconds()
    is_old = visit.house.is_old(age)
    if is_old:
        since = "since this page was started" if age is None else f"for {as_age(age)}"
        old.set_text(f"THE DATA ON THIS PAGE IS OLD: no reading of anybody has arrived {since}.")
    old.set_visibility(is_old)


def as_age(seconds: float) -> str:
    """`14 s`, `3 min`, `2 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def login_address(scope: Mapping[str, Any]) -> str:
    """Where somebody logs in who asked for this page (an ASGI scope), and is then sent to it."""
    # As the browser wrote it: in an id, `%23` is a `#`.
    path = scope.get("raw_path", b"").decode("latin-1").partition("?")[0] or quote(scope["path"])
    query = scope.get("query_string", b"").decode("latin-1")
    return "/login" if path == "/" else f"/login?after={quote(f'{path}?{query}' if query else path)}"


async def _end_with_session(visit: Visit, keeps_session: bool) -> None:
    try:
        lasts = await in_thread(visit.lasts, keeps_session)
    except WardError as error:
        log.warning("cannot look up a session", reason=str(error))
        return
    if not lasts:
        client = ui.context.client
        ui.navigate.to(login_address(client.request.scope))
        await asyncio.sleep(LEAVE_SECONDS)
        # Who stays is sent nothing more. A browser has gone by itself, and is forgotten by the library, once.
        if client.has_socket_connection and not client.is_deleted:
            client.delete()
