"""Ends with 0 when the process in this container is well, else with 1 and the reason.

Docker knows one check only. Until the process has been ready for the first time, that is what it asks, for others wait
for it; from then on whether it is alive, so that nobody starts it anew because something else is away.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

WAS_READY = Path("/tmp/tradewind-was-ready")  # noqa: S108 - the container's own, and gone with it


def main() -> int:
    path = "healthz" if WAS_READY.exists() else "readyz"
    url = f"http://127.0.0.1:{os.environ['TRADEWIND_METRICS_PORT']}/{path}"
    try:
        with urlopen(url, timeout=3):
            pass
    except HTTPError as error:
        sys.stderr.write(f"{url}: {error.read().decode(errors='replace')}")
        return 1
    except OSError as error:
        sys.stderr.write(f"no answer at {url}: {error}\n")
        return 1
    if path == "readyz":
        WAS_READY.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
