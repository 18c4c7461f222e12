"""Where schema ids come from: the committed id file, or a schema registry by its URL.

A framed message names its writer's schema by a number. With a registry the number is the registry's; without one the
numbers in `committed/ids.json` serve, so that a laptop needs no registry and ids never change under stored messages.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from schemas.records import schema_text
from schemas.topics import Topic

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import SchemaRegistryClient


_PASSWORD_IN_URL = re.compile(r"//[^/@]*@")
#: Confluent's codes for a subject, a version and a schema that are not there.
_MISSING = frozenset({40401, 40402, 40403})
_TLS_SETTINGS = (
    "check TRADEWIND_SCHEMA_REGISTRY_CA, TRADEWIND_SCHEMA_REGISTRY_CERTIFICATE and TRADEWIND_SCHEMA_REGISTRY_KEY"
)


class RegistryError(Exception):
    """The registry refused, or holds something else than we need."""


class RegistryUnavailable(RegistryError):
    """The registry could not be reached, or does not serve us; trying again may help, and no message is at fault."""


class UnknownSchemaId(RegistryError):
    """No schema has this id."""


class NotRegistered(RegistryError):
    """Our schema is not registered under its subject."""


@dataclass(frozen=True, slots=True)
class RegisteredSchema:
    """One version of a subject: its number there, its id everywhere, and the schema's text."""

    subject: str
    version: int
    id: int
    schema: str


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are to a registry, and whom we trust.

    Attributes:
        user, password: HTTP Basic.
        ca: certificates of the authorities to trust, instead of those that come with the client.
        certificate, key: ours, for mutual TLS.
    """

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class Registry(Protocol):
    """What the codec asks of a registry."""

    def by_id(self, schema_id: int) -> str:
        """Text of the schema with this id.

        Raises:
            UnknownSchemaId: there is none; permanent.
            RegistryUnavailable: no answer; transient.
        """
        ...

    def id_of(self, topic: Topic) -> int:
        """Id under which the topic's present schema is registered.

        Raises:
            NotRegistered: it is not; `tradewind schemas push` registers it.
            RegistryUnavailable: no answer; transient.
        """
        ...


def same_schema(a: str, b: str) -> bool:
    """Whether two schema texts say the same, layout aside."""
    return bool(json.loads(a) == json.loads(b))


class CommittedRegistry:
    """Schemas and ids that are committed beside the code, never changed and only added to."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder: Any = folder if folder is not None else files("schemas") / "committed"
        index = self._folder / "ids.json"
        entries = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else []
        self._versions: list[RegisteredSchema] = [
            RegisteredSchema(
                subject=entry["subject"],
                version=entry["version"],
                id=entry["id"],
                schema=(self._folder / f"{entry['id']}.avsc").read_text(encoding="utf-8"),
            )
            for entry in entries
        ]
        self._by_id = {entry.id: entry for entry in self._versions}
        self._ids: dict[tuple[str, str], int] = {}  # found by id_of, by subject and text

    def by_id(self, schema_id: int) -> str:
        """Text of the schema with this id."""
        try:
            return self._by_id[schema_id].schema
        except KeyError:
            known = ", ".join(map(str, sorted(self._by_id)))
            raise UnknownSchemaId(f"no schema has the id {schema_id}; the committed ids are {known}") from None

    def id_of(self, topic: Topic) -> int:
        """Id of the topic's present schema."""
        text = schema_text(topic.record)
        if (known := self._ids.get((topic.subject, text))) is not None:
            return known
        for entry in reversed(self.versions(topic.subject)):
            if same_schema(entry.schema, text):
                self._ids[topic.subject, text] = entry.id
                return entry.id
        raise NotRegistered(
            f"{topic.record}.avsc differs from every committed version; check and commit it: tradewind schemas push"
        )

    def subjects(self) -> list[str]:
        """All subjects, in the order in which they were committed."""
        return list(dict.fromkeys(entry.subject for entry in self._versions))

    def versions(self, subject: str) -> list[RegisteredSchema]:
        """All versions of a subject, the oldest first; empty for an unknown one."""
        return [entry for entry in self._versions if entry.subject == subject]

    def latest(self, subject: str) -> RegisteredSchema:
        """Newest version of a subject.

        Raises:
            NotRegistered: there is no such subject.
        """
        versions = self.versions(subject)
        if not versions:
            raise NotRegistered(f"no subject named {subject!r}")
        return versions[-1]

    def commit(self, topic: Topic) -> RegisteredSchema:
        """Write the topic's present schema down as a new version, unless it is there already."""
        try:
            schema_id = self.id_of(topic)
        except NotRegistered:
            entry = RegisteredSchema(
                subject=topic.subject,
                version=len(self.versions(topic.subject)) + 1,
                id=max(self._by_id, default=0) + 1,
                schema=schema_text(topic.record),
            )
            (self._folder / f"{entry.id}.avsc").write_text(entry.schema, encoding="utf-8")
            self._versions.append(entry)
            self._by_id[entry.id] = entry
            index = [{"id": e.id, "subject": e.subject, "version": e.version} for e in self._versions]
            (self._folder / "ids.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
            return entry
        return self._by_id[schema_id]


class ConfluentRegistry:
    """A schema registry that speaks Confluent's REST interface, asked once for each id.

    Raises:
        RegistryError: a file of the login can't be read; the message names the settings.
    """

    def __init__(self, url: str, login: Login = Login(), *, timeout_s: float = 5.0):
        from confluent_kafka.schema_registry import SchemaRegistryClient

        conf: dict[str, Any] = {"url": url, "timeout": timeout_s}
        if login.user:
            conf["basic.auth.user.info"] = f"{login.user}:{login.password or ''}"
        for name, path in (
            ("ssl.ca.location", login.ca),
            ("ssl.certificate.location", login.certificate),
            ("ssl.key.location", login.key),
        ):
            if path is not None:
                conf[name] = str(path)
        self._secure = url.lower().startswith("https:")
        self._url = _PASSWORD_IN_URL.sub("//", url)
        try:
            self._client: SchemaRegistryClient = SchemaRegistryClient(conf)
        except (OSError, ValueError) as error:
            raise RegistryError(f"no certificates for the schema registry ({error}); {_TLS_SETTINGS}") from error
        self._texts: dict[int, str] = {}
        self._ids: dict[str, int] = {}

    def by_id(self, schema_id: int) -> str:
        """Text of the schema with this id."""
        if schema_id not in self._texts:
            try:
                schema = self._client.get_schema(schema_id)
            except Exception as error:
                raise self._named(error, UnknownSchemaId(f"no schema has the id {schema_id} at {self._url}")) from error
            self._texts[schema_id] = schema.schema_str or ""
        return self._texts[schema_id]

    def id_of(self, topic: Topic) -> int:
        """Id under which the registry holds the topic's present schema."""
        from confluent_kafka.schema_registry import Schema

        if topic.subject not in self._ids:
            schema = Schema(schema_text(topic.record), "AVRO")
            try:
                found = self._client.lookup_schema(topic.subject, schema)
            except Exception as error:
                missing = NotRegistered(
                    f"{topic.record} is not registered under {topic.subject} at {self._url}; "
                    "register it: tradewind schemas push"
                )
                raise self._named(error, missing) from error
            if found.schema_id is None:
                raise RegistryError(f"{self._url} gave no id for {topic.subject}")
            self._ids[topic.subject] = found.schema_id
        return self._ids[topic.subject]

    def versions(self, subject: str) -> list[RegisteredSchema]:
        """All versions of a subject, the oldest first; empty for an unknown one."""
        try:
            numbers = self._client.get_versions(subject)
            found = [self._client.get_version(subject, number) for number in numbers]
        except Exception as error:
            named = self._named(error, NotRegistered(subject))
            if isinstance(named, NotRegistered):
                return []
            raise named from error
        return [
            RegisteredSchema(subject, entry.version or 0, entry.schema_id or 0, entry.schema.schema_str or "")
            for entry in found
            if entry.schema is not None
        ]

    def only_reads(self) -> bool:
        """Whether the registry says that it takes no schemas. One that does not say may still refuse them."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        try:
            mode: str = self._client.get_global_mode()
        except SchemaRegistryError:
            return False
        return mode.upper().startswith("READONLY")

    def register(self, topic: Topic) -> int:
        """Register the topic's present schema under BACKWARD_TRANSITIVE and give its id."""
        from confluent_kafka.schema_registry import ConfigCompatibilityLevel, Schema, ServerConfig

        try:
            self._client.set_config(
                topic.subject, ServerConfig(compatibility=ConfigCompatibilityLevel.BACKWARD_TRANSITIVE)
            )
            return int(self._client.register_schema(topic.subject, Schema(schema_text(topic.record), "AVRO")))
        except Exception as error:
            raise self._named(error, None) from error

    def _named(self, error: Exception, missing: RegistryError | None) -> RegistryError:
        """Our name for what the client raised: missing (404), refused (4xx), or not to be had."""
        from confluent_kafka.schema_registry.error import SchemaRegistryError

        if isinstance(error, SchemaRegistryError) and error.http_status_code < 500:
            if missing is not None and error.error_code in _MISSING:
                return missing
            if error.http_status_code in (401, 403):
                return RegistryUnavailable(
                    f"the schema registry at {self._url} refuses us (HTTP {error.http_status_code}); check "
                    "TRADEWIND_SCHEMA_REGISTRY_USERNAME and TRADEWIND_SCHEMA_REGISTRY_PASSWORD"
                )
            if error.error_code == SchemaRegistryError.UNKNOWN or error.http_status_code == 404:
                return self._something_else(f"HTTP {error.http_status_code}")
            return RegistryError(f"{self._url} refused: {error.error_message} ({error.error_code})")
        if isinstance(error, ValueError):  # no JSON, though the status was that of a success
            return self._something_else("no JSON")
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return RegistryUnavailable(
                f"the certificate of the schema registry at {self._url} is not to be trusted; check "
                "TRADEWIND_SCHEMA_REGISTRY_CA, and that it is for the host of TRADEWIND_SCHEMA_REGISTRY_URL"
            )
        return RegistryUnavailable(
            f"no answer from the schema registry at {self._url} ({type(error).__name__}); "
            "check TRADEWIND_SCHEMA_REGISTRY_URL"
            + (", and TRADEWIND_SCHEMA_REGISTRY_CERTIFICATE where it asks for ours" if self._secure else "")
        )

    def _something_else(self, answer: str) -> RegistryUnavailable:
        """Whoever answers there is no registry. Its words, which may be a whole page, are left out."""
        return RegistryUnavailable(
            f"what answers at {self._url} is no schema registry ({answer}); "
            "check TRADEWIND_SCHEMA_REGISTRY_URL and its path"
        )


def open_registry(url: str | None, login: Login = Login()) -> Registry:
    """The registry at the URL, or the committed ids where no URL is given."""
    return ConfluentRegistry(url, login) if url else CommittedRegistry()
