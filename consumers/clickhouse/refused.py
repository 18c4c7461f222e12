"""Why ClickHouse does not let us in, or is not to be trusted, in one line that names the setting to change."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

from clickhouse_connect.driver.exceptions import ClickHouseError

from consumers.clickhouse.client import refuses_login

#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_HOST = frozenset({62, 64})


def refusal(error: ClickHouseError) -> str | None:
    """What is wrong and what to check, parted by "; "; None where it is not about who we are or whom we trust."""
    if refuses_login(error):
        return (
            f"ClickHouse refuses the user, or the password or certificate (code {getattr(error, 'code', None)}); check "
            "TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD, or TRADEWIND_CLICKHOUSE_CERTIFICATE"
        )
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            if cause.verify_code in _OTHER_HOST:
                return "ClickHouse's certificate is for another host; check TRADEWIND_CLICKHOUSE_URL"
            return (
                f"ClickHouse's certificate is not to be trusted ({cause.verify_message}); check TRADEWIND_CLICKHOUSE_CA"
            )
    if any(isinstance(cause, FileNotFoundError) for cause in causes):
        return (
            "a file of certificates for ClickHouse is not there; check TRADEWIND_CLICKHOUSE_CA, "
            "TRADEWIND_CLICKHOUSE_CERTIFICATE and TRADEWIND_CLICKHOUSE_KEY"
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return (
            "ClickHouse ended the TLS handshake; check TRADEWIND_CLICKHOUSE_URL, and where it wants a certificate of "
            "ours TRADEWIND_CLICKHOUSE_CERTIFICATE and TRADEWIND_CLICKHOUSE_KEY"
        )
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The errors behind an error. urllib3 puts some into `reason`, and some into the arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]
