"""A page that is built and that nobody looks at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import Request
from nicegui import Client
from nicegui.page import page


@contextmanager
def built(request: Request | None = None) -> Iterator[Client]:
    """Elements made within are of this page, which that request opened. Needs a running event loop."""
    client = Client(page("/"), request=request)
    try:
        with client:
            yield client
    finally:
        if not client.is_deleted:
            client.delete()
