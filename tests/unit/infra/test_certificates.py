"""The embedded MySQL's certificate: verifiable by its authority, made once, its owner's alone."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509

from infra.certificates import CA, CERTIFICATE, KEY, certificates_dir, ensure_certificates
from infra.settings import Settings


def test_the_certificate_is_signed_by_the_authority_and_made_out_to_the_loopback(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    ensure_certificates(settings)
    authority, certificate = (
        x509.load_pem_x509_certificate((certificates_dir(settings) / name).read_bytes()) for name in (CA, CERTIFICATE)
    )
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_certificates_are_made_once_and_readable_by_their_owner_only(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    ensure_certificates(settings)
    first = {name: (certificates_dir(settings) / name).read_bytes() for name in (CA, CERTIFICATE, KEY)}
    ensure_certificates(settings)
    assert {name: (certificates_dir(settings) / name).read_bytes() for name in first} == first
    assert {(certificates_dir(settings) / name).stat().st_mode & 0o777 for name in first} == {0o600}
