"""Apache Kafka as it should stand where others can reach it: TLS, passwords, certificates of clients, an authorizer.

One broker with four ways in, so that a test of them pays for one start:

- the usual one (`bootstrap_servers`): SASL_SSL with SCRAM-SHA-512;
- CERTIFICATES: SSL, and a client must have a certificate of the authority; its common name is the user;
- PASSWORDS: SASL_PLAINTEXT with SCRAM-SHA-512;
- ELSEWHERE: SASL_SSL with a certificate of the authority for another host name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.kafka.cluster import ClusterConfig, Listener
from tests.support.certificates import Authority

#: Who may do everything, over any listener that asks for a password.
ADMIN = "admin"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def keystore(authority: Authority, *hosts: str) -> dict[str, str]:
    """Kafka's settings for a broker's certificate with these names."""
    chain, key = authority.server(*hosts)
    both = authority.folder / f"keystore-{hosts[0]}.pem"
    # Kafka reads a key in PKCS #8 only.
    plain = load_pem_private_key(key.read_bytes(), None)
    pem = plain.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    both.write_bytes(pem + chain.read_bytes())
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.certificate),
    }


def guarded(folder: Path, authority: Authority, passwords: Mapping[str, str], **more: Any) -> ClusterConfig:
    """A cluster of one broker that lets in only whom it knows, and lets them do only what an ACL allows.

    Args:
        passwords: by user; `ADMIN` among them may do everything.
        more: other attributes of the configuration.
    """
    return ClusterConfig(
        folder,
        protocol="SASL_SSL",
        scram=passwords,
        listeners=(
            Listener(
                "CERTIFICATES",
                "SSL",
                {"ssl.client.auth": "required", "ssl.principal.mapping.rules": "RULE:^.*CN=([^,]+).*$/$1/"},
            ),
            Listener("PASSWORDS", "SASL_PLAINTEXT", {"scram-sha-512.sasl.jaas.config": _SCRAM}),
            Listener(
                "ELSEWHERE",
                "SASL_SSL",
                {**keystore(authority, "kafka.example"), "scram-sha-512.sasl.jaas.config": _SCRAM},
            ),
        ),
        properties={
            **keystore(authority, "127.0.0.1", "localhost"),
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.clients.scram-sha-512.sasl.jaas.config": _SCRAM,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            # Brokers talk among themselves in plain text, as nobody; and so does what a test has to arrange.
            "super.users": f"User:ANONYMOUS;User:{ADMIN}",
        },
        **more,
    )
