"""Exceptions grouped by what can be done about them."""


class WardError(Exception):
    """Something a person must put right; the message says what, where and what to do."""


class ConfigurationError(WardError):
    """A setting, a source table or an input file is wrong; trying again changes nothing."""


class UnavailableError(WardError):
    """A server cannot be reached; trying again later may succeed.

    A stream that meets it at start tries for `start_retry_seconds`, then exits with status 75 (EX_TEMPFAIL) and
    its supervisor starts it again later.
    """

    def __init__(self, server: str, address: str, reason: object) -> None:
        super().__init__(f"{server} at {address} cannot be reached: {reason}. Is it running? See `./ward status`.")
        self.server = server
        self.address = address


class SingleInstanceError(WardError):
    """A second copy of something that must run once."""
