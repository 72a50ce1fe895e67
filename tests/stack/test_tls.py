"""The source over TLS, verified with a CA file, as RDS is reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.certificates import CA, certificates_dir, ensure_certificates
from infra.clients import reader_connection
from infra.errors import UnavailableError
from infra.settings import Settings
from tests.stack.test_contacts_import import NASTY, new_world

pytestmark = pytest.mark.own_world


def trusting(settings: Settings, directory: Path) -> Settings:
    """The same settings with TLS, verified with the authority in that directory."""
    return settings.model_copy(update={"mysql": settings.mysql.model_copy(update={"ssl_ca": directory / CA})})


def test_the_reader_of_the_source_speaks_tls_when_a_ca_file_is_set(stack: Settings) -> None:
    settings = trusting(stack, certificates_dir(stack))
    with reader_connection(settings) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        assert cursor.fetchone()[1].startswith("TLSv1")


def test_without_a_ca_file_nothing_is_encrypted_on_the_loopback(stack: Settings) -> None:
    with reader_connection(stack) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW SESSION STATUS LIKE 'Ssl_version'")
        assert cursor.fetchone()[1] == ""


def test_a_server_that_another_authority_signed_is_refused(stack: Settings, tmp_path: Path) -> None:
    other = Settings(state_dir=tmp_path)
    ensure_certificates(other)
    with pytest.raises(UnavailableError, match="certificate verify failed"):
        reader_connection(trusting(stack, certificates_dir(other)))


def test_contacts_are_imported_over_tls(stack: Settings) -> None:
    for world in new_world(trusting(stack, certificates_dir(stack))):
        world.insert(*NASTY)
        assert world.run().new == len(NASTY)
        world.assert_hive_equals_mysql()
