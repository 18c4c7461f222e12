"""Who sees what: roles, with their grants, limits and row policies, as statements of ClickHouse.

- `tradewind_writer` makes and migrates the tables, inserts, settles. For `tradewind db migrate`, and for a sink that
  migrates by itself or fills tables anew.
- `tradewind_sink` inserts and settles. For a sink whose tables are migrated by somebody else; it can drop nothing.
- `analyst` reads everything in the database, within a quota and limits of time and memory.
- `merchant` reads the rows of its own sellers, by `_merchant_users`, within tighter ones. Views run with the rights of
  who asks, so the policies of the tables hold in them too.

Users are made by whoever runs the server, and get a role: `GRANT merchant TO alice`. Roles belong to the server, not to
the database, and a user who may not make them is told so; nothing else depends on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError

from consumers.clickhouse.insert import name_of

ROLES = ("tradewind_writer", "tradewind_sink", "analyst", "merchant")

#: What has a `merchant_id` and is a merchant's to see. Dead letters are not: whose they are may be unknown.
MERCHANT_TABLES = (
    *("listings", "questions", "orders", "listings_enriched", "answers_drafted", "answers_reviewed", "insights"),
    *("_settled_merchant_sales", "_settled_merchant_days", "_settled_listing_hours", "_settled_listing_days"),
)
#: What the views for merchants read besides.
_MERCHANT_ALSO = (
    *("merchant_sales", "merchant_days", "listing_hours", "listing_days", "listing_funnel", "refund_rates"),
    *("answer_service_level", "answer_routes", "enrichment_coverage", "orders_by_merchant_minute"),
    *("_recount_merchant_sales", "_recount_merchant_days", "_recount_listing_hours", "_recount_listing_days"),
    *("_touched_minutes", "_touched_hours", "_touched_days", "_arrivals", "_counted_orders"),
    *("_settled_through", "_kept_days", "_merchant_users"),
)
#: ACCESS_DENIED, READONLY, NOT_IMPLEMENTED, and ACCESS_STORAGE_FOR_INSERTION_NOT_FOUND: roles come from files only.
_REFUSALS = frozenset({497, 164, 48, 514})


@dataclass(frozen=True, slots=True)
class Refused:
    """A statement that the server did not take.

    Attributes:
        statement: the SQL.
        error: ClickHouse's name of the reason.
    """

    statement: str
    error: str


@dataclass(frozen=True, slots=True)
class Limits:
    """What a role may use.

    Attributes:
        role: whose.
        seconds: of one query.
        memory: of one query, in bytes.
        queries: in an hour; so many seconds in all, too.
    """

    role: str
    seconds: int
    memory: int
    queries: int

    def profile(self) -> str:
        """The settings, and the bounds within which a client may choose its own; it reads only (readonly = 2).

        Roll-ups are exact only where a query sees one state of a table.
        """
        return (
            f"CREATE SETTINGS PROFILE OR REPLACE tradewind_{self.role} SETTINGS readonly = 2 CONST, "
            f"max_execution_time = {self.seconds} MIN 1 MAX {self.seconds}, "
            f"max_memory_usage = {self.memory} MIN 1 MAX {self.memory}, "
            f"enable_shared_storage_snapshot_in_query = 1 CONST TO {self.role}"
        )

    def quota(self) -> str:
        """The quota, for each user by itself."""
        return (
            f"CREATE QUOTA OR REPLACE tradewind_{self.role} KEYED BY user_name FOR INTERVAL 1 hour "
            f"MAX queries = {self.queries}, execution_time = {self.queries} TO {self.role}"
        )


LIMITS = (Limits("analyst", 60, 4_000_000_000, 5_000), Limits("merchant", 20, 1_000_000_000, 1_000))


def grants(role: str, database: str) -> list[str]:
    """The GRANT statements of a role."""
    if role == "analyst":
        return [f"GRANT SELECT ON {database}.* TO analyst"]
    if role == "merchant":
        return [f"GRANT SELECT ON {database}.{name} TO merchant" for name in (*MERCHANT_TABLES, *_MERCHANT_ALSO)]
    if role == "tradewind_sink":
        return [f"GRANT SELECT, INSERT ON {database}.* TO tradewind_sink"]
    engines = ("MergeTree", "ReplacingMergeTree", "Memory")
    return [
        f"GRANT SELECT, INSERT, ALTER, CREATE, DROP, TRUNCATE, OPTIMIZE ON {database}.* TO {role}",
        *(f"GRANT TABLE ENGINE ON {engine} TO {role}" for engine in engines),
    ]


def row_filters(database: str) -> dict[str, str]:
    """By table, the rows that a user with the role merchant sees."""
    own = f"merchant_id IN (SELECT merchant_id FROM {database}._merchant_users WHERE user = currentUser())"
    return {**dict.fromkeys(MERCHANT_TABLES, own), "_merchant_users": "user = currentUser()"}


def access_statements(database: str) -> list[str]:
    """All statements, in order. Each may be run again, and then brings what differs up to date."""
    statements = [f"CREATE ROLE IF NOT EXISTS {role}" for role in ROLES]
    for role in ROLES:
        statements += grants(role, database)
    for table, rows in row_filters(database).items():
        # A restrictive policy narrows what others allow, and there must be one that does.
        statements += [
            f"CREATE ROW POLICY OR REPLACE tradewind_all ON {database}.{table} USING 1 TO ALL",
            f"CREATE ROW POLICY OR REPLACE tradewind_own ON {database}.{table} AS RESTRICTIVE USING {rows} TO merchant",
        ]
    for limits in LIMITS:
        statements += [limits.profile(), limits.quota()]
    return statements


def grant_access(client: Client, database: str) -> list[Refused]:
    """Run all statements; gives those that the server refused.

    Raises:
        clickhouse_connect.driver.exceptions.Error: another error, or ClickHouse can't be reached.
    """
    refused = []
    for statement in access_statements(database):
        try:
            client.command(statement)
        except DatabaseError as error:
            if error.code not in _REFUSALS:
                raise
            refused.append(Refused(statement, name_of(error)))
            if len(refused) == 1 and statement.startswith("CREATE ROLE"):
                # Without the first role the rest can only fail.
                return [refused[0], *(Refused(rest, refused[0].error) for rest in access_statements(database)[1:])]
    return refused


def missing_roles(client: Client, roles: Sequence[str] = ROLES) -> list[str] | None:
    """Roles that the server lacks; None where this user may not see them.

    Raises:
        clickhouse_connect.driver.exceptions.Error: another error, or ClickHouse can't be reached.
    """
    try:
        rows = client.query("SELECT name FROM system.roles").result_rows
    except DatabaseError as error:
        if error.code not in _REFUSALS:
            raise
        return None
    there = {name for (name,) in rows}
    return [role for role in roles if role not in there]
