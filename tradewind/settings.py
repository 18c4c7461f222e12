"""Every setting there is, resolved once at the edge and passed down.

The order is: what the caller gives, `TRADEWIND_*` in the environment, `.env`, secret files in
`TRADEWIND_SECRETS_DIR`, the endpoints of a local stack that runs on this data folder, the defaults below.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

STACK_FILE = "stack.json"
#: What is stored is kept for so many days at least.
MIN_DAYS = 45


class Settings(BaseSettings):
    """All settings. Each is `TRADEWIND_` and its name in capitals in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="TRADEWIND_", env_file=".env", extra="ignore", frozen=True, protected_namespaces=()
    )

    data_dir: Path = Field(Path(".tradewind"), description="Folder of the local stack: data, logs, endpoints.")
    secrets_dir: Path | None = Field(None, description="Folder with a file for each secret, named like its variable.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="Form of the log: auto is console on a terminal, json elsewhere."
    )
    metrics_host: str = Field("127.0.0.1", description="Address of the Prometheus metrics.")
    metrics_port: int = Field(0, ge=-1, le=65535, description="Port of the metrics: 0 any free one, -1 none.")

    # Kafka
    bootstrap_servers: str = Field("localhost:9092", description="Kafka brokers, host:port parted by commas.")
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How to talk to the brokers."
    )
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        "SCRAM-SHA-512", description="SASL mechanism."
    )
    kafka_username: str | None = Field(None, description="SASL user.")
    kafka_password: SecretStr | None = Field(None, description="SASL password.")
    kafka_ssl_ca: Path | None = Field(None, description="Certificates of the authorities to trust; else the system's.")
    kafka_ssl_certificate: Path | None = Field(None, description="Our certificate, for mutual TLS.")
    kafka_ssl_key: Path | None = Field(None, description="Its key.")
    kafka_session_timeout_ms: int = Field(30_000, ge=6_000, description="A silent group member is dropped after this.")
    kafka_replication_factor: int = Field(1, ge=1, description="Replicas of the topics that we create.")
    partitions: int = Field(8, ge=1, le=1000, description="Partitions of the topics that we create.")

    # Schema registry
    schema_registry_url: str | None = Field(None, description="Schema registry; without one the committed ids serve.")
    schema_registry_username: str | None = Field(None, description="User of the registry.")
    schema_registry_password: SecretStr | None = Field(None, description="Password of the registry.")
    schema_registry_ca: Path | None = Field(
        None, description="Certificates of the authorities to trust for the registry; else the usual ones."
    )
    schema_registry_certificate: Path | None = Field(None, description="Our certificate for the registry.")
    schema_registry_key: Path | None = Field(None, description="Its key.")

    # ClickHouse
    clickhouse_url: str = Field("http://localhost:8123", description="ClickHouse's HTTP(S) address.")
    clickhouse_username: str = Field("tradewind", description="ClickHouse user.")
    clickhouse_password: SecretStr = Field(SecretStr(""), description="ClickHouse password.")
    clickhouse_ca: Path | None = Field(
        None, description="Certificates of the authorities to trust for ClickHouse; else the system's."
    )
    clickhouse_certificate: Path | None = Field(
        None, description="Our certificate for ClickHouse; without a password it says who the user is."
    )
    clickhouse_key: Path | None = Field(None, description="Its key.")
    clickhouse_database: str = Field(
        "tradewind", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", description="Database of all tables and views."
    )

    # Local stack
    stack_host: str = Field("127.0.0.1", description="Address that the local stack listens on.")
    stack_kafka_port: int = Field(
        19092, ge=0, le=65535, description="Port of the local broker; taken or 0: a free one."
    )
    stack_clickhouse_port: int = Field(18123, ge=0, le=65535, description="Port of the local ClickHouse, likewise.")
    stack_registry_port: int = Field(18081, ge=0, le=65535, description="Port of the local registry, likewise.")

    stack_gateway_port: int = Field(18080, ge=0, le=65535, description="Port of the local gateway, likewise.")

    # Agents
    worker_max_in_flight: int = Field(
        32, ge=1, le=4096, description="Events of one topic that a worker works on at once."
    )
    worker_stop_s: float = Field(
        10.0, ge=0, description="A worker or sink that stops finishes what it can in so many seconds."
    )
    stuck_after_s: float = Field(
        120.0, ge=1, description="A loop without a turn, or a model without a step, is stuck after so many seconds."
    )
    event_stuck_after_s: float = Field(
        1800.0, ge=1, description="One try of an event that takes longer than so many seconds is stuck."
    )
    stuck_end_s: float = Field(
        60.0, ge=0, description="What has been stuck for so many seconds more ends by itself; 0: never."
    )
    listing_wait_s: float = Field(5.0, ge=0, description="How long a question waits for its listing, in seconds.")
    approved_answers: int = Field(
        50, ge=0, le=1000, description="Newest approved answers of a listing that drafts may rest on; 0 uses none."
    )
    policies: Path | None = Field(
        None, description='JSON file of what merchants promise: {"merchant": {"returns": "text"}}; "*" is all of them.'
    )
    insights_every_s: float = Field(60.0, gt=0, description="From one look at the merchants' numbers to the next.")
    insights_history_days: int = Field(
        84, ge=28, le=366, description="Days of the past that say what is usual, for insights."
    )
    insights_answer_s: int = Field(
        3600, ge=60, description="A question counts as unanswered after so many seconds, for insights."
    )
    retry_attempts: int = Field(8, ge=1, description="Tries of an event that meets passing errors.")
    retry_first_s: float = Field(0.2, gt=0, description="First pause between tries, doubled each time, in seconds.")
    retry_longest_s: float = Field(30.0, gt=0, description="Longest pause between tries, in seconds.")
    dead_letter_share: float = Field(0.5, gt=0, le=1, description="Stop when more than this share are dead letters.")
    dead_letter_window: int = Field(200, ge=10, description="The share is taken over so many messages of a partition.")
    dead_letters_in_a_row: int = Field(100, ge=1, description="Stop after so many dead letters in a row.")

    # Model
    model: str | None = Field(
        None, description="GGUF file or safetensors folder, else SmolLM2-135M-Instruct; with a URL, the name there."
    )
    model_adapter: str = Field(
        "shipped",
        min_length=1,
        description="Adapter file merged into the checkpoint; shipped: the one that comes with it, if any; none: none.",
    )
    model_languages: str = Field(
        "",
        pattern=r"^[a-z]{0,3}(,[a-z]{2,3})*$",
        description="Languages that the model writes, such as en,zh; empty: en for the default checkpoint, else en,zh.",
    )
    model_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$",
        description="OpenAI-compatible server that has the model, such as http://vllm:8000/v1; else it runs here.",
    )
    model_api_key: SecretStr | None = Field(None, description="Key of that server.")
    model_concurrency: int = Field(16, ge=1, le=4096, description="Requests that that server works on at once.")
    model_format: Literal["auto", "fp32", "bf16", "int8"] = Field("auto", description="Numeric format of the weights.")
    model_device: str = Field("cpu", description="Where the model runs: cpu, cuda, cuda:1, ...")
    model_threads: int = Field(0, ge=0, description="Threads of the engine; 0 is one less than the cores.")
    model_slots: int = Field(32, ge=1, le=512, description="Requests that the engine works on at once.")
    model_positions: int = Field(1024, ge=64, description="Tokens that a request may have, prompt and text together.")
    model_queue: int = Field(256, ge=1, description="Requests that may wait for the engine.")
    model_cache_dir: Path | None = Field(None, description="Where a fetched checkpoint is kept; else the user's cache.")
    model_deadline_s: float = Field(
        300.0, gt=0, description="A request to the engine that is not done by then is tried again, in seconds."
    )

    # Sink
    sink_batch_rows: int = Field(50_000, ge=1, description="Rows of one insert at most.")
    sink_batch_s: float = Field(0.5, gt=0, description="A row waits at most so long for its insert, in seconds.")
    sink_group: str = Field("tradewind-sink", min_length=1, description="Consumer group of the sink.")
    raw_days: int = Field(
        0, ge=0, le=36_500, description="Events are kept for so many days in ClickHouse, 45 at least; 0: for ever."
    )
    text_days: int = Field(
        0, ge=0, le=36_500, description="Texts of questions and answers, likewise; what was counted stays."
    )

    # Gateway
    gateway_host: str = Field("127.0.0.1", description="Address that the gateway listens on.")
    gateway_port: int = Field(8080, ge=0, le=65535, description="Its port; 0: any free one.")
    gateway_certificate: Path | None = Field(None, description="Its certificate, for HTTPS; else plain HTTP.")
    gateway_key: Path | None = Field(None, description="The certificate's key.")
    gateway_keys: Path | None = Field(
        None, description="SQLite file of the API keys; else gateway-keys.sqlite in TRADEWIND_DATA_DIR."
    )
    gateway_max_events: int = Field(2_000, ge=1, le=100_000, description="Events of one request at most.")
    gateway_max_body_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, description="Bytes of a request's body at most, as sent and again when inflated."
    )
    gateway_body_s: float = Field(30.0, gt=0, description="A body that is not wholly there by then ends with 408.")
    gateway_ack_s: float = Field(
        10.0, gt=0, description="What Kafka has not acknowledged by then is answered with 503, to be sent again."
    )
    gateway_events_in_hand: int = Field(
        50_000, ge=1, description="Events that may wait for Kafka's word; more are answered with 503."
    )
    gateway_connections: int = Field(10_000, ge=1, description="Streams that may be open at once; more get 503.")
    gateway_replay_s: float = Field(
        600.0, ge=0, description="What was made in so many seconds is kept in memory for devices that come back."
    )
    gateway_replay_bytes: int = Field(64 * 1024 * 1024, ge=0, description="And of that so many bytes at most.")

    # Edge client
    edge_url: str | None = Field(
        None,
        pattern=r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$",
        description="Gateway that `tradewind edge` talks to; else the one that these settings describe.",
    )
    edge_key: SecretStr | None = Field(None, description="API key for it, as `tradewind keys create` prints it.")

    @property
    def gateway_url(self) -> str:
        """Where the gateway is reached from its own machine."""
        scheme = "http" if self.gateway_certificate is None else "https"
        host = "127.0.0.1" if self.gateway_host in ("0.0.0.0", "::") else self.gateway_host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"{scheme}://{host}:{self.gateway_port}"

    @property
    def gateway_keys_file(self) -> Path:
        """Where the API keys are kept."""
        return self.gateway_keys or self.data_dir / "gateway-keys.sqlite"

    @property
    def written_languages(self) -> tuple[str, ...]:
        """The languages that the model writes; texts in others come from templates."""
        if self.model_languages:
            return tuple(self.model_languages.split(","))
        return ("en",) if self.model is None and self.model_url is None else ("en", "zh")

    @field_validator("raw_days", "text_days")
    @classmethod
    def _longer_than_kafka_keeps(cls, days: int) -> int:
        """Where the sink goes on is read from what is stored, and an event may come 30 days late."""
        if 0 < days < MIN_DAYS:
            raise ValueError(f"should be 0 (for ever) or at least {MIN_DAYS}, longer than Kafka keeps events")
        return days

    @field_validator("model", "model_url", "model_api_key", "policies", "edge_url", "edge_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        """Compose passes a variable that nobody has set as an empty one."""
        return None if value == "" else value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the secret files and the running local stack below the environment."""
        named = {**dotenv_settings(), **env_settings(), **init_settings()}
        sources = [init_settings, env_settings, dotenv_settings]
        if folder := named.get("secrets_dir"):
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=folder))
        data_dir = Path(named.get("data_dir") or cls.model_fields["data_dir"].default)
        return (*sources, LocalStackSource(settings_cls, data_dir))

    def kafka_client(self, **more: Any) -> dict[str, Any]:
        """Settings of a confluent-kafka client; `more` is added in librdkafka's names."""
        conf: dict[str, Any] = {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": self.kafka_security_protocol,
        }
        if self.kafka_security_protocol.startswith("SASL"):
            conf["sasl.mechanism"] = self.kafka_sasl_mechanism
            conf["sasl.username"] = self.kafka_username or ""
            conf["sasl.password"] = self.kafka_password.get_secret_value() if self.kafka_password else ""
        if self.kafka_security_protocol.endswith("SSL"):
            for name, path in (
                ("ssl.ca.location", self.kafka_ssl_ca),
                ("ssl.certificate.location", self.kafka_ssl_certificate),
                # Where there is no file for the key, it is in that of the certificate.
                ("ssl.key.location", self.kafka_ssl_key or self.kafka_ssl_certificate),
            ):
                if path is not None:
                    conf[name] = str(path)
        return conf | more

    def clickhouse_dsn(self) -> str:
        """Address of the ClickHouse database with user and password, for `clickhouse_connect.get_client(dsn=...)`."""
        scheme, _, rest = self.clickhouse_url.partition("://")
        user, password = quote(self.clickhouse_username, safe=""), quote(self._clickhouse_password, safe="")
        return f"{scheme}://{user}:{password}@{rest.rstrip('/')}/{self.clickhouse_database}"

    @property
    def _clickhouse_password(self) -> str:
        return self.clickhouse_password.get_secret_value()

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, secrets included, for a child process of ours."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None:
                continue
            plain = value.get_secret_value() if isinstance(value, SecretStr) else value
            values[f"TRADEWIND_{name.upper()}"] = str(plain)
        return values


class LocalStackSource(PydanticBaseSettingsSource):
    """The endpoints that a running local stack has written into its data folder."""

    def __init__(self, settings_cls: type[BaseSettings], data_dir: Path) -> None:
        super().__init__(settings_cls)
        self._file = data_dir / STACK_FILE

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Not used: the file gives all its fields at once."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The endpoints; empty where no stack runs."""
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
            os.kill(int(found["pid"]), 0)
        except (OSError, ValueError, KeyError):
            return {}
        names = {
            "bootstrap_servers": "bootstrap_servers",
            "schema_registry_url": "schema_registry_url",
            "clickhouse_url": "clickhouse_url",
            "clickhouse_user": "clickhouse_username",
            "clickhouse_password": "clickhouse_password",
            "clickhouse_database": "clickhouse_database",
            "gateway_url": "edge_url",
        }
        return {ours: found[theirs] for theirs, ours in names.items() if found.get(theirs) is not None} | {
            # The local broker waits half of the session timeout before it lets a group join.
            "kafka_session_timeout_ms": 6_000
        }
