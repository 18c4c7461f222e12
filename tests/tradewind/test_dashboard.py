"""The provisioned Grafana dashboard: every query of it runs on our tables and views, and tells the truth."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import clickhouse_connect
import pytest
import yaml
from clickhouse_connect.driver.client import Client

from consumers.clickhouse.migrate import migrate
from tests.support.stack import ClickHouseEndpoint
from tests.tradewind.deployment import DEPLOY, services
from tradewind.settings import Settings

GRAFANA = DEPLOY / "grafana"
DASHBOARD: dict[str, Any] = json.loads((GRAFANA / "dashboards/operations.json").read_text(encoding="utf-8"))
PANELS: dict[str, dict[str, Any]] = {panel["title"]: panel for panel in DASHBOARD["panels"]}
SOURCE = yaml.safe_load((GRAFANA / "provisioning/datasources/clickhouse.yaml").read_text())["datasources"][0]

#: Start of the rows below and of the dashboard's time range, on a whole minute.
START = datetime(2026, 3, 1, 9, 30, tzinfo=timezone.utc)
STOP = START + timedelta(hours=1)
INTERVAL_S = 60

each_panel = pytest.mark.parametrize("title", PANELS)


def expanded(sql: str, merchants: list[str] | None = None) -> str:
    """The SQL as the data source plugin sends it, after its documentation.

    Args:
        merchants: what is chosen in the merchant variable; None is All.
    """
    quoted = ", ".join("'" + merchant.replace("'", "''") + "'" for merchant in merchants or [])
    chosen = r"\1" if merchants is not None else "1=1"
    sql = re.sub(r"\$__conditionalAll\((.+?\)), \$merchant\)", chosen, sql).replace("${merchant:sqlstring}", quoted)
    between = rf"\1 >= toDateTime({START.timestamp():.0f}) AND \1 <= toDateTime({STOP.timestamp():.0f})"
    sql = re.sub(r"\$__timeFilter\((\w+)\)", between, sql)
    sql = re.sub(
        r"\$__dateFilter\((\w+)\)", rf"\1 >= toDate('{START:%Y-%m-%d}') AND \1 <= toDate('{STOP:%Y-%m-%d}')", sql
    )
    sql = re.sub(r"\$__timeInterval\((\w+)\)", rf"toStartOfInterval(toDateTime(\1), INTERVAL {INTERVAL_S} second)", sql)
    sql = sql.replace("$__interval_s", str(INTERVAL_S))
    assert "$" not in sql, sql
    return sql


def query_of(title: str) -> str:
    (target,) = PANELS[title]["targets"]
    found: str = target["rawSql"]
    return found


@pytest.fixture
def client(database: ClickHouseEndpoint) -> Iterator[Client]:
    """A migrated, empty database."""
    migrate(
        Settings(
            clickhouse_url=database.url,
            clickhouse_username=database.user,
            clickhouse_password=database.password,
            clickhouse_database=database.database,
        )
    )
    with clickhouse_connect.get_client(dsn=database.dsn) as connected:
        yield connected


def add(client: Client, table: str, count: int, **columns: str) -> None:
    """Rows of which each column is an SQL expression; `number` counts them from 0."""
    columns = {"event_id": "generateUUIDv4()", "_log": "'topic_1'", "_offset": "number"} | columns
    client.command(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} FROM numbers({count})"
    )


@pytest.fixture
def filled(client: Client) -> Client:
    """Two merchants with orders, questions and listings of which two have copy; and dead letters."""
    at = f"toDateTime64({START.timestamp():.0f}, 3, 'UTC')"
    merchant = "if(number = 3, 'o''hara', 'm-1')"
    orders = {"merchant_id": merchant, "order_id": "toString(number)", "listing_id": "'l'", "kind": "'PLACED'"}
    add(
        client,
        "orders",
        4,
        occurred_at=f"{at} + toIntervalMinute(number % 2)",
        amount="10.5",
        currency="'EUR'",
        **orders,
    )
    seen = {"merchant_id": "if(number = 2, 'o''hara', 'm-1')", "listing_id": "toString(number)"}
    add(client, "listings", 3, occurred_at=at, title="'t'", **seen)
    routes = {"route": "if(number = 1, 'REVIEW', 'PUBLISH')", "_inserted_at": f"{at} + toIntervalMillisecond(800)"}
    add(client, "listings_enriched", 2, occurred_at=at, merchant_id="'m-1'", listing_id="toString(number)", **routes)
    drafted = {
        "merchant_id": "if(number = 4, 'o''hara', 'm-1')",
        "listing_id": "'l'",
        "question_id": "toString(number)",
        "asked_at": at,
        "occurred_at": f"{at} + toIntervalMillisecond(100 * (number + 1))",
        "route": "if(number < 3, 'AUTO', 'HUMAN')",
        "reason": "if(number < 3, 'grounded', 'no_evidence')",
        "confidence": "0.5",
        "_inserted_at": f"{at} + toIntervalMillisecond(100 * (number + 1) + 250)",
    }
    add(client, "answers_drafted", 5, **drafted)
    dead = {"source_topic": "'orders.v1'", "stage": "'sink'", "error_class": "'BadFraming'", "source_offset": "number"}
    add(client, "dead_letters", 2, occurred_at=f"{at} + toIntervalMinute(5)", **dead)
    return client


def rows(client: Client, title: str, merchants: list[str] | None = None) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in client.query(expanded(query_of(title), merchants)).result_rows]


@pytest.mark.integration
@pytest.mark.parametrize("merchants", [None, ["m-1", "o'hara"]], ids=["all", "chosen"])
def test_every_query_runs_where_nothing_has_arrived_yet(client: Client, merchants: list[str] | None) -> None:
    for title in PANELS:
        client.query(expanded(query_of(title), merchants))


@pytest.mark.integration
def test_every_query_has_an_answer_once_it_has(filled: Client) -> None:
    for title, panel in PANELS.items():
        result = filled.query(expanded(query_of(title)))
        assert result.result_rows, title
        if panel["targets"][0]["queryType"] == "timeseries":
            assert result.column_names[0] == "time", title
            assert isinstance(result.result_rows[0][0], datetime), title


@pytest.mark.integration
def test_its_figures(filled: Client) -> None:
    naive = START.replace(tzinfo=None)
    later = naive + timedelta(minutes=1)
    assert rows(filled, "Orders placed") == [(4,)]
    assert rows(filled, "Orders placed", ["o'hara"]) == [(1,)]
    assert rows(filled, "Orders placed", ["m-1", "o'hara"]) == [(4,)]
    assert rows(filled, "Answered without a person") == [(0.6,)]
    assert rows(filled, "Answered without a person", ["o'hara"]) == [(0.0,)]
    assert rows(filled, "Listings with copy") == [(pytest.approx(2 / 3),)]
    assert rows(filled, "Listings with copy", ["m-1"]) == [(1.0,)]
    assert rows(filled, "Dead letters") == [(2,)]
    assert [(at.replace(tzinfo=None), n) for at, n in rows(filled, "Orders per minute")] == [(naive, 2), (later, 2)]
    sales = [
        (merchant, orders, float(amount)) for merchant, _, orders, _, amount, _ in rows(filled, "Sales by merchant")
    ]
    assert sales == [("m-1", 3, 31.5), ("o'hara", 1, 10.5)]
    assert [row[1:] for row in rows(filled, "Answer routes")] == [("AUTO", 3), ("HUMAN", 2)]
    assert rows(filled, "Why drafts go to a person") == [("AUTO", "grounded", 3, 0.5), ("HUMAN", "no_evidence", 2, 0.5)]
    assert [row[1:] for row in rows(filled, "From question to draft", ["m-1"])] == [(300, 400)]
    delays = {topic: delay for _, topic, delay in rows(filled, "From draft to ClickHouse")}
    assert delays == {"answers-drafted.v1": 250, "listings-enriched.v1": 800}
    assert rows(filled, "Enrichment coverage") == [("o'hara", 1, 0, 0, 0, 0.0), ("m-1", 2, 2, 1, 1, 1.0)]
    assert [row[1:] for row in rows(filled, "Dead letters by error class")] == [("sink: BadFraming", 2)]
    fresh = {topic: (count, dead) for topic, count, *_, dead in rows(filled, "Freshness")}
    assert len(fresh) == 8
    assert fresh["orders.v1"] == (4, 2)


@pytest.mark.integration
def test_the_merchant_variable_lists_them(filled: Client) -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert variable["name"] == "merchant"
    assert [row[0] for row in filled.query(variable["query"]).result_rows] == ["m-1", "o'hara"]


@each_panel
def test_each_panel_asks_the_provisioned_source_and_says_what_it_shows(title: str) -> None:
    panel = PANELS[title]
    wanted = {"type": SOURCE["type"], "uid": SOURCE["uid"]}
    assert panel["datasource"] == wanted
    assert all(target["datasource"] == wanted for target in panel["targets"])
    assert len(panel["description"]) > 20


def test_panels_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS.values():
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS.values()}) == len(PANELS) == len(DASHBOARD["panels"])


def test_the_source_is_the_compose_files_clickhouse() -> None:
    grafana = services()["grafana"]
    assert SOURCE["jsonData"]["host"] in services()
    assert set(services()[SOURCE["jsonData"]["host"]]["networks"]) & set(grafana["networks"])
    file = re.fullmatch(r"\$__file\{/run/secrets/(\w+)\}", SOURCE["secureJsonData"]["password"])
    assert file is not None
    assert file[1] in grafana["secrets"]


def test_the_dashboard_is_where_grafana_looks_for_it() -> None:
    (provider,) = yaml.safe_load((GRAFANA / "provisioning/dashboards/tradewind.yaml").read_text())["providers"]
    grafana = services()["grafana"]
    mounts = dict(volume.split(":")[:2] for volume in grafana["volumes"])
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"{provider['options']['path']}/operations.json"
