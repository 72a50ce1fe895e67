"""The acknowledge page, as a stream: what the link in a mail opens, on a telephone, with no script and no cookie.

A GET only shows the alarm, for the scanners of mail servers follow every link; a POST of its form leaves an order for
the alert engine. The token in the address is the capability: there is no session that another site could ride on, and
it is never logged. While MySQL is away the page says so and goes on.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import uvicorn
from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from alerts.ack_desk import Desk, MysqlDesk, Wish
from alerts.ack_html import STYLE_HASH, Typed, alarm_page, result_page, sentence_page
from alerts.alarms_table import RISEN, AlarmRow, has_risen, not_acknowledgeable
from alerts.entries import as_moment, author_of, one_clean_line, reason_of, zone_of
from alerts.links import PATH, SECRET, AlteredLinkError, ExpiredLinkError, read_token
from alerts.orders import LONGEST_MS
from alerts.web_stream import serve_until
from infra import listening
from infra.errors import ConfigurationError, UnavailableError
from infra.log import get_logger
from infra.metrics import StreamMetrics
from infra.settings import Settings
from infra.stream import run_stream

STREAM = "acknowledge-page"
FORM_TYPE = "application/x-www-form-urlencoded"
FORM_MAX_BYTES = 16_384
"""A name and a reason of the greatest length, each character written in the longest way."""

FORM_FIELDS_MAX = 10
FORM_SECONDS = 10
HEADER_MAX_BYTES = 16_384
CONNECTIONS_MAX = 64
GRACE_SECONDS = 8
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}
AWAY = (
    "The alarms cannot be looked up at the moment. The alarm goes on, and what you sent may not have been recorded.",
    "Try again in a minute: what was recorded already is not recorded twice.",
)
log = get_logger(STREAM)

Form = Mapping[str, str]


class Refused(Exception):
    """A request that is answered with a status, a headline and a sentence, and nothing else."""

    def __init__(self, status: int, title: str, sentence: str, alarm_id: str | None = None) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.sentence = sentence
        self.alarm_id = alarm_id


def create_app(desk: Desk, key: str, zone: ZoneInfo, metrics: StreamMetrics, clock: Callable[[], float]) -> FastAPI:
    """The page as an ASGI application; `key` signs the links, `clock` gives epoch s."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    answers = Answers(desk, key, zone, metrics, clock)

    @app.api_route("/", methods=["GET", "HEAD"], response_class=HTMLResponse)
    def start() -> HTMLResponse:
        return _html(200, sentence_page("Wardwatch", "To acknowledge an alarm, open the link in its mail."))

    @app.api_route(PATH + "{token}", methods=["GET", "HEAD"], response_class=HTMLResponse)
    def show(token: str) -> HTMLResponse:
        return answers.show(token)

    @app.post(PATH + "{token}", response_class=HTMLResponse)
    def acknowledge(token: str, form: Annotated[Form, Depends(read_form)]) -> HTMLResponse:
        return answers.acknowledge(token, form)

    @app.exception_handler(Refused)
    def refuse(_request: Request, error: Refused) -> HTMLResponse:
        metrics.rejected.inc()
        log.warning("refused", status=error.status, reason=error.title, alarm_id=error.alarm_id)
        return _html(error.status, sentence_page(error.title, error.sentence))

    @app.exception_handler(HTTPException)
    def no_such_page(_request: Request, error: HTTPException) -> HTMLResponse:
        text = "There is no such page. To acknowledge an alarm, open the link in its mail."
        return _html(error.status_code, sentence_page(error.detail, text), error.headers)

    @app.exception_handler(UnavailableError)
    def database_away(_request: Request, error: UnavailableError) -> HTMLResponse:
        log.warning("the database is away", reason=str(error))
        return _html(503, sentence_page("Not possible just now", *AWAY), {"Retry-After": "30"})

    @app.exception_handler(Exception)
    def crashed(_request: Request, error: Exception) -> HTMLResponse:
        log.error("a request failed", reason=type(error).__name__)
        return _html(500, sentence_page("Something went wrong", *AWAY))

    return app


class Answers:
    """What each request does and is answered with."""

    def __init__(
        self, desk: Desk, key: str, zone: ZoneInfo, metrics: StreamMetrics, clock: Callable[[], float]
    ) -> None:
        self._desk = desk
        self._key = key
        self._zone = zone
        self._metrics = metrics
        self._clock = clock

    def show(self, token: str) -> HTMLResponse:
        """The alarm with the form. Changes nothing."""
        alarm = self._alarm_of(token)
        return _html(200, alarm_page(alarm, self._zone, self._desk.newest_order(), Typed()))

    def acknowledge(self, token: str, form: Form) -> HTMLResponse:
        """Leave the order that the form asks for and say what became of it. The same form sent again is refused."""
        alarm = self._alarm_of(token)
        try:
            wish = _wish(alarm.alarm_id, form)
        except ConfigurationError as error:
            return _html(400, alarm_page(alarm, self._zone, self._desk.newest_order(), _typed(form), str(error)))
        if has_risen(alarm, form.get("severity", "")):
            return _html(409, alarm_page(alarm, self._zone, self._desk.newest_order(), _typed(form), RISEN))
        placed = self._desk.place(wish)
        if placed.is_repeat:
            self._metrics.rejected.inc()
            log.warning("refused", status=409, reason="form sent again", alarm_id=alarm.alarm_id)
        else:
            self._metrics.records.inc()
            log.info("order", order_id=placed.order_id, alarm_id=alarm.alarm_id)
        outcome = self._desk.outcome(placed.order_id)
        alarm = self._desk.look(alarm.alarm_id) or alarm
        status = 202 if outcome is None else 200 if alarm.state == "acknowledged" else 409
        return _html(409 if placed.is_repeat else status, result_page(alarm, self._zone, outcome, placed.is_repeat))

    def _alarm_of(self, token: str) -> AlarmRow:
        """The alarm that may be acknowledged by this token. Raises Refused."""
        try:
            alarm_id = read_token(self._key, token, self._clock())
        except AlteredLinkError as error:
            raise Refused(403, "This link is not valid", f"{error} Open it from the mail again.") from error
        except ExpiredLinkError as error:
            until = f"{as_moment(error.expired_at * 1000, self._zone)} {self._zone.key}"
            sentence = f"It held until {until}. Open the link in the newest mail about the alarm."
            raise Refused(410, "This link has expired", sentence, error.alarm_id) from error
        alarm = self._desk.look(alarm_id)
        if alarm is None:
            raise Refused(404, "This alarm is not known", "It was forgotten long after it was over.", alarm_id)
        if reason := not_acknowledgeable(alarm):
            status, title = (410, "This alarm is over") if alarm.state == "ended" else (409, "Not to be acknowledged")
            raise Refused(status, title, reason, alarm_id)
        return alarm


async def read_form(request: Request) -> Form:
    """The fields of a form that was sent. Raises Refused for what is no form of this page, or is too long or too slow.

    Browsers say where a form was shown; one on another site is none of ours.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refused(403, "Not sent from this page", "Open the link in the mail and send the form that it shows.")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM_TYPE:
        raise Refused(415, "Not a form", "Open the link in the mail and send the form that it shows.")
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > FORM_MAX_BYTES:
                    raise Refused(413, "The form is too long", "Shorten the reason.")
        return dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=FORM_FIELDS_MAX))
    except (TimeoutError, ClientDisconnect) as error:
        raise Refused(408, "The form did not arrive", "Send it again.") from error
    except ValueError as error:
        raise Refused(400, "Not a form", "Open the link in the mail and send the form that it shows.") from error


def _wish(alarm_id: str, form: Form) -> Wish:
    """Raises ConfigurationError for a field that must be corrected."""
    after, minutes = form.get("after", ""), form.get("minutes", "")
    if not (after.isascii() and after.isdigit() and len(after) < 19):
        raise ConfigurationError("The form was not complete: send it again.")
    longest = LONGEST_MS // 60_000
    if not (minutes.isascii() and minutes.isdigit() and len(minutes) < 9 and 1 <= int(minutes) <= longest):
        raise ConfigurationError(f"The time without reminders is from 1 to {longest} minutes.")
    author, reason = author_of(form.get("author", "")), reason_of(form.get("reason", ""), needed=False)
    return Wish(alarm_id, author, reason, int(minutes) * 60_000, int(after), form.get("severity", ""))


def _typed(form: Form) -> Typed:
    return Typed(one_clean_line(form.get("author", "")), one_clean_line(form.get("reason", "")))


def _html(status: int, content: str, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    return HTMLResponse(content, status, {**HEADERS, **(headers or {})})


def listen(settings: Settings) -> socket.socket:
    """The page's socket. Raises SingleInstanceError when the port is taken, ConfigurationError for a wrong host."""
    host, port = settings.alerts.acknowledge_page_host, settings.ports.acknowledge_page
    return listening.listen(STREAM, host, port, "alerts.acknowledge_page_host")


def web_server(app: FastAPI) -> uvicorn.Server:
    """The server of the page. It logs no request, for a request holds its token, and believes no header of a proxy."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        h11_max_incomplete_event_size=HEADER_MAX_BYTES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return uvicorn.Server(config)


def body(settings: Settings, metrics: StreamMetrics, stop: threading.Event) -> None:
    """Serve the page until `stop` is set."""
    app = create_app(MysqlDesk(settings), settings.secret(SECRET), zone_of(settings), metrics, time.time)
    with listen(settings) as listener:
        serve_until(stop, web_server(app), listener, metrics)


if __name__ == "__main__":
    run_stream(STREAM, body)
