"""What a stream shows of itself."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.errors import SingleInstanceError
from infra.metrics import StreamMetrics, read_state
from infra.settings import Ports, Settings


def test_a_port_that_is_taken_is_said_in_a_sentence_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(ports=Ports(metrics_mailer=port), port_offset=0)
        with pytest.raises(SingleInstanceError, match=rf"mailer cannot show .*:{port} .*does it run already"):
            StreamMetrics("mailer").serve(settings)


@pytest.mark.parametrize(
    ("status", "body", "lag"),
    [(200, "wardwatch_lag_records 7.0\n", 7), (200, "<html>", None), (200, '{"a": 1}', None), (404, "", None)],
)
def test_who_answers_with_something_else_in_the_place_of_a_stream_is_no_stream(
    status: int, body: str, lag: float | None
) -> None:
    class Other(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        state = read_state(Settings(ports=Ports(metrics_mailer=server.server_port), port_offset=0), "mailer")
    assert (state.lag if state else None) == lag
