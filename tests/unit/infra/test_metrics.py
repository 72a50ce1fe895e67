"""What a stream shows of itself."""

from __future__ import annotations

import socket

import pytest

from infra.errors import SingleInstanceError
from infra.metrics import StreamMetrics
from infra.settings import Ports, Settings


def test_a_port_that_is_taken_is_said_in_a_sentence_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(ports=Ports(metrics_mailer=port), port_offset=0)
        with pytest.raises(SingleInstanceError, match=rf"mailer cannot show .*:{port} .*does it run already"):
            StreamMetrics("mailer").serve(settings)
