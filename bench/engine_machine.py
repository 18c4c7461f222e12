"""What a figure depends on besides the code: the processor, its load, the threads, the versions."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

#: Instructions that decide how fast matrix products are; the rest of a processor's long list tells nothing here.
_TELLING = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimddp", "i8mm")


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def load_average() -> float:
    """Processes that ran or wanted to run, averaged over the last minute."""
    return round(os.getloadavg()[0], 2)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> dict[str, str]:
    """Name and telling instructions; the name alone where the system has no such file."""
    if not cpuinfo.exists():
        return {"cpu": platform.processor() or platform.machine(), "instructions": "unknown"}
    lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
    return describe_processor({key.strip(): value.strip() for key, _, value in lines})


def describe_processor(fields: Mapping[str, str]) -> dict[str, str]:
    """The same from the fields of one processor in Linux's /proc/cpuinfo."""
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    return {
        "cpu": fields.get("model name") or platform.machine(),
        "instructions": " ".join(flag for flag in _TELLING if flag in flags),
    }
