"""The measures come from libraries of the extra `train`, imported when they are first needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any


class LibraryMissing(ImportError):
    """A library of the extra `train` is not installed; the message says how to get it."""


def library(module: str) -> Any:
    """The module, such as 'sacrebleu.metrics'.

    Raises:
        LibraryMissing: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise LibraryMissing(f"evaluation needs {name}: pip install 'tradewind[train]' ({error})") from None
