"""The engine as a user with rights and row policies of its own, in a process of its own.

Run as `python -m tests.consumers.clickhouse.role_process FOLDER`, with a users file in `FOLDER/users.xml` and on
standard input a JSON array of statements. Prints a JSON array of what each gave: its rows, or the name of the error.
The embedded engine's one user is `default`; a configuration file may say where its rights are.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import chdb


def main() -> None:
    """Run the statements."""
    folder = Path(sys.argv[1])
    config = folder / "config.xml"
    config.write_text(f"<clickhouse><users_config>{folder / 'users.xml'}</users_config></clickhouse>")
    connection: Any = chdb.connect(f"{folder / 'data'}?{urlencode({'config-file': config}, safe='/')}")
    answers: list[Any] = []
    for statement in json.loads(sys.stdin.read()):
        try:
            text = str(connection.query(statement, "JSONCompactEachRow"))
            answers.append([json.loads(line) for line in text.splitlines()])
        except Exception as error:
            named = re.findall(r"\(([A-Z_]+)\)", str(error))
            answers.append(named[-1] if named else str(error))
    connection.close()
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
