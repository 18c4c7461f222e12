"""Apache Kafka's jars, fetched from Maven Central once and kept in a folder of the checkout that git ignores."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

_POM = Path(__file__).with_name("pom.xml")
_CACHE = Path(__file__).parents[2] / ".cache" / "kafka"
_JAVA = 17
_FETCH_S = 300.0


class KafkaMissing(Exception):
    """Apache Kafka can't be run here; the message says in one line why."""


def pinned_version() -> str:
    """The version that the tests run on, unless they say another."""
    found = re.search(r"<kafka\.version>(.+)</kafka\.version>", _POM.read_text(encoding="utf-8"))
    assert found is not None
    return found[1]


def kafka_jars(version: str, pom: Path = _POM) -> Path:
    """The folder with the jars of that version of Kafka and all that they need.

    Args:
        pom: names the jars.

    Raises:
        KafkaMissing: Java or Maven is missing or too old, or Maven's registry gives no answer.
    """
    _require_java()
    folder = _CACHE / version
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        raise KafkaMissing("Apache Kafka's jars come by Maven, and there is no mvn on the PATH")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as fetched:
        _fetch(version, Path(fetched), pom)
        try:
            os.rename(fetched, folder)
        except OSError:  # another process was quicker
            return folder
        Path(fetched).mkdir()  # for the context manager to remove
    return folder


def _fetch(version: str, into: Path, pom: Path) -> None:
    goal = ("dependency:copy-dependencies", f"-DoutputDirectory={into}", f"-Dkafka.version={version}")
    try:
        done = subprocess.run(
            ("mvn", "-q", "-B", "-f", str(pom), *goal), capture_output=True, text=True, timeout=_FETCH_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise KafkaMissing(f"Maven did not bring Kafka {version} within {_FETCH_S:g} s") from None
    if done.returncode != 0:
        told = (done.stdout + done.stderr).splitlines()
        lines = [line.partition("[ERROR]")[2].strip() for line in told if "[ERROR]" in line]
        raise KafkaMissing(f"Maven did not bring Kafka {version}: {lines[0] if lines else 'it did not say why'}")


def _require_java() -> None:
    if shutil.which("java") is None:
        raise KafkaMissing("Apache Kafka needs Java, and there is no java on the PATH")
    told = subprocess.run(("java", "-version"), capture_output=True, text=True, timeout=30, check=False).stderr
    found = re.search(r'version "(\d+)', told)
    if found is None or int(found[1]) < _JAVA:
        raise KafkaMissing(f"Apache Kafka needs Java {_JAVA}, this is {told.splitlines()[0] if told else 'unknown'}")
