"""The HTTP interface of the embedded ClickHouse, through clickhouse-connect, curl and plain HTTP."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlencode

import clickhouse_connect
import fastavro
import lz4.frame
import pandas
import pyarrow
import pyarrow.parquet
import pytest
import urllib3
from backports import zstd
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError, StreamFailureError
from clickhouse_connect.driver.external import ExternalData

from tests.support.stack import ClickHouseEndpoint
from tests.tradewind.stack.helpers import until

pytestmark = pytest.mark.integration

ROWS = 2000
PACK = {"gzip": gzip.compress, "zstd": zstd.compress, "lz4": lz4.frame.compress}
TABLE = """
CREATE TABLE orders (order_id String, quantity Int32, price Decimal(18, 2), note Nullable(String))
ENGINE = MergeTree ORDER BY order_id SETTINGS non_replicated_deduplication_window = 1000
"""
SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "Order",
        "fields": [
            {"name": "order_id", "type": "string"},
            {"name": "quantity", "type": "int"},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
            {"name": "note", "type": ["null", "string"]},
        ],
    }
)


def container(rows: int = ROWS, codec: str = "null", prefix: str = "o") -> bytes:
    """An Avro object container of orders, one block for each record."""
    buffer = io.BytesIO()
    records = [
        {"order_id": f"{prefix}{n:06}", "quantity": n % 5, "price": Decimal(n) / 100, "note": None if n % 2 else "ünï"}
        for n in range(rows)
    ]
    fastavro.writer(buffer, SCHEMA, records, codec=codec, sync_interval=1)
    return buffer.getvalue()


AVRO = container()


@pytest.fixture
def client(database: ClickHouseEndpoint) -> Iterator[Client]:
    with clickhouse_connect.get_client(dsn=database.dsn) as client:
        yield client


@pytest.fixture
def orders(client: Client) -> Client:
    client.command(TABLE)
    return client


def count(client: Client, table: str = "orders") -> int:
    return int(client.query(f"SELECT count() FROM {table}").result_rows[0][0])


def http(
    endpoint: ClickHouseEndpoint,
    query: str | None = None,
    method: str = "POST",
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    **params: str,
) -> urllib3.BaseHTTPResponse:
    """A plain request with the endpoint's account."""
    account = urllib3.make_headers(basic_auth=f"{endpoint.user}:{endpoint.password}")
    given = {"database": endpoint.database, **params, **({} if query is None else {"query": query})}
    return urllib3.request(
        method,
        f"{endpoint.url}/?{urlencode(given)}",
        body=body,
        headers={**account, **(headers or {})},
        decode_content=False,
    )


# -- reading --


def test_a_client_by_host_and_port(clickhouse: ClickHouseEndpoint) -> None:
    with clickhouse_connect.get_client(
        host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password=clickhouse.password
    ) as client:
        assert client.command("SELECT 1 + 1") == 2
        assert client.ping()


def test_the_dsn_names_the_database(client: Client, database: ClickHouseEndpoint) -> None:
    assert client.command("SELECT currentDatabase()") == database.database


def test_rows_frames_arrays_and_tables(client: Client) -> None:
    sql = "SELECT number AS n, toString(number) AS s FROM numbers(3)"
    result = client.query(sql)
    assert result.result_rows == [(0, "0"), (1, "1"), (2, "2")]
    assert result.column_names == ("n", "s")
    pandas.testing.assert_frame_equal(
        client.query_df(sql),
        pandas.DataFrame({"n": pandas.array([0, 1, 2], "uint64"), "s": ["0", "1", "2"]}),
        check_dtype=False,
    )
    assert client.query_arrow(sql).column("n").to_pylist() == [0, 1, 2]
    assert client.query_np("SELECT number FROM numbers(3)").ravel().tolist() == [0, 1, 2]


@pytest.mark.parametrize("compress", [False, True, "lz4", "zstd", "gzip", "deflate"])
def test_an_answer_in_every_coding(clickhouse: ClickHouseEndpoint, compress: bool | str) -> None:
    with clickhouse_connect.get_client(dsn=clickhouse.dsn, compress=compress) as client:
        sql = "SELECT number FROM numbers(300000)"
        assert client.query(sql).result_columns[0][-1] == 299_999
        with client.query_row_block_stream(sql) as blocks:
            assert sum(len(block) for block in blocks) == 300_000


def test_the_coding_is_named_and_saves_bytes(database: ClickHouseEndpoint) -> None:
    sql = "SELECT 'the same' FROM numbers(10000)"
    plain = http(database, sql)
    packed = http(database, sql, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 10
    refused = http(database, sql, headers={"Accept-Encoding": "gzip"}, enable_http_compression="0")
    assert "Content-Encoding" not in refused.headers


def test_parameters_are_bound_by_the_server(database: ClickHouseEndpoint) -> None:
    values = {"n": 4, "s": "it's\ta \\ ünï", "a": ["q'", "b"]}
    for form in (False, True):
        with clickhouse_connect.get_client(dsn=database.dsn, form_encode_query_params=form) as client:
            result = client.query("SELECT {n:UInt32} + 1, {s:String}, {a:Array(String)}", parameters=values)
            assert result.result_rows == [(5, values["s"], values["a"])]
            with pytest.raises(DatabaseError) as raised:
                client.query("SELECT {n:UInt32}", parameters={"n": "four"})
            assert raised.value.code == 457


def test_settings_apply_to_their_query_only(client: Client) -> None:
    sql = "SELECT toInt32(value), changed FROM system.settings WHERE name = 'max_block_size'"
    assert client.query(sql, settings={"max_block_size": 77}).result_rows == [(77, 1)]
    assert client.query(sql).result_rows[0][1] == 0


def test_external_data_is_a_table_of_its_query(client: Client) -> None:
    data = ExternalData(data=b"1,a\n2,b\n", file_name="ext", fmt="CSV", structure="x UInt8, y String")
    assert client.query("SELECT sum(x), max(y) FROM ext", external_data=data).result_rows == [(3, "b")]
    with pytest.raises(DatabaseError) as raised:
        client.query("SELECT * FROM ext")
    assert raised.value.code == 60


@pytest.mark.parametrize(
    ("sql", "params", "body", "content_type"),
    [
        ("SELECT 1 AS a, 'x' AS b", {}, b"1\tx\n", "text/tab-separated-values; charset=UTF-8"),
        ("SELECT 1 AS a, 'x' AS b FORMAT CSV", {}, b'1,"x"\n', "text/csv; charset=UTF-8; header=absent"),
        ("SELECT 1 AS a", {"default_format": "JSONEachRow"}, b'{"a":1}\n', "application/x-ndjson; charset=UTF-8"),
        ("SELECT 1 AS a FORMAT CSV", {"default_format": "JSONEachRow"}, b"1\n", None),
        ("SELECT 1 AS a FORMAT TSVWithNames SETTINGS max_threads = 1", {}, b"a\n1\n", None),
        ("SELECT number % 2 AS k, count() FROM numbers(4) GROUP BY k WITH TOTALS", {}, b"0\t2\n1\t2\n\n0\t4\n", None),
        ("SELECT 1 WHERE 0", {}, b"", None),
    ],
)  # fmt: skip
def test_formats(
    database: ClickHouseEndpoint, sql: str, params: dict[str, str], body: bytes, content_type: str | None
) -> None:
    for wait in ("0", "1"):
        response = http(database, sql, wait_end_of_query=wait, **params)
        assert (response.status, response.data) == (200, body)
        if content_type is not None:
            assert response.headers["Content-Type"] == content_type


def test_json_of_many_blocks_is_one_document(database: ClickHouseEndpoint) -> None:
    answer = json.loads(http(database, "SELECT number FROM numbers(200000) FORMAT JSONCompact").data)
    assert answer["rows"] == len(answer["data"]) == 200_000


def test_headers(database: ClickHouseEndpoint) -> None:
    response = http(database, "SELECT number FROM numbers(10)", query_id="mine", wait_end_of_query="1")
    assert response.headers["X-ClickHouse-Query-Id"] == "mine"
    assert response.headers["X-ClickHouse-Format"] == "TabSeparated"
    assert response.headers["X-ClickHouse-Timezone"]
    assert response.headers["X-ClickHouse-Server-Display-Name"]
    summary = json.loads(response.headers["X-ClickHouse-Summary"])
    assert (summary["read_rows"], summary["result_rows"]) == ("10", "10")


def test_an_error_in_the_midst_of_an_answer_is_an_error(client: Client, database: ClickHouseEndpoint) -> None:
    sql = "SELECT throwIf(number = 400000) FROM numbers(500000)"
    with pytest.raises(StreamFailureError) as raised, client.query_rows_stream(sql) as rows:
        for _ in rows:
            pass
    assert raised.value.code == 395
    # A client that knows no exception tag sees that the answer is cut off.
    with pytest.raises(urllib3.exceptions.ProtocolError):
        http(database, sql)
    # And one that waits for the end gets a status.
    assert http(database, sql, wait_end_of_query="1").headers["X-ClickHouse-Exception-Code"] == "395"


def test_an_async_client(clickhouse: ClickHouseEndpoint) -> None:
    async def ask() -> object:
        async with await clickhouse_connect.get_async_client(dsn=clickhouse.dsn) as client:
            return (await client.query("SELECT 7")).result_rows

    assert asyncio.run(ask()) == [(7,)]


# -- inserting --


def test_an_avro_container_lands_as_one_part(orders: Client) -> None:
    summary = orders.raw_insert("orders", insert_block=AVRO, fmt="Avro")
    assert summary.written_rows == ROWS
    assert orders.query(
        "SELECT count(), sum(quantity), sum(price), countIf(note = 'ünï'), countIf(note IS NULL) FROM orders"
    ).result_rows == [
        (ROWS, sum(n % 5 for n in range(ROWS)), pytest.approx(sum(range(ROWS)) / 100), ROWS // 2, ROWS // 2)
    ]
    assert parts(orders) == 1


def parts(client: Client) -> int:
    return int(
        client.query(
            "SELECT count() FROM system.parts WHERE active AND table = 'orders' AND database = currentDatabase()"
        ).result_rows[0][0]
    )


@pytest.mark.parametrize("coding", PACK)
def test_an_insert_in_every_coding(orders: Client, coding: str) -> None:
    orders.raw_insert("orders", insert_block=PACK[coding](AVRO), fmt="Avro", compression=coding)
    assert count(orders) == ROWS


def test_the_other_formats(orders: Client) -> None:
    columns = ["order_id", "quantity"]
    orders.raw_insert("orders", columns, "a,1\nb,2\n", fmt="CSV")
    orders.raw_insert("orders", columns, (b'{"order_id":"g%d"}\n' % n for n in range(3)), fmt="JSONEachRow")
    table = pyarrow.table({"order_id": ["p"], "quantity": [7]})
    buffer = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, buffer)
    orders.raw_insert("orders", columns, buffer.getvalue().to_pybytes(), fmt="Parquet")
    orders.insert_arrow("orders", pyarrow.table({"order_id": ["ar"], "quantity": [8]}))
    orders.insert_df("orders", pandas.DataFrame({"order_id": ["df"], "quantity": [9]}))
    assert orders.insert("orders", [["n", 3, "1.25"]], ["order_id", "quantity", "price"]).written_rows == 1
    orders.command("INSERT INTO orders (order_id, quantity) VALUES ({o:String}, 2 + 3)", parameters={"o": "v'"})
    orders.command("INSERT INTO orders (order_id) SELECT 's'")
    result = orders.query("SELECT order_id, quantity FROM orders ORDER BY order_id").result_rows
    assert result == [
        *(("a", 1), ("ar", 8), ("b", 2), ("df", 9), ("g0", 0), ("g1", 0)),
        *(("g2", 0), ("n", 3), ("p", 7), ("s", 0), ("v'", 5)),
    ]


def test_a_batch_with_the_same_token_is_stored_once(orders: Client) -> None:
    token = {"insert_deduplication_token": "orders.v1:0:0-1999"}
    for _ in range(2):
        orders.raw_insert("orders", insert_block=AVRO, fmt="Avro", settings=token)
    assert count(orders) == ROWS
    orders.raw_insert("orders", insert_block=AVRO, fmt="Avro", settings={"insert_deduplication_token": "other"})
    assert count(orders) == 2 * ROWS


def test_a_token_reaches_through_a_materialized_view(orders: Client) -> None:
    orders.command(
        "CREATE TABLE sums (quantity Int32, orders UInt64) ENGINE = SummingMergeTree ORDER BY quantity "
        "SETTINGS non_replicated_deduplication_window = 1000"
    )
    orders.command(
        "CREATE MATERIALIZED VIEW v TO sums AS SELECT quantity, count() AS orders FROM orders GROUP BY quantity"
    )
    settings = {"insert_deduplication_token": "t", "deduplicate_blocks_in_dependent_materialized_views": 1}
    for _ in range(2):
        orders.raw_insert("orders", insert_block=AVRO, fmt="Avro", settings=settings)
    assert orders.query("SELECT sum(orders) FROM sums").result_rows == [(ROWS,)]


@pytest.mark.parametrize(
    ("block", "data_format", "code"),
    [
        (AVRO[:-30], "Avro", 1001),
        (AVRO[: len(AVRO) // 2], "Avro", 1001),
        (AVRO[:1000] + b"\xff" * 20 + AVRO[1020:], "Avro", 1001),
        (b'{"order_id":"a"}\n{"order_id":', "JSONEachRow", 26),
        (b"a,1\nb,two\n", "CSV", 117),
    ],
)
def test_broken_data_has_clickhouses_code_and_leaves_nothing(
    orders: Client, block: bytes, data_format: str, code: int
) -> None:
    columns = None if data_format == "Avro" else ["order_id", "quantity"]
    with pytest.raises(DatabaseError) as raised:
        orders.raw_insert("orders", columns, block, fmt=data_format)
    assert raised.value.code == code
    assert count(orders) == 0
    assert orders.raw_insert("orders", insert_block=AVRO, fmt="Avro").written_rows == ROWS


@pytest.mark.parametrize(
    "refusal", ["CONSTRAINT few CHECK quantity < 5", "n UInt8 MATERIALIZED throwIf(quantity >= 5)"]
)
def test_rows_that_the_table_refuses_are_not_answered_as_stored(client: Client, refusal: str) -> None:
    client.command(f"CREATE TABLE refusing (quantity Int64, {refusal}) ENGINE = MergeTree ORDER BY quantity")
    for block, column_format in ((b"1\n9\n", "TSV"), (b'{"quantity":1}\n{"quantity":9}', "JSONEachRow")):
        with pytest.raises(DatabaseError) as raised:
            client.raw_insert("refusing", ["quantity"], block, fmt=column_format)
        assert raised.value.code in (395, 469)
    assert count(client, "refusing") == 0


def test_data_may_hold_what_ends_a_statement(client: Client) -> None:
    client.command("CREATE TABLE texts (text String) ENGINE = MergeTree ORDER BY text")
    texts = ["a;b", "c;\nSELECT 1;", "d\n\nSELECT 2", "-- e", "\x00"]
    client.raw_insert("texts", ["text"], json.dumps([{"text": text} for text in texts]).encode(), fmt="JSONEachRow")
    client.raw_insert("texts", ["text"], b'"f;\n\n;g"\n"h"\n', fmt="CSV")
    client.raw_insert("texts", ["text"], b"i;j\nk\n", fmt="TSV")
    found = {row[0] for row in client.query("SELECT text FROM texts").result_rows}
    assert found == {*texts, "f;\n\n;g", "h", "i;j", "k"}


def test_an_error_that_quotes_bytes_which_are_no_text_keeps_its_code(client: Client) -> None:
    client.command("CREATE TABLE ids (id UUID) ENGINE = MergeTree ORDER BY id")
    with pytest.raises(DatabaseError) as raised:
        client.raw_insert("ids", ["id"], b"\xe8" * 36 + b"\n", fmt="TSV")
    assert raised.value.code in (27, 376)


def test_an_inserts_settings_take_effect(orders: Client) -> None:
    line = b'{"order_id":"a","more":1}'
    strict = {"input_format_skip_unknown_fields": 0}
    with pytest.raises(DatabaseError) as raised:
        orders.raw_insert("orders", insert_block=line, fmt="JSONEachRow", settings=strict)
    assert raised.value.code == 117
    orders.raw_insert("orders", insert_block=line, fmt="JSONEachRow", settings={"input_format_skip_unknown_fields": 1})
    assert count(orders) == 1


def test_a_body_that_the_client_breaks_off_leaves_nothing(orders: Client) -> None:
    def half() -> Iterator[bytes]:
        yield b"a,1\n" * 1000
        raise ConnectionAbortedError("the client is gone")

    with pytest.raises(OperationalError, match="the client is gone"):
        orders.raw_insert("orders", ["order_id", "quantity"], half(), fmt="CSV")
    assert count(orders) == 0


def test_a_body_that_is_not_in_its_coding_is_refused(database: ClickHouseEndpoint, orders: Client) -> None:
    for body, coding, code in (
        (b"1\n", "gzip", "36"),
        (gzip.compress(AVRO)[:-9], "gzip", "36"),
        (b"1\n", "snappy", "48"),
    ):
        response = http(database, "INSERT INTO orders FORMAT Avro", body=body, headers={"Content-Encoding": coding})
        assert response.headers["X-ClickHouse-Exception-Code"] == code
    assert count(orders) == 0


# -- errors and access --


@pytest.mark.parametrize(
    ("sql", "settings", "code", "status"),
    [
        ("SELECT * FROM nowhere", {}, 60, 404),
        ("SELECT * FROM nowhere.t", {}, 81, 404),
        ("SELECT nothing", {}, 47, 404),
        ("SELEC 1", {}, 62, 400),
        ("SELECT 1; SELECT 2", {}, 62, 400),
        ("", {}, 62, 400),
        ("SELECT 1", {"no_such_setting": "1"}, 115, 404),
        ("SELECT 1", {"bad-name": "1"}, 115, 404),
        ("SELECT 1", {"database": "nowhere"}, 81, 404),
        ("SELECT {x:UInt8}", {}, 456, 500),
        ("CREATE TABLE x (a Int8) ENGINE = Memory", {"readonly": "1"}, 164, 500),
        ("SELECT 1", {"compress": "1"}, 48, 501),
        ("SELECT sleepEachRow(1) FROM numbers(100)", {"max_execution_time": "0.1", "max_block_size": "1"}, 159, 408),
    ],
)
def test_errors_have_clickhouses_codes(
    database: ClickHouseEndpoint, sql: str, settings: dict[str, str], code: int, status: int
) -> None:
    response = http(database, body=sql.encode(), **settings)
    assert response.headers["X-ClickHouse-Exception-Code"] == str(code)
    assert response.status == status
    assert response.data.startswith(b"Code: %d. DB::Exception: " % code)
    assert b"(version " in response.data


def test_get_only_reads(database: ClickHouseEndpoint) -> None:
    assert http(database, "SELECT 1", method="GET").data == b"1\n"
    assert http(database, "SELECT 1", method="HEAD").status == 200
    response = http(database, "CREATE TABLE x (a Int8) ENGINE = Memory", method="GET")
    assert response.headers["X-ClickHouse-Exception-Code"] == "164"
    assert http(database, method="PUT", body=b"SELECT 1").status == 405


def test_a_wrong_password_is_refused(clickhouse: ClickHouseEndpoint) -> None:
    with pytest.raises(DatabaseError) as raised:
        clickhouse_connect.get_client(
            host=clickhouse.host, port=clickhouse.port, username=clickhouse.user, password="x"
        )
    assert raised.value.code == 516
    anonymous = urllib3.request("POST", clickhouse.url, body=b"SELECT 1")
    assert (anonymous.status, anonymous.headers["X-ClickHouse-Exception-Code"]) == (401, "516")
    assert "WWW-Authenticate" in anonymous.headers
    by_url = urllib3.request("POST", f"{clickhouse.url}/?user={clickhouse.user}&password=no", body=b"SELECT 1")
    assert (by_url.status, by_url.headers["X-ClickHouse-Exception-Code"]) == (403, "516")


def test_health_needs_no_account(clickhouse: ClickHouseEndpoint) -> None:
    for path in ("/ping", "/", "/replicas_status"):
        response = urllib3.request("GET", clickhouse.url + path)
        assert (response.status, response.data) == (200, b"Ok.\n")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl(database: ClickHouseEndpoint, orders: Client, tmp_path: Path) -> None:
    address = (
        f"http://{database.user}:{database.password}@{database.host}:{database.port}/?database={database.database}"
    )
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"order_id":"{n}","quantity":{n}}}\n' for n in range(50_000)))

    def curl(*arguments: str) -> str:
        return subprocess.run(("curl", "-sS", "--fail", *arguments), capture_output=True, text=True, check=True).stdout

    insert = f"{address}&query=INSERT+INTO+orders+FORMAT+JSONEachRow"
    assert curl("--data-binary", f"@{rows}", insert) == ""
    assert curl(f"{address}&query=SELECT+count(),sum(quantity)+FROM+orders") == f"50000\t{sum(range(50_000))}\n"
    assert curl("--compressed", address, "-d", "SELECT 'a body' FORMAT CSV") == '"a body"\n'
    assert curl("-F", "query=SELECT {x:UInt8} + 1", "-F", "param_x=41", address) == "42\n"


# -- sessions --


def test_a_session_keeps_its_settings_and_temporary_tables(client: Client, database: ClickHouseEndpoint) -> None:
    client.command("SET max_threads = 1")
    client.command("CREATE TEMPORARY TABLE mine (a Int8)")
    client.insert("mine", [[1], [2]], ["a"])
    assert client.query("SELECT sum(a), getSetting('max_threads') FROM mine").result_rows == [(3, 1)]
    # a request's own settings hold for it alone
    sql = "SELECT getSetting('max_threads')"
    assert client.query(sql, settings={"max_threads": 3}).result_rows == [(3,)]
    assert client.query(sql, settings={"readonly": 1}).result_rows == [(1,)]
    assert client.command("DROP TABLE mine") is not None
    with clickhouse_connect.get_client(dsn=database.dsn) as other, pytest.raises(DatabaseError) as raised:
        other.query("SELECT * FROM mine")
    assert raised.value.code == 60


def test_use_lasts_for_the_session(database: ClickHouseEndpoint) -> None:
    account = {"headers": urllib3.make_headers(basic_auth=f"{database.user}:{database.password}")}

    def ask(sql: str, **params: str) -> str:
        url = f"{database.url}/?{urlencode({'session_id': database.database, **params})}"
        return urllib3.request("POST", url, body=sql.encode(), **account).data.decode()

    assert ask("SELECT currentDatabase()") == "default\n"
    assert ask("USE system") == ""
    assert ask("SELECT currentDatabase()") == "system\n"
    assert ask("SELECT currentDatabase()", database=database.database) == f"{database.database}\n"
    assert ask("SELECT currentDatabase()", session_check="1") == "system\n"
    assert ask("SELECT 1", session_id="never", session_check="1").startswith("Code: 372. ")


# -- at the same time --


def test_queries_and_inserts_run_at_the_same_time(orders: Client, database: ClickHouseEndpoint) -> None:
    """Four readers and two writers: every sum that a reader sees is one that was written as a whole."""
    batches = 8
    errors: list[BaseException] = []
    done = threading.Event()

    def guarded(work: object) -> None:
        try:
            with clickhouse_connect.get_client(dsn=database.dsn) as client:
                work(client)  # type: ignore[operator]
        except BaseException as error:
            errors.append(error)

    def write(client: Client) -> None:
        for _ in range(batches):
            token = {"insert_deduplication_token": str(uuid.uuid4())}
            client.raw_insert("orders", insert_block=AVRO, fmt="Avro", settings=token)

    def look(client: Client) -> None:
        while not done.is_set():
            assert count(client) % ROWS == 0

    readers = [threading.Thread(target=guarded, args=(look,)) for _ in range(4)]
    writers = [threading.Thread(target=guarded, args=(write,)) for _ in range(2)]
    for thread in readers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert errors == []
    assert count(orders) == 2 * batches * ROWS


RUNNING = "SELECT count() FROM system.processes WHERE position(query, '{}') AND NOT position(query, 'processes')"


def test_a_query_runs_beside_one_that_takes_long(client: Client, database: ClickHouseEndpoint) -> None:
    marker = f"{database.database}_slow"
    codes: list[int | None] = []

    def run_slow() -> None:
        with clickhouse_connect.get_client(dsn=database.dsn) as other:
            try:
                other.query(f"SELECT '{marker}', sleepEachRow(1) FROM numbers(60) SETTINGS max_block_size = 1")
            except DatabaseError as error:
                codes.append(error.code)

    thread = threading.Thread(target=run_slow)
    thread.start()
    until(lambda: client.query(RUNNING.format(marker)).result_rows == [(1,)], "the slow query")
    assert client.query("SELECT 1").result_rows == [(1,)]
    client.command(f"KILL QUERY WHERE position(query, '{marker}') AND NOT position(query, 'KILL') ASYNC")
    thread.join()
    assert codes == [394]


def test_a_query_ends_when_its_client_leaves(client: Client, database: ClickHouseEndpoint) -> None:
    marker = f"{database.database}_gone"
    url = f"{database.url}/?wait_end_of_query=1&cancel_http_readonly_queries_on_client_close=1"
    account = urllib3.make_headers(basic_auth=f"{database.user}:{database.password}")
    body = f"SELECT '{marker}', sum(sleepEachRow(1)) FROM numbers(600) SETTINGS max_block_size = 1".encode()
    with pytest.raises(urllib3.exceptions.ReadTimeoutError):
        urllib3.request("POST", url, body=body, headers=account, timeout=0.5, retries=False)
    until(lambda: client.query(RUNNING.format(marker)).result_rows == [(0,)], "the end of the query")
