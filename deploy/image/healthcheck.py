"""Ends with 0 when the process in this container says that it is ready, else with 1 and the reason.

Both the worker and the sink have a gauge for it among their Prometheus metrics.
"""

from __future__ import annotations

import os
import re
import sys
from urllib.request import urlopen

READY = re.compile(r"^tradewind_(?:worker|sink)_ready 1(?:\.0)?$", re.MULTILINE)


def main() -> int:
    url = f"http://127.0.0.1:{os.environ['TRADEWIND_METRICS_PORT']}/metrics"
    try:
        with urlopen(url, timeout=3) as answer:
            metrics = answer.read().decode()
    except OSError as error:
        sys.stderr.write(f"no metrics at {url}: {error}\n")
        return 1
    if READY.search(metrics):
        return 0
    sys.stderr.write(f"{url} does not say that it is ready\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
