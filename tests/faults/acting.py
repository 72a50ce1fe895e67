"""Somebody who does something every few seconds while faults strike."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import ClassVar

import pymysql

from infra.errors import WardError


class Acting(threading.Thread, ABC):
    """Makes a round every `pause_seconds` until `finish`. A round that a server which is away cuts short is over; the
    next one begins anew."""

    pause_seconds: ClassVar[float]

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._ended = threading.Event()
        self._failure: Exception | None = None

    @abstractmethod
    def make_a_round(self) -> None:
        """What is done each time."""

    def run(self) -> None:
        try:
            while not self._ended.wait(self.pause_seconds):
                with suppress(WardError, pymysql.err.MySQLError):
                    self.make_a_round()
        except Exception as failure:
            self._failure = failure

    def finish(self) -> None:
        """Stop acting; returns when the last round is over. Raises what ended them before."""
        self._ended.set()
        self.join(60)
        assert not self.is_alive(), f"{self.name} does not end"
        if self._failure is not None:
            raise self._failure
