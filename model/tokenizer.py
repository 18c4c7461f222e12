"""Text to token ids and back, with byte-level BPE by the `tokenizers` library.

A tokenizer comes from a `tokenizer.json` or is rebuilt from a GGUF's own metadata. Text that others wrote is encoded
with control tokens switched off: "<|im_end|>" in a listing is then a few ordinary characters and ends no turn.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE

from model.provenance import CheckpointError

_WHOLE = (3, 4)  # GGUF token types (control, user-defined) that are matched before the text is split into pieces

# The pieces that BPE works within: contractions, words, numbers, punctuation, white space.
_PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


class TextTokenizer:
    """One vocabulary, with two readings of a text: with control tokens and without."""

    def __init__(self, tokenizer: Tokenizer, plain: Tokenizer) -> None:
        """`plain` has the vocabulary of `tokenizer` without its added tokens."""
        self._tokenizer = tokenizer
        self._plain = plain
        self.special: dict[str, int] = {
            token.content: number for number, token in tokenizer.get_added_tokens_decoder().items()
        }

    def encode(self, text: str, allow_special: bool = False) -> list[int]:
        """Token ids of `text`. Only with `allow_special` does a control token's name stand for the token.

        Bytes that the vocabulary lacks (SmolLM2 lacks some of rare scripts) are left out.
        """
        tokenizer = self._tokenizer if allow_special else self._plain
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids` without control tokens; bytes that are no UTF-8 come out as U+FFFD."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))


def from_file(path: Path) -> TextTokenizer:
    """Read a `tokenizer.json`. Raises CheckpointError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tokenizer = Tokenizer.from_str(json.dumps(content))
    except FileNotFoundError as error:
        raise CheckpointError(f"{path}: missing; copy tokenizer.json of the model into this folder") from error
    except Exception as error:  # `tokenizers` raises bare Exception for a file that it does not understand
        raise CheckpointError(f"{path}: no tokenizer that can be read ({error}); get the file again") from error
    names = {token["content"] for token in content.get("added_tokens", ())}
    content["added_tokens"] = []
    content["post_processor"] = None
    vocabulary = content["model"].get("vocab")
    if isinstance(vocabulary, dict):  # with `ignore_merges` a piece that is in the vocabulary needs no merge
        content["model"]["vocab"] = {token: number for token, number in vocabulary.items() if token not in names}
    if content["model"].get("unk_token") in names:
        content["model"]["unk_token"] = None
    return TextTokenizer(tokenizer, Tokenizer.from_str(json.dumps(content)))


def from_gguf(metadata: Mapping[str, Any]) -> TextTokenizer:
    """Rebuild the tokenizer from `tokenizer.ggml.*`. Raises CheckpointError for a kind that is not byte-level BPE."""
    kind, style = (metadata.get("tokenizer.ggml.model"), metadata.get("tokenizer.ggml.pre"))
    if kind != "gpt2":
        raise CheckpointError(
            f"tokenizer.ggml.model is {kind!r}, supported is 'gpt2' (byte-level BPE); use a safetensors folder"
        )
    try:
        tokens, merges = (metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.merges"])
        types = metadata["tokenizer.ggml.token_type"]
    except KeyError as error:
        raise CheckpointError(f"metadata lacks {error}; convert the model again") from error
    whole = [(number, token) for number, token in enumerate(tokens) if types[number] in _WHOLE]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ", 1)) for merge in merges]
    tokenizer = _byte_level_bpe(vocabulary, pairs, style)
    for _, token in whole:
        tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True)])
    ordinary = {token: number for token, number in vocabulary.items() if types[number] not in _WHOLE}
    return TextTokenizer(tokenizer, _byte_level_bpe(ordinary, pairs, style))


def _byte_level_bpe(vocabulary: dict[str, int], merges: list[Any], style: object) -> Tokenizer:
    tokenizer = Tokenizer(BPE(vocab=vocabulary, merges=merges, ignore_merges=style == "llama-bpe"))
    tokenizer.decoder = decoders.ByteLevel()
    if style in ("gpt-2", "smollm"):
        split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        digits = [pre_tokenizers.Digits(individual_digits=True)] if style == "smollm" else []
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, split])
    elif style in ("llama-bpe", "qwen2"):
        pieces = Regex(_PIECES % ("{1,3}" if style == "llama-bpe" else ""))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(pieces, "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        tokenizer.normalizer = normalizers.NFC() if style == "qwen2" else None
    else:
        raise CheckpointError(
            f"tokenizer.ggml.pre is {style!r}, supported are smollm, gpt-2, llama-bpe, qwen2; use a safetensors folder"
        )
    return tokenizer
