"""A worker whose engine can be made to fail: `python -m tests.faults.hung_engine worker ...`, else as `tradewind`.

The failing happens where it would: in the engine's thread, in a step of the model. A file tells when.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import torch

from model.engine import LocalEngine
from tests.faults.ground import FOLDER_VARIABLE
from tradewind.cli.main import main

#: With this file in the row's folder the next step never ends.
FLAG = "engine-hangs"
#: With this one every step asks for more memory than any machine has.
OUT_OF_MEMORY = "engine-out-of-memory"


def _fail_when_told(folder: Path) -> None:
    forward = LocalEngine._forward

    def failing(self: LocalEngine, *arguments: Any, **named: Any) -> Any:
        if (folder / FLAG).exists():
            threading.Event().wait()
        if (folder / OUT_OF_MEMORY).exists():
            torch.empty(2**60)
        return forward(self, *arguments, **named)

    LocalEngine._forward = failing  # type: ignore[method-assign]


if __name__ == "__main__":
    _fail_when_told(Path(os.environ[FOLDER_VARIABLE]))
    main()
