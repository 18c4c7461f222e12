from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest
import urllib3
from aiohttp.test_utils import TestClient, TestServer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.error import SchemaRegistryError
from confluent_kafka.serialization import MessageField, SerializationContext
from fastavro.utils import generate_one

from tradewind.stack.local import LocalStack
from tradewind.stack.registry import make_app


@dataclass(frozen=True)
class Entry:
    subject: str
    version: int
    id: int
    schema: str


class Source:
    """Two versions of one subject, and a second subject that shares the first's schema."""

    def __init__(self) -> None:
        old = json.dumps({"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]})
        new = json.dumps(
            {
                "type": "record",
                "name": "R",
                "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string", "default": ""}],
            }
        )
        self.entries = [Entry("r-value", 1, 1, old), Entry("r-value", 2, 2, new), Entry("s/t-value", 1, 1, old)]

    def subjects(self) -> list[str]:
        return list(dict.fromkeys(entry.subject for entry in self.entries))

    def versions(self, subject: str, /) -> list[Entry]:
        return [entry for entry in self.entries if entry.subject == subject]


SOURCE = Source()
OLD, NEW = SOURCE.entries[0].schema, SOURCE.entries[1].schema
KNOWN_SUBJECT = {"subject": "r-value", "id": 2, "version": 2, "schema": NEW}


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/subjects", 200, ["r-value", "s/t-value"]),
        ("/subjects/r-value/versions", 200, [1, 2]),
        ("/subjects/r-value/versions/1", 200, {"subject": "r-value", "id": 1, "version": 1, "schema": OLD}),
        ("/subjects/r-value/versions/latest", 200, KNOWN_SUBJECT),
        ("/subjects/r-value/versions/-1", 200, KNOWN_SUBJECT),
        ("/subjects/r-value/versions/2/schema", 200, json.loads(NEW)),
        ("/subjects/s%2Ft-value/versions", 200, [1]),
        ("/schemas/ids/2", 200, {"schema": NEW}),
        ("/schemas/ids/1/schema", 200, json.loads(OLD)),
        (
            "/schemas/ids/1/versions",
            200,
            [{"subject": "r-value", "version": 1}, {"subject": "s/t-value", "version": 1}],
        ),
        ("/schemas/types", 200, ["AVRO"]),
        ("/mode", 200, {"mode": "READONLY"}),
        ("/", 200, {"service": "schema registry, read only", "subjects": ["r-value", "s/t-value"], "kafka": "here"}),
        ("/schemas/ids/9", 404, {"error_code": 40403, "message": "Schema 9 not found"}),
        ("/subjects/x/versions", 404, {"error_code": 40401, "message": "Subject 'x' not found."}),
        ("/subjects/x/versions/latest", 404, {"error_code": 40401, "message": "Subject 'x' not found."}),
        ("/subjects/r-value/versions/3", 404, {"error_code": 40402, "message": "Version 3 not found."}),
        (
            "/subjects/r-value/versions/two",
            422,
            {"error_code": 42202, "message": "The version is a number from 1, or latest, but not 'two'"},
        ),
        ("/nothing", 404, {"error_code": 404, "message": "HTTP 404 Not Found"}),
    ],
)
async def test_what_can_be_read(path: str, status: int, body: object, client: TestClient) -> None:
    response = await client.get(path)
    assert (response.status, await response.json(content_type=None)) == (status, body)
    assert response.content_type == "application/vnd.schemaregistry.v1+json"


@pytest.mark.parametrize(
    ("subject", "body", "status", "field", "value"),
    [
        ("r-value", {"schema": OLD}, 200, "version", 1),
        ("r-value", {"schema": json.dumps(json.loads(NEW), indent=3)}, 200, "id", 2),
        ("r-value", {"schema": '"string"'}, 404, "error_code", 40403),
        ("x", {"schema": OLD}, 404, "error_code", 40401),
        ("r-value", {"schema": "{"}, 422, "error_code", 42201),
        ("r-value", {}, 422, "error_code", 42201),
        ("r-value", [], 422, "error_code", 42201),
    ],
)
async def test_a_schema_is_looked_up(
    subject: str, body: object, status: int, field: str, value: int, client: TestClient
) -> None:
    response = await client.post(f"/subjects/{subject}", json=body)
    assert response.status == status
    assert (await response.json(content_type=None))[field] == value


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/subjects/r-value/versions"),
        ("DELETE", "/subjects/r-value"),
        ("PUT", "/config"),
        ("PUT", "/mode/r-value"),
        ("POST", "/compatibility/subjects/r-value/versions/latest"),
    ],
)
async def test_whatever_writes_is_refused(method: str, path: str, client: TestClient) -> None:
    response = await client.request(method, path, json={})
    answer = await response.json(content_type=None)
    assert response.status == 405
    assert answer["error_code"] == 405
    assert "this registry only reads" in answer["message"]


@pytest.fixture
async def client() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(make_app(SOURCE, {"kafka": "here"}))) as client:
        yield client


# -- Confluent's own client against the process --


@pytest.fixture
def registry(local_stack: LocalStack) -> Iterator[SchemaRegistryClient]:
    with SchemaRegistryClient({"url": local_stack.endpoints.schema_registry_url}) as client:
        yield client


@pytest.mark.integration
def test_confluents_client_reads_all_there_is(registry: SchemaRegistryClient) -> None:
    subjects = registry.get_subjects()
    assert "orders.v1-value" in subjects
    for subject in subjects:
        latest = registry.get_latest_version(subject)
        assert latest.schema_id is not None
        assert latest.schema is not None
        assert registry.get_versions(subject)[-1] == latest.version
        assert registry.get_schema(latest.schema_id).schema_str == latest.schema.schema_str
        assert registry.lookup_schema(subject, latest.schema).schema_id == latest.schema_id


@pytest.mark.integration
def test_confluents_serializers_work_without_registering(registry: SchemaRegistryClient) -> None:
    subject = "orders.v1-value"
    latest = registry.get_latest_version(subject)
    assert latest.schema is not None
    assert latest.schema.schema_str is not None
    context = SerializationContext("orders.v1", MessageField.VALUE)
    serialize = AvroSerializer(
        registry, latest.schema.schema_str, conf={"auto.register.schemas": False, "use.latest.version": True}
    )
    lookup = AvroSerializer(registry, latest.schema.schema_str, conf={"auto.register.schemas": False})
    record = generate_one(json.loads(latest.schema.schema_str))
    framed = serialize(record, context)
    assert framed is not None
    assert framed == lookup(record, context)
    assert framed[:5] == b"\0" + (latest.schema_id or 0).to_bytes(4, "big")
    read = AvroDeserializer(registry)(framed, context)
    assert isinstance(read, dict)
    assert read["event_id"] == UUID(record["event_id"])


@pytest.mark.integration
def test_confluents_client_is_told_what_is_missing_and_what_is_refused(registry: SchemaRegistryClient) -> None:
    with pytest.raises(SchemaRegistryError) as unknown:
        registry.get_schema(999_999)
    assert (unknown.value.http_status_code, unknown.value.error_code) == (404, 40403)
    with pytest.raises(SchemaRegistryError) as refused:
        registry.register_schema("new-value", Schema('"string"', "AVRO"))
    assert refused.value.http_status_code == 405


@pytest.mark.integration
def test_the_root_shows_what_the_stack_runs(local_stack: LocalStack) -> None:
    answer = json.loads(urllib3.request("GET", local_stack.endpoints.schema_registry_url).data)
    assert answer["bootstrap_servers"] == local_stack.endpoints.bootstrap_servers
    assert answer["clickhouse_url"] == local_stack.endpoints.clickhouse_url
    assert local_stack.endpoints.clickhouse_password not in json.dumps(answer)
