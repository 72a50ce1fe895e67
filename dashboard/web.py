"""The ward page as a web application: the gate, logging in and out, and all pages."""

from __future__ import annotations

import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qsl

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from nicegui import app as nicegui_app
from nicegui import run, ui

from dashboard import audit, pages, sessions
from dashboard.accounts import Account
from dashboard.frame import MENU, VISIT
from dashboard.gate import COOKIE, Gate, cookie
from dashboard.house import House
from dashboard.html import login_page, sentence_page
from dashboard.roles import may
from dashboard.sockets import bind_to_sessions
from dashboard.visit import in_thread
from infra.errors import UnavailableError, WardError
from infra.log import get_logger

CSS = Path(__file__).with_name("ward.css")
FORM_MAX_BYTES = 4096
MENU_ORDER = ("/board", "/alarms", "/patients", "/compare", "/thresholds", "/system")
WRONG = "The user name or the password is wrong."
NOT_ENDED = (
    "Your session could not be ended on the server: it ends there {:g} minutes after its last act. Close every page of "
    "it that is open elsewhere, as an open board keeps it."
)
RECONNECT_SECONDS = 30.0
THREADS = 32
"""For what waits for servers, of all open pages: of NiceGUI's own pool one server that hangs would take all."""

log = get_logger("ward-page")


def create_app(house: House) -> FastAPI:
    """The application, once a process: NiceGUI keeps pages and clients for the whole process."""
    for module in pkgutil.iter_modules(pages.__path__):
        importlib.import_module(f"dashboard.pages.{module.name}")
    MENU.sort(key=lambda item: MENU_ORDER.index(item.path))
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Gate, house=house)
    app.get("/ward.css")(lambda: FileResponse(CSS, media_type="text/css"))
    app.get("/")(_first_page)
    app.get("/login")(_show_login)
    logins = Logins(house)
    app.post("/login")(logins.log_in)
    app.post("/logout")(logins.log_out)
    app.exception_handler(WardError)(_unavailable)
    # NiceGUI's own would build a page with a connection for whoever asks, and tell what an error said.
    nicegui_app.exception_handlers[404] = _no_such_page
    nicegui_app.exception_handlers[Exception] = _crashed
    bind_to_sessions()
    run.thread_pool = ThreadPoolExecutor(THREADS, "page")
    # Quasar's bar for every request would run over the page, without a name, when the socket falls back to polling.
    nicegui_app.config.quasar_config["loadingBar"]["skipHijack"] = True
    ui.run_with(
        app,
        title="Wardwatch",
        show_welcome_message=False,
        reconnect_timeout=RECONNECT_SECONDS,
        language="en-US",
    )
    return app


def _first_page(request: Request) -> Response:
    role = request.scope[VISIT].account.role
    first = next(item.path for item in MENU if may(role, item.permission))
    return RedirectResponse(first, 303)


def _show_login(after: str = "/") -> Response:
    return HTMLResponse(login_page(_own_path(after)))


class Logins:
    """Logging in and out."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def log_in(self, request: Request) -> Response:
        """Check what was typed, at the pace that wrong passwords leave; begin a session with a cookie."""
        form = await _form(request)
        name, after = form.get("name", "")[:64].strip(), _own_path(form.get("after", "/"))
        address = request.client.host if request.client else ""
        key, addresses = f"{name} from {address}", self._house.addresses
        if (wait := max(self._house.throttle.wait_seconds(key), addresses.wait_seconds(address))) > 0:
            sentence = f"Too many wrong passwords: try again in {wait + 0.5:.0f} s."
            return HTMLResponse(login_page(after, name, sentence), 429, {"Retry-After": f"{wait + 1:.0f}"})
        self._house.throttle.wrong(key)
        addresses.wrong(address)
        account = await in_thread(self._house.accounts.check_password, name, form.get("password", ""))
        if account is None:
            log.warning("login refused")
            # What is no name may be a password in the wrong field.
            known = name if self._house.accounts.find(name) else "(no such user)"
            await in_thread(audit.record_refused_login, self._house.settings, known)
            return HTMLResponse(login_page(after, name, WRONG), 401)
        self._house.throttle.right(key)
        addresses.take_back(address)
        token = await in_thread(self._begin, account)
        answer = RedirectResponse(after, 303)
        base = self._house.settings.dashboard.public_base_url or ""
        answer.set_cookie(COOKIE, token, httponly=True, samesite="lax", secure=base.startswith("https:"))
        return answer

    def _begin(self, account: Account) -> str:
        audit.record(self._house.settings, account, "login")
        return sessions.begin(self._house.settings, account.name)

    async def log_out(self, request: Request) -> Response:
        """End the session on every page that it has open; where that is not possible, in this browser."""
        answer: Response = RedirectResponse("/login", 303)
        if token := cookie(request.headers):
            try:
                await in_thread(sessions.end, self._house.settings, token)
            except UnavailableError as error:
                log.warning("a session could not be ended", reason=str(error))
                minutes = self._house.settings.dashboard.idle_minutes
                answer = HTMLResponse(sentence_page("Logged out in this browser only", NOT_ENDED.format(minutes)), 503)
        answer.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return answer


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_MAX_BYTES:
            return {}
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def _own_path(after: str) -> str:
    """Only a path of this site is gone to after logging in."""
    is_own = after.startswith("/") and not after.startswith(("//", "/\\")) and after.isprintable()
    return after if is_own else "/"


def _unavailable(_request: Request, error: Exception) -> HTMLResponse:
    log.warning("unavailable", reason=str(error))
    return HTMLResponse(sentence_page("Not possible just now", "A server that this needs is away. Try again."), 503)


def _no_such_page(_request: Request, _error: Exception) -> HTMLResponse:
    return HTMLResponse(sentence_page("Not found", "There is no such page."), 404)


def _crashed(_request: Request, error: Exception) -> HTMLResponse:
    log.error("a request failed", reason=type(error).__name__)
    return HTMLResponse(sentence_page("Something went wrong", "Load the page again. The log says more."), 500)
