"""The certificate authority in ``home/tls``: it signs the MQTT broker's certificate and those of devices and gateways.

Keys are ECDSA P-256, which small devices handle and every TLS 1.2 stack knows. What was issued is kept (without its
key) in ``issued/``, so that `mailiu status` can tell what ends soon; what was revoked is in ``revoked/`` and in the
revocation list that the broker reads. Lifetimes are judgements: ten years for the authority, two for a device, and 397
days for the broker, which renews its own.
"""

import contextlib
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY, DEVICE, SERVER = timedelta(days=3650), timedelta(days=730), timedelta(days=397)
SOON = timedelta(days=30)  #: a certificate that ends within this is renewed (the broker's) or spoken of (a device's)
SKEW = timedelta(hours=1)  #: a device's clock may be so much behind when its certificate is new


class NotIssued(Exception):
    """A certificate that cannot be issued or revoked; the text says why."""


@dataclass(frozen=True)
class Pair:
    """A certificate with its private key, both PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """The authority in ``folder``, made on first use."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate_file, self.crl_file = folder / "ca.crt", folder / "ca.crl"
        self.server_files = folder / "server.crt", folder / "server.key"
        for part in ("issued", "revoked"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "ca.key").exists():
            self._found()
        key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        self.certificate = read(self.certificate_file)
        if not self.crl_file.exists():
            self._list_revoked()

    def server(self, names: list[str], renew: bool = False) -> datetime:
        """See to it that the broker has a certificate for ``names`` (DNS names, IP addresses); until when it is valid.

        It is made anew where it ends `SOON`, where the names are others, or when asked to.
        """
        file, key = self.server_files
        wanted = x509.SubjectAlternativeName([_general_name(name) for name in names])
        if file.exists() and key.exists() and not renew:
            now = read(file)
            has = now.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            if has == wanted and now.not_valid_after_utc > datetime.now(UTC) + SOON:
                return now.not_valid_after_utc
        pair = self._issue(names[0], SERVER, [ExtendedKeyUsageOID.SERVER_AUTH], wanted)
        _write(key, pair.key)
        _write(file, pair.certificate)
        return read(file).not_valid_after_utc

    def client(self, name: str, lifetime: timedelta = DEVICE) -> Pair:
        """A certificate whose common name is ``name``: the user that the broker takes its bearer for."""
        pair = self._issue(name, lifetime, [ExtendedKeyUsageOID.CLIENT_AUTH])
        serial = x509.load_pem_x509_certificate(pair.certificate).serial_number
        _write(self.folder / "issued" / f"{serial:x}.crt", pair.certificate)
        return pair

    def issued(self) -> list[x509.Certificate]:
        """Every client certificate that was issued and not revoked, the first to end first."""
        found = [read(file) for file in (self.folder / "issued").glob("*.crt")]
        return sorted(found, key=lambda certificate: certificate.not_valid_after_utc)

    def revoke(self, name: str) -> int:
        """Revoke every certificate of ``name``; how many. Raises `NotIssued` where there is none."""
        files = [file for file in (self.folder / "issued").glob("*.crt") if common_name(read(file)) == name]
        if not files:
            raise NotIssued(f"{name!r} has no certificate that is not revoked")
        for file in files:
            file.rename(self.folder / "revoked" / file.name)
        self._list_revoked()
        return len(files)

    def _found(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(f"Mailiu {secrets.token_hex(4)}")
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(name, name, key.public_key(), AUTHORITY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(key, hashes.SHA256())
        )
        _write(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        _write(self.folder / "ca.key", _pem(key))

    def _issue(
        self, name: str, lifetime: timedelta, usage: list[x509.ObjectIdentifier],
        names: x509.SubjectAlternativeName | None = None,
    ) -> Pair:  # fmt: skip
        key = ec.generate_private_key(ec.SECP256R1())
        lifetime = min(lifetime, self.certificate.not_valid_after_utc - datetime.now(UTC))
        builder = (
            _builder(_name(name), self.certificate.subject, key.public_key(), lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usage), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), _pem(key))

    def _list_revoked(self) -> None:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now - SKEW).next_update(self.certificate.not_valid_after_utc)
        for file in (self.folder / "revoked").glob("*.crt"):
            at = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            one = x509.RevokedCertificateBuilder().serial_number(read(file).serial_number).revocation_date(at)
            builder = builder.add_revoked_certificate(one.build())
        builder = builder.add_extension(x509.CRLNumber(round(now.timestamp() * 1000)), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        _write(self.crl_file, signed.public_bytes(serialization.Encoding.PEM))


def hand_out(authority: Authority, name: str, folder: Path, lifetime: timedelta = DEVICE) -> list[Path]:
    """Issue a certificate for ``name`` and write NAME.key, NAME.crt and ca.crt into ``folder``; their paths.

    Raises `NotIssued` rather than overwrite a file, and then nothing was issued.
    """
    files = [folder / f"{name}.key", folder / f"{name}.crt", folder / "ca.crt"]
    if there := next((file for file in files if file.exists()), None):
        raise NotIssued(f"{there} exists already and is not overwritten; choose another folder (--out)")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pair = authority.client(name, lifetime)
    for file, text in zip(files, (pair.key, pair.certificate, authority.certificate_file.read_bytes()), strict=True):
        _write(file, text)
    return files


def read(file: Path) -> x509.Certificate:
    """The certificate in a PEM file."""
    return x509.load_pem_x509_certificate(file.read_bytes())


def common_name(certificate: x509.Certificate) -> str:
    """The common name that a certificate was issued for."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, lifetime: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(name))
    return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, text: bytes) -> None:
    """Write a file whole, readable by this user only."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    temporary.touch(mode=0o600)
    temporary.write_bytes(text)
    temporary.replace(path)
