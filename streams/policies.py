"""What merchants promise on returns, shipping, warranty: read once from a file, and looked up by merchant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.evidence import MerchantPolicy

#: Stands for every merchant; a policy of a merchant's own comes before one of the same name here.
EVERY_MERCHANT = "*"

_FORM = '{"merchant id, or * for all": {"returns": "text", "shipping": "text"}}'


class PoliciesError(Exception):
    """The file can't be used; the message names it, the place in it, and what to do."""


class Policies:
    """Policies by merchant.

    Args:
        texts: for each merchant id, or `EVERY_MERCHANT`, the text of each policy by its name.
    """

    def __init__(self, texts: Mapping[str, Mapping[str, str]] | None = None) -> None:
        texts = texts or {}
        everyones = dict(texts.get(EVERY_MERCHANT, {}))
        self._everyones = _policies(everyones)
        self._own = {merchant: _policies({**everyones, **own}) for merchant, own in texts.items()}

    def of(self, merchant_id: str) -> tuple[MerchantPolicy, ...]:
        """What holds for this merchant."""
        return self._own.get(merchant_id, self._everyones)

    @property
    def summary(self) -> str:
        """How many there are, in words."""
        own = len(self._own.keys() - {EVERY_MERCHANT})
        return f"{len(self._everyones)} for all merchants, others for {own} of them"


def load_policies(path: Path | None) -> Policies:
    """The policies of a JSON file, `{merchant id: {policy name: text}}`; none without a file.

    Raises:
        PoliciesError: it can't be read, or has another form.
    """
    if path is None:
        return Policies()
    try:
        found = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise PoliciesError(f"{path}: {error.strerror or error}; check TRADEWIND_POLICIES") from error
    except ValueError as error:
        raise PoliciesError(f"{path} is no JSON: {error}; expected {_FORM} in UTF-8 (TRADEWIND_POLICIES)") from error
    return Policies(_checked(found, path))


def _policies(texts: Mapping[str, str]) -> tuple[MerchantPolicy, ...]:
    return tuple(MerchantPolicy(name, text) for name, text in texts.items())


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(twice)} stands twice in one object; keep one of them")
    return found


def _checked(found: Any, path: Path) -> dict[str, dict[str, str]]:
    if not isinstance(found, dict):
        raise PoliciesError(f"{path}: a {_kind(found)} at the top; expected {_FORM}")
    for merchant, policies in found.items():
        if not merchant.strip():
            raise PoliciesError(f"{path}: a merchant id is empty; name the merchant, or write * for all")
        if not isinstance(policies, dict):
            raise PoliciesError(
                f"{path}: {_place(merchant)} is a {_kind(policies)}; expected an object of name and text"
            )
        for name, text in policies.items():
            if not name.strip():
                raise PoliciesError(f"{path}: {_place(merchant)} has a policy without a name; name it, such as returns")
            if not isinstance(text, str) or not text.strip():
                kind = "empty" if isinstance(text, str) else f"a {_kind(text)}"
                raise PoliciesError(f"{path}: {_place(merchant, name)} is {kind}; write its text, or take it out")
    return found


def _place(*keys: str) -> str:
    return "".join(f"[{json.dumps(key, ensure_ascii=False)}]" for key in keys)


def _kind(value: Any) -> str:
    names = {dict: "object", list: "list", str: "text", bool: "truth value", int: "number", float: "number"}
    return names.get(type(value), "null")
