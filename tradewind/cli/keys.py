"""`tradewind keys`: the gateway's API keys."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from streams.gateway.audit import Entry
    from streams.gateway.keys import ApiKey

app = typer.Typer(no_args_is_help=True, help="Make, list and revoke the API keys of the gateway, and see their use.")

_UNITS = {"d": "days", "h": "hours", "m": "minutes"}
_MERCHANT = typer.Option(..., "--merchant", help="Whose events the key is for; it sees no other's.")


@app.command()
def create(
    merchant: str = _MERCHANT,
    publish: bool = typer.Option(False, "--publish", help="It may publish listings, questions and orders."),
    read: bool = typer.Option(False, "--read", help="It may receive drafts, copy and insights."),
    label: str = typer.Option("", "--label", help="What people call it, such as the device that has it."),
    rate: float = typer.Option(1000.0, "--rate", help="Events a second that it may publish, on average."),
    expires: str = typer.Option(
        "365d", "--expires", help="When it ends: 90d, 12h, 30m, a date such as 2030-01-31, or never."
    ),
    as_json: bool = typer.Option(False, "--json", help="One JSON object, with the key in it."),
) -> None:
    """Make a key, and print it. It is shown this once: only a hash of it is kept.

    Standard output has the key alone, so that it can be captured.

    Try it: tradewind keys create --merchant m-1 --publish --read --label scanner-7
    """
    from streams.gateway import key_file
    from streams.gateway.keys import Scope

    settings = load_settings()
    if not publish and not read:
        fail("the key would allow nothing; give it --publish, --read or both", Exit.USAGE)
    try:
        expires_at = expiry(expires, key_file.utc_now())
    except ValueError as error:
        fail(str(error), Exit.USAGE)
    scopes = {scope for scope, given in ((Scope.PUBLISH, publish), (Scope.READ, read)) if given}
    with one_line_errors():
        key, text = key_file.create(
            settings.gateway_keys_file,
            merchant_id=merchant,
            scopes=scopes,
            label=label,
            events_per_s=rate,
            expires_at=expires_at,
        )
    if as_json:
        print_json({"key": text, **_json(key, key.created_at)})
        return
    typer.echo(text)
    until = f"until {_time(key.expires_at)}" if key.expires_at else "until it is revoked"
    told = f"key {key.id} for merchant {merchant} may {_scopes(key)}, {until}; keep it safe, it is not shown again"
    err.print(told, markup=False, soft_wrap=True)


@app.command("list")
def list_keys(
    merchant: Optional[str] = typer.Option(None, "--merchant", help="Only this merchant's."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
) -> None:
    """Show the keys, without their secrets, and whether they are in force.

    Try it: tradewind keys list
    """
    from streams.gateway import audit, key_file
    from tradewind.cli.text import cell, new_table, print_table

    settings = load_settings()
    with one_line_errors(), key_file.opened(settings.gateway_keys_file, make=False) as file:
        keys = [stored.key for stored in key_file.read(file)]
        used = audit.last_used(file)
    keys = [key for key in keys if merchant in (None, key.merchant_id)]
    now = key_file.utc_now()
    if as_json:
        print_json([{**_json(key, now), "last_used_at": _time(used.get(key.id))} for key in keys])
        return
    if not keys:
        err.print("no keys; make one: tradewind keys create --merchant ID --publish --read", soft_wrap=True)
        return
    table = new_table("id", "merchant", "may", "label", "events/s", "created", "expires", "last used", "state")
    for key in keys:
        times = (key.created_at, key.expires_at, used.get(key.id))
        row = (key.id, key.merchant_id, _scopes(key), key.label, f"{key.events_per_s:g}", *map(_time, times))
        table.add_row(*map(cell, row), cell(_state(key, now)))
    print_table(table)


@app.command()
def revoke(
    ids: list[str] = typer.Argument(metavar="ID...", help="Ids of the keys, as tradewind keys list shows them."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array of the keys."),
) -> None:
    """Take keys back, for ever. Gateways that run know it within a second, and end the key's streams.

    Try it: tradewind keys revoke ID
    """
    from streams.gateway import key_file

    settings = load_settings()
    found: list[dict[str, Any]] = []
    with one_line_errors():
        for text in ids:
            key, changed = key_file.revoke(settings.gateway_keys_file, key_file.id_in(text))
            found.append(_json(key, key_file.utc_now()))
            if not as_json:
                how = "is revoked" if changed else f"was revoked at {_time(key.revoked_at)} already"
                out.print(f"key {key.id} of merchant {key.merchant_id} {how}", markup=False, soft_wrap=True)
    if as_json:
        print_json(found)


@app.command()
def audit(
    key: Optional[str] = typer.Option(None, "--key", help="Only what was done with the key of this id."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
) -> None:
    """Show who made and revoked keys, and how often each was used and refused, by day.

    A running gateway adds its counts every 15 seconds. What was presented and is nobody's key is counted together.

    Try it: tradewind keys audit
    """
    from streams.gateway import audit as log
    from streams.gateway import key_file
    from tradewind.cli.text import cell, new_table, print_table

    settings = load_settings()
    with one_line_errors(), key_file.opened(settings.gateway_keys_file, make=False) as file:
        found = log.entries(file, None if key is None else key_file.id_in(key))
    if as_json:
        print_json([_entry_json(entry) for entry in found])
        return
    table = new_table("time", "who", "what", "key", "used", "refused", right=("used", "refused"))
    for entry in found:
        counts = (entry.used, entry.refused) if entry.what == "used" else (None, None)
        row = (_time(entry.at), entry.who or "the gateway", entry.what, entry.key_id or "(no key)", *counts)
        table.add_row(*map(cell, row))
    print_table(table)


def expiry(text: str, now: datetime) -> datetime | None:
    """When a key ends.

    Raises:
        ValueError: the text is no such time; the message says what is.
    """
    if text == "never":
        return None
    try:
        if span := re.fullmatch(r"(\d{1,5})([dhm])", text):
            return now + timedelta(**{_UNITS[span[2]]: int(span[1])})
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (ValueError, OverflowError):
        raise ValueError(f"--expires {text}: expected 90d, 12h, 30m, a date such as 2030-01-31, or never") from None
    return at if at.tzinfo else at.replace(tzinfo=timezone.utc)


def _state(key: ApiKey, now: datetime) -> str:
    if key.revoked_at is not None:
        return f"revoked {_time(key.revoked_at)}"
    return "expired" if key.expires_at is not None and key.expires_at <= now else "in force"


def _scopes(key: ApiKey) -> str:
    return " and ".join(sorted(scope.value for scope in key.scopes))


def _time(at: datetime | None) -> str | None:
    from tradewind.cli.text import utc

    return None if at is None else utc(at)


def _json(key: ApiKey, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "merchant_id": key.merchant_id,
        "scopes": sorted(scope.value for scope in key.scopes),
        "label": key.label,
        "events_per_s": key.events_per_s,
        "created_at": _time(key.created_at),
        "expires_at": _time(key.expires_at),
        "revoked_at": _time(key.revoked_at),
        "state": _state(key, now).split(" ")[0] if key.revoked_at else _state(key, now),
    }


def _entry_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"at": _time(entry.at), "what": entry.what, "key_id": entry.key_id or None}
    if entry.what == "used":
        return found | {"used": entry.used, "refused": entry.refused, "first_at": _time(entry.first_at)}
    return found | {"who": entry.who}
