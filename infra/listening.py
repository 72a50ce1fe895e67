"""The sockets of our own web pages."""

from __future__ import annotations

import errno
import socket

from infra.errors import ConfigurationError, SingleInstanceError


def listen(stream: str, host: str, port: int, setting: str) -> socket.socket:
    """A socket that listens there for the stream. `setting` names where the host is set.

    Raises SingleInstanceError when the port is taken, ConfigurationError for a wrong host.
    """
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise ConfigurationError(f"{setting}: {host}:{port} cannot be served.") from error
        raise SingleInstanceError(
            f"{stream} cannot be served on {host}:{port} ({error.strerror}): does it run already? See `./ward status`, "
            "or choose another port in [ports]."
        ) from error
