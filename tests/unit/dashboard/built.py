"""A page that is built and that nobody looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import Client
from nicegui.page import page


@contextmanager
def built() -> Iterator[Client]:
    """Elements made within are of this page. Needs a running event loop."""
    client = Client(page("/"), request=None)
    try:
        with client:
            yield client
    finally:
        client.delete()
