"""schemathesis at the gateway: requests made from its OpenAPI document, answers held against it.

The stream is left out, for its answer has no end; `shots.py` asks it wrongly, and its own tests rightly.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hostile.gateway.trial import Target

#: A list of events of which some are none is answered with 207 and a status for each: the wrong ones are refused.
_CONFIGURATION = """\
[checks.negative_data_rejection]
expected-statuses = ["207", "400", "401", "403", "404", "405", "406", "408", "409", "413", "415", "422", "428", "429"]
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What schemathesis says.

    Attributes:
        passed: whether it has nothing to object to.
        requests: how many it made.
        said: its report.
    """

    passed: bool
    requests: int
    said: str


#: All that it has; the last goes from one operation to the next.
PHASES = ("examples", "coverage", "fuzzing", "stateful")


def examine(at: Target, folder: Path, examples: int, phases: Sequence[str] = PHASES) -> Found:
    """Run all its checks, with so many examples for each operation and phase."""
    url = at.settings.gateway_url
    (folder / "schemathesis.toml").write_text(_CONFIGURATION, encoding="utf-8")
    done = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json"),
            *("--header", f"Authorization: Bearer {at.secrets.good}"),
            *("--phases", ",".join(phases)),
            *("--exclude-path", "/v1/stream", "--checks", "all", "--max-examples", str(examples)),
            *("--seed", "7", "--request-timeout", "20", "--continue-on-failure", "--no-color"),
        ],
        cwd=folder,  # it keeps its examples in a folder there
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    count = re.search(r"(\d[\d,]*) (?:generated|test cases)", said)
    return Found(done.returncode == 0, int(count[1].replace(",", "")) if count else 0, said)
