"""Does the grounding guard see a lie, and let a truth pass? Measured on texts that are known to be true.

From a pair of sources and a true text, each kind of mutation makes one false text (another number, material, ...), and
each kind of rewriting says the same in other words. This is the mutation testing of programs (DeMillo, Lipton and
Sayward 1978) and the contrast sets of language understanding (Gardner et al. 2020), for a guard.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from model.evaluation.mutations import MUTATIONS
from model.evaluation.rewritings import REWRITINGS
from model.evaluation.wordings import Pair
from model.guards import grounding


@dataclass(frozen=True, slots=True)
class Rate:
    """`hits` of `total`."""

    hits: int
    total: int

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing is 0."""
        return self.hits / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class Report:
    """How the guard judged.

    Attributes:
        refused: true texts that it refused, as they were written.
        detected: for each kind of mutation, the false texts that it refused. Only texts that pass unchanged are
            mutated, or a refusal would say nothing about the mutation.
        passed: for each kind of rewriting, the texts that pass as before.
        missed: examples (kind, text before, text after) that were judged wrongly, at most `keep` a kind.
    """

    refused: Rate
    detected: Mapping[str, Rate]
    passed: Mapping[str, Rate]
    missed: tuple[tuple[str, str, str], ...]


Guard = Callable[[str, Sequence[str], str, str], Sequence[object]]


def evaluate(pairs: Iterable[Pair], seed: int, guard: Guard = grounding.check, keep: int = 5) -> Report:
    """Every kind of change on every pair that it fits, once; the same seed gives the same texts.

    `guard` takes text, sources, language and question, and returns what it found: nothing, when the text may leave.
    """
    refused = total = 0
    tallies: dict[tuple[bool, str], list[int]] = {}
    wrong: dict[str, list[tuple[str, str, str]]] = {}
    for index, pair in enumerate(pairs):
        total += 1
        if guard(pair.text, pair.sources, pair.language, pair.question):
            refused += 1
            continue
        for false, changes in ((True, MUTATIONS), (False, REWRITINGS)):
            for kind, change in changes.items():
                text = change(pair, random.Random(f"{seed}/{index}/{kind}"))
                if text is None or text == pair.text:
                    continue
                right = bool(guard(text, pair.sources, pair.language, pair.question)) is false
                tally = tallies.setdefault((false, kind), [0, 0])
                tally[0] += right
                tally[1] += 1
                if not right:
                    wrong.setdefault(kind, []).append((kind, pair.text, text))
    rates = {key: Rate(*tally) for key, tally in tallies.items()}
    return Report(
        Rate(refused, total),
        {kind: rates[True, kind] for kind in MUTATIONS if (True, kind) in rates},
        {kind: rates[False, kind] for kind in REWRITINGS if (False, kind) in rates},
        tuple(example for examples in wrong.values() for example in examples[:keep]),
    )
