"""The parts, built from the settings. The one place that knows which class stands behind each seam."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from schemas.codec import Codec
from schemas.publisher import Publisher
from schemas.registry import Login, Registry, open_registry
from tradewind.settings import Settings

if TYPE_CHECKING:
    from model.protocol import Engine
    from model.remote_server import RemoteSettings
    from streams.insights.source import Source
    from streams.policies import Policies
    from tradewind.stack.local import Endpoints, StackConfig


def make_registry(settings: Settings) -> Registry:
    """The schema registry, or the committed ids where none is set."""
    return open_registry(settings.schema_registry_url, registry_login(settings))


def registry_login(settings: Settings) -> Login:
    """Who we are to the schema registry, and whom we trust."""
    password = settings.schema_registry_password
    return Login(
        user=settings.schema_registry_username,
        password=password.get_secret_value() if password else None,
        ca=settings.schema_registry_ca,
        certificate=settings.schema_registry_certificate,
        key=settings.schema_registry_key,
    )


def make_codec(settings: Settings) -> Codec:
    """A codec over the registry."""
    return Codec(make_registry(settings))


def make_publisher(settings: Settings, on_delivered: Callable[[str], None] | None = None) -> Publisher:
    """A publisher to the brokers."""
    return Publisher(settings.kafka_client(), make_codec(settings), on_delivered=on_delivered)


def make_policies(settings: Settings) -> Policies:
    """What merchants promise, from the file that the settings name.

    Raises:
        PoliciesError: the file can't be used; the message says where and how to mend it.
    """
    from streams.policies import load_policies

    return load_policies(settings.policies)


def make_insight_source(settings: Settings) -> Source:
    """The counts that insights are found in. ClickHouse is not asked before the first look."""
    from consumers.clickhouse.client import open_client
    from streams.insights.source import ClickHouseSource

    return ClickHouseSource(lambda: open_client(settings), patience=timedelta(seconds=settings.insights_answer_s))


def checkpoint_path(settings: Settings) -> Path:
    """The checkpoint that the settings mean.

    Raises:
        CheckpointError: there is none; the message says how to get it.
    """
    from model.fetch import locate

    return locate(settings.model, settings.model_cache_dir)


def adapter_of(settings: Settings) -> Path | Literal["shipped"] | None:
    """What is merged into the checkpoint."""
    if settings.model_adapter == "shipped":
        return "shipped"
    return None if settings.model_adapter == "none" else Path(settings.model_adapter)


def remote_settings(settings: Settings) -> RemoteSettings | None:
    """The server that has the model; None where it runs in this process.

    Raises:
        EngineRefused: the settings name a server, but no model there.
    """
    if settings.model_url is None:
        return None
    from model.protocol import EngineRefused
    from model.remote_server import RemoteSettings

    if settings.model is None:
        raise EngineRefused("TRADEWIND_MODEL_URL is set; set TRADEWIND_MODEL to the model's name on that server")
    return RemoteSettings(
        base_url=settings.model_url,
        model=settings.model,
        api_key=settings.model_api_key.get_secret_value() if settings.model_api_key else None,
        concurrency=settings.model_concurrency,
        queue_size=settings.model_queue,
    )


def make_engine(settings: Settings) -> Engine:
    """The engine: on this machine, loaded and warm, which takes seconds; or the one that stands for a server.

    Raises:
        CheckpointError: the checkpoint is missing, broken, or of a kind that we don't run.
        EngineUnavailable, EngineRefused: the server can't be reached, or does not serve us that model.
    """
    if (remote := remote_settings(settings)) is not None:
        from model.remote import RemoteEngine

        return RemoteEngine(remote)
    from model.engine import EngineSettings, LocalEngine

    return LocalEngine.open(
        checkpoint_path(settings),
        EngineSettings(
            number_format=settings.model_format,
            adapter=adapter_of(settings),
            device=settings.model_device,
            threads=settings.model_threads or None,
            slots=settings.model_slots,
            positions=settings.model_positions,
            queue_size=settings.model_queue,
        ),
    )


def stack_config(settings: Settings) -> StackConfig:
    """What the local stack runs on."""
    from tradewind.stack.local import StackConfig

    return StackConfig(
        data_dir=settings.data_dir,
        host=settings.stack_host,
        kafka_port=settings.stack_kafka_port,
        clickhouse_port=settings.stack_clickhouse_port,
        registry_port=settings.stack_registry_port,
        clickhouse_user=settings.clickhouse_username,
        clickhouse_password=settings.clickhouse_password.get_secret_value() or None,
        clickhouse_database=settings.clickhouse_database,
    )


def settings_for(settings: Settings, endpoints: Endpoints) -> Settings:
    """The settings of whoever works on that local stack."""
    return Settings(
        **settings.model_dump(exclude=_ENDPOINT_FIELDS),
        bootstrap_servers=endpoints.bootstrap_servers,
        kafka_security_protocol="PLAINTEXT",
        kafka_session_timeout_ms=6_000,
        kafka_replication_factor=1,
        schema_registry_url=endpoints.schema_registry_url,
        clickhouse_url=endpoints.clickhouse_url,
        clickhouse_username=endpoints.clickhouse_user,
        clickhouse_password=endpoints.clickhouse_password,
        clickhouse_database=endpoints.clickhouse_database,
    )


_ENDPOINT_FIELDS = {
    "bootstrap_servers",
    "kafka_security_protocol",
    "kafka_session_timeout_ms",
    "kafka_replication_factor",
    "schema_registry_url",
    "clickhouse_url",
    "clickhouse_username",
    "clickhouse_password",
    "clickhouse_database",
}
