"""What sender and receiver share: the address, the key, and the connections that are kept."""

from __future__ import annotations

import asyncio
import ssl
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from streams.edge.errors import WrongAddress
from streams.edge.log import log
from streams.edge.policy import EdgePolicy

_AGENT = "tradewind-edge/1"


def _is_here(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


class State(str, Enum):
    """How it stands with the gateway."""

    IDLE = "idle"
    SENDING = "sending"
    WAITING = "waiting"
    KEY_REFUSED = "key_refused"
    ENDED = "ended"


class Key:
    """The key, which may be changed while everything runs; `refused` until it is."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._good = asyncio.Event()
        self._good.set()

    def __repr__(self) -> str:
        return "Key(...)"

    @property
    def refused(self) -> bool:
        """Whether the gateway does not take it."""
        return not self._good.is_set()

    def refuse(self, text: str) -> None:
        """The gateway does not take the key of that text; of no consequence if it was changed meanwhile."""
        if text == self._text:
            self._good.clear()

    def change(self, text: str) -> None:
        """Use another one."""
        self._text = text
        self._good.set()

    async def wait(self) -> str:
        """The key, once there is one that was not refused."""
        await self._good.wait()
        return self._text

    def now(self) -> str:
        """The key."""
        return self._text


class Link:
    """Connections to one gateway.

    Args:
        url: of the gateway, such as `https://gateway.example.com`.
        tls: whom to trust; the system's authorities where it is left out.

    Raises:
        WrongAddress: it is no address.
    """

    def __init__(self, url: str, key: str, policy: EdgePolicy, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise WrongAddress("the gateway's address: expected one like https://gateway.example.com")
        if parts.username or parts.password or parts.query:
            raise WrongAddress("the gateway's address: expected no account and no ? in it; the key is given apart")
        self.url = url.rstrip("/")
        if parts.scheme == "http" and not _is_here(parts.hostname):
            log.warning("edge_in_the_clear", mend="use https://; whoever is on the way can read the key and the events")
        self.key = Key(key)
        self._tls = tls
        self._connect_s = policy.connect_s
        self._session: aiohttp.ClientSession | None = None

    def session(self) -> aiohttp.ClientSession:
        """The connections; made at the first use, within the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=4, ssl=self._tls if self._tls is not None else True),
                headers={"user-agent": _AGENT},
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=True,
            )
        return self._session

    def timeout(self, **more: Any) -> aiohttp.ClientTimeout:
        """aiohttp's, with our time for a new connection."""
        return aiohttp.ClientTimeout(**{"total": None, "sock_connect": self._connect_s, **more})

    async def close(self) -> None:
        """End the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None
