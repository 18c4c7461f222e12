"""What `tradewind doctor` looks at. Each check gives its findings as data, and none takes longer than some seconds."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Literal

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from consumers.clickhouse.client import open_client
from consumers.clickhouse.errors import MigrationDrift
from consumers.clickhouse.migrate import applied_migrations, migrations, pending
from consumers.clickhouse.refused import refusal
from model.fetch import locate
from model.provenance import DEFAULT, CheckpointError
from schemas.registry import ConfluentRegistry, RegistryError, RegistryUnavailable
from schemas.topics import CATALOGUE
from streams.policies import PoliciesError, load_policies
from streams.reach import KafkaUnreachable, topics_in_kafka
from streams.topics import plan
from tradewind.cli.text import without_password
from tradewind.schema_versions import open_versions, present_in
from tradewind.settings import Settings

State = Literal["ok", "warning", "failed"]

TIMEOUT_S = 5.0
_CLICKHOUSE_TIMEOUT_S = 4
_MODEL_TIMEOUT_S = 2.0
_PYTHON = ((3, 10), (3, 14))  # from, and before
_GIB = 2**30
_SKEW_WARNING_S, _SKEW_FAILED_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was looked at.
        state: ok, warning or failed.
        detail: what was seen.
        mend: what to do, in one line; empty when there is nothing to do.
        unreachable: whether a service gives no answer.
    """

    name: str
    state: State
    detail: str
    mend: str = ""
    unreachable: bool = False


Check = Callable[[Settings], list[Finding]]


def examine(settings: Settings, checks: dict[str, Check] | None = None, timeout_s: float = TIMEOUT_S) -> list[Finding]:
    """Run the checks side by side and give their findings in order; one that does not come to an end has failed."""
    chosen = CHECKS if checks is None else checks
    pool = ThreadPoolExecutor(len(chosen), thread_name_prefix="doctor")
    running = {name: pool.submit(check, settings) for name, check in chosen.items()}
    done, _ = wait(running.values(), timeout_s)
    pool.shutdown(wait=False, cancel_futures=True)
    findings: list[Finding] = []
    for name, future in running.items():
        if future not in done:
            findings.append(Finding(name, "failed", f"no answer within {timeout_s:g} s", _TRY_AGAIN, True))
        elif (error := future.exception()) is not None:
            why = f"the check itself failed: {type(error).__name__}: {error}"
            findings.append(Finding(name, "failed", why, "please report this"))
        else:
            findings += future.result()
    return findings


_TRY_AGAIN = "see whether the service is overloaded, and try again"


def check_python(_: Settings) -> list[Finding]:
    """The interpreter's version."""
    version = ".".join(map(str, sys.version_info[:3]))
    first, beyond = _PYTHON
    if first <= sys.version_info[:2] < beyond:
        return [Finding("python", "ok", version)]
    wanted = f"{first[0]}.{first[1]} to {beyond[0]}.{beyond[1] - 1}"
    return [Finding("python", "failed", f"{version}, expected {wanted}", f"install Tradewind with Python {wanted}")]


def check_kafka(settings: Settings) -> list[Finding]:
    """Whether a broker answers, and has the topics as they should be."""
    try:
        there = topics_in_kafka(settings)
    except KafkaUnreachable as error:
        detail, _, mend = str(error).partition("; ")
        return [
            Finding("kafka", "failed", detail, mend, unreachable=True),
            Finding("topics", "warning", "not looked at: Kafka gives no answer"),
        ]
    return [Finding("kafka", "ok", f"{settings.bootstrap_servers} answers"), _topics(settings, there)]


def _topics(settings: Settings, there: dict[str, int]) -> Finding:
    wanted = plan(settings)
    if missing := [topic.name for topic in wanted if topic.name not in there]:
        return Finding("topics", "failed", f"missing: {', '.join(missing)}", "create them: tradewind topics create")
    other = [f"{topic.name} has {there[topic.name]}" for topic in wanted if there[topic.name] != topic.partitions]
    if other:
        detail = f"expected {settings.partitions} partitions, {', '.join(other)}"
        return Finding("topics", "failed", detail, "set TRADEWIND_PARTITIONS to what Kafka has, or recreate them")
    return Finding("topics", "ok", f"all {len(wanted)} are there, with {settings.partitions} partitions each")


def check_schemas(settings: Settings) -> list[Finding]:
    """Whether the registry answers and has our records as they are now; or, without one, whether they are committed."""
    try:
        registry = open_versions(settings)
        missing = [topic.record for topic in CATALOGUE if present_in(registry.versions(topic.subject), topic) is None]
    except RegistryUnavailable as error:
        detail, _, mend = str(error).partition("; ")
        return [Finding("schemas", "failed", detail, mend, unreachable=True)]
    except RegistryError as error:
        mend = "check TRADEWIND_SCHEMA_REGISTRY_USERNAME and TRADEWIND_SCHEMA_REGISTRY_PASSWORD"
        return [Finding("schemas", "failed", str(error), mend)]
    where = (
        f"the registry at {without_password(settings.schema_registry_url or '')}"
        if isinstance(registry, ConfluentRegistry)
        else "the committed id file"
    )
    if missing:
        detail = f"{where} lacks the present {', '.join(missing)}"
        return [Finding("schemas", "failed", detail, "register them: tradewind schemas push")]
    return [Finding("schemas", "ok", f"{where} has all {len(CATALOGUE)} records")]


def check_clickhouse(settings: Settings) -> list[Finding]:
    """Whether ClickHouse answers, has the tables of this version, and agrees about the time."""
    unseen = [
        Finding("migrations", "warning", "not looked at: ClickHouse gives no answer"),
        _clock(None),
    ]
    where = f"{without_password(settings.clickhouse_url)}, database {settings.clickhouse_database}"
    try:
        with _quick_client(settings) as client:
            skew_s = _skew_s(client)
            version = f"{where} answers, version {client.server_version}"
            return [Finding("clickhouse", "ok", version), _migrations(client), _clock(skew_s)]
    except OperationalError as error:
        if refusal(error) is not None:
            return [_refused(error), *unseen]
        if error.code is None:
            mend = "check TRADEWIND_CLICKHOUSE_URL, or start a local stack: tradewind up"
            return [Finding("clickhouse", "failed", f"no answer from {where}", mend, unreachable=True), *unseen]
        return [_refused(error), *unseen]
    except ClickHouseError as error:
        return [_refused(error), *unseen]


def _quick_client(settings: Settings) -> Client:
    return open_client(
        settings, connect_timeout_s=_CLICKHOUSE_TIMEOUT_S, answer_timeout_s=_CLICKHOUSE_TIMEOUT_S, query_retries=0
    )


def _refused(error: ClickHouseError) -> Finding:
    if (why := refusal(error)) is not None:
        detail, _, mend = why.partition("; ")
        return Finding("clickhouse", "failed", detail, mend)
    code = getattr(error, "code", None)
    mends = {
        81: "check TRADEWIND_CLICKHOUSE_DATABASE, or have the sink make it: tradewind sink",
    }
    detail = f"code {code} {getattr(error, 'name', None) or ''}".rstrip()
    return Finding("clickhouse", "failed", f"it refuses: {detail}", mends.get(code or 0, "see ClickHouse's log"))


def _migrations(client: Client) -> Finding:
    known = migrations()
    try:
        todo = pending(known, applied_migrations(client))
    except MigrationDrift as error:
        detail, _, mend = str(error).rpartition("; ")
        return Finding("migrations", "failed", detail, mend)
    if todo:
        names = ", ".join(migration.file for migration in todo)
        return Finding("migrations", "failed", f"not applied: {names}", "have the sink apply them: tradewind sink")
    return Finding("migrations", "ok", f"all {len(known)} are applied")


def _skew_s(client: Client) -> float:
    """How far our clock is ahead of ClickHouse's, in seconds, give or take half of the round trip."""
    before = datetime.now(timezone.utc)
    theirs = client.query("SELECT toUnixTimestamp64Milli(now64(3))").result_rows[0][0] / 1000
    after = datetime.now(timezone.utc)
    return before.timestamp() + (after - before).total_seconds() / 2 - float(theirs)


def _clock(skew_s: float | None) -> Finding:
    if skew_s is None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        return Finding("clock", "warning", f"{now}, compared with nothing: ClickHouse gives no answer")
    detail = f"{abs(skew_s):.1f} s {'ahead of' if skew_s > 0 else 'behind'} ClickHouse's"
    mend = "have both machines keep their time by NTP; delays and service levels are computed from it"
    if abs(skew_s) >= _SKEW_FAILED_S:
        return Finding("clock", "failed", detail, mend)
    if abs(skew_s) >= _SKEW_WARNING_S:
        return Finding("clock", "warning", detail, mend)
    return Finding("clock", "ok", f"agrees with ClickHouse's to {abs(skew_s):.1f} s")


def check_model(settings: Settings) -> list[Finding]:
    """Whether the checkpoint is there, the default one as published; or whether the server has the model."""
    if settings.model_url is not None:
        return [_served_model(settings)]
    try:
        path = locate(settings.model, settings.model_cache_dir)
    except CheckpointError as error:
        mend = "check TRADEWIND_MODEL" if settings.model else "get it: tradewind model fetch; or set TRADEWIND_MODEL"
        return [Finding("model", "failed", str(error), mend)]
    checked = "given by TRADEWIND_MODEL" if settings.model else f"SHA-256 {DEFAULT.sha256[:12]} as published"
    return [Finding("model", "ok", f"{path}, {checked}")]


def _served_model(settings: Settings) -> Finding:
    from model.protocol import EngineRefused, EngineUnavailable
    from model.remote_server import probe
    from tradewind.assembly import remote_settings

    try:
        remote = remote_settings(settings)
        assert remote is not None
        info = probe(replace(remote, connect_timeout_s=_MODEL_TIMEOUT_S, read_timeout_s=_MODEL_TIMEOUT_S))
    except EngineUnavailable as error:
        mend = "check TRADEWIND_MODEL_URL, and whether the server has loaded its model"
        return Finding("model", "failed", str(error), mend, unreachable=True)
    except EngineRefused as error:
        detail, _, mend = str(error).partition("; ")
        return Finding("model", "failed", detail, mend)
    context = f", context {info.context_length:,} tokens" if info.context_length else ""
    return Finding("model", "ok", f"{settings.model_url} has {info.model}{context}")


def check_policies(settings: Settings) -> list[Finding]:
    """Whether the file with what merchants promise can be used."""
    if settings.policies is None:
        return [Finding("policies", "ok", "none: TRADEWIND_POLICIES names no file")]
    try:
        policies = load_policies(settings.policies)
    except PoliciesError as error:
        detail, _, mend = str(error).rpartition("; ")
        return [Finding("policies", "failed", detail, mend)]
    return [Finding("policies", "ok", f"{settings.policies}: {policies.summary}")]


def check_disk(settings: Settings) -> list[Finding]:
    """Free space where the data folder is, or will be."""
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    detail = f"{free / _GIB:.1f} GiB free in {folder}"
    mend = "make room, or set TRADEWIND_DATA_DIR to a folder on another disk"
    if free < _GIB // 4:
        return [Finding("disk", "failed", detail, mend)]
    return [Finding("disk", "warning", detail, mend) if free < 2 * _GIB else Finding("disk", "ok", detail)]


CHECKS: dict[str, Check] = {
    "python": check_python,
    "kafka": check_kafka,
    "schemas": check_schemas,
    "clickhouse": check_clickhouse,
    "model": check_model,
    "policies": check_policies,
    "disk": check_disk,
}
