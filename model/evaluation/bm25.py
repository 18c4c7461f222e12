"""Plain BM25 (Robertson and Zaragoza 2009), the baseline that the ranker is held against."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from model.language import terms

# The better of the usual settings on the public sets (1.2 with 0.75 or 0.3, 0.9 with 0.4).
_K1, _B = 0.9, 0.4


def scores(question: str, texts: Sequence[str]) -> list[float]:
    """BM25 of each text, over the same stems as the ranker's; the texts are the collection."""
    documents = [Counter(terms(text)) for text in texts]
    length = sum(document.total() for document in documents) / max(1, len(documents)) or 1.0
    idf = {}
    for word in dict.fromkeys(terms(question)):
        having = sum(word in document for document in documents)
        idf[word] = math.log(1 + (len(documents) - having + 0.5) / (having + 0.5))
    return [
        sum(
            weight * document[word] * (_K1 + 1) / (document[word] + _K1 * (1 - _B + _B * document.total() / length))
            for word, weight in idf.items()
            if word in document
        )
        for document in documents
    ]
