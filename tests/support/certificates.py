"""An authority of a test's own, and the certificates that it signs, as files in PEM form."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs certificates, and the folder that they lie in."""

    folder: Path
    ca: trustme.CA

    @classmethod
    def new(cls, folder: Path) -> Authority:
        """One that nobody trusts yet."""
        folder.mkdir(parents=True, exist_ok=True)
        authority = cls(folder, trustme.CA())
        authority.ca.cert_pem.write_to_path(str(authority.certificate))
        return authority

    @property
    def certificate(self) -> Path:
        """The authority's own certificate, for those who trust it."""
        return self.folder / "ca.pem"

    def server(self, *hosts: str) -> tuple[Path, Path]:
        """Certificate chain and key of a server with these names."""
        return self._written("server-" + "-".join(hosts), self.ca.issue_cert(*hosts))

    def server_context(self, *hosts: str, asks_clients: bool = False) -> ssl.SSLContext:
        """What a server with such a certificate listens with; `asks_clients` for one of the authority's as well."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.server(*hosts))
        if asks_clients:
            context.load_verify_locations(self.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, user: str) -> tuple[Path, Path]:
        """Certificate chain and key of a client whose common name is the user's."""
        return self._written(f"client-{user}", self.ca.issue_cert(f"{user}.example", common_name=user))

    def _written(self, name: str, leaf: trustme.LeafCert) -> tuple[Path, Path]:
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        chain.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        leaf.private_key_pem.write_to_path(str(key))
        return chain, key
