"""The embedded MySQL's certificate, signed by an authority of its own, so that TLS can be tried without RDS."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from infra.secrets import write_private
from infra.settings import Settings

YEARS = 10
CA, CERTIFICATE, KEY = "ca.pem", "mysql.pem", "mysql-key.pem"


def certificates_dir(settings: Settings) -> Path:
    """Where they are: `ca.pem` (what `mysql.ssl_ca` may be set to), `mysql.pem` and `mysql-key.pem`."""
    return settings.state_dir / "tls"


def ensure_certificates(settings: Settings) -> None:
    """Make all three unless they are there; files of mode 600.

    The certificate is for 127.0.0.1 and localhost, for ten years. The authority's key is not kept: nothing else will
    ever be signed by it. A crash on the way leaves files that the next call makes anew, together.
    """
    directory = certificates_dir(settings)
    if (directory / CA).exists():
        return
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("Wardwatch embedded authority")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        _builder(_name("localhost"), authority_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    write_private(directory / KEY, private.decode())
    write_private(directory / CERTIFICATE, certificate.public_bytes(Encoding.PEM).decode())
    write_private(directory / CA, authority.public_bytes(Encoding.PEM).decode())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
    )
