"""What both tasks do with a model's text: ask for it, tidy it, hold it against the guards, account for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import pairwise

from model.guards import grounding, moderation, pii
from model.language import sentences, terms
from model.protocol import ChatPrompt, Completion, Engine, EngineInfo, GenerationRequest, Priority, generate
from schemas.events import Check, Method, Provenance, Timings

#: The first try is greedy; a second one must differ, and still be the same when the event comes again.
RETRY_TEMPERATURE, RETRY_TOP_P = 0.7, 0.9

#: How often a short text may say the same content word.
MAX_REPEATS = 2

_WORD = re.compile(r"[a-z0-9][\w'’.\-]*|[\u4e00-\u9fff]{1,2}")
_QUOTES = "\"'“”‘’` "
# What a chat model says before it does as told, and how it begins: 'The product is a brass hose' for 'A brass hose'.
_PREFACE = re.compile(r"^(?:sure|certainly|okay|of course|here)\b[^.!?:]{0,120}:\s*", re.IGNORECASE)
_THE_PRODUCT = re.compile(r"^(?:the|this) product is (a)(?=n? )", re.IGNORECASE)
_LABEL = re.compile(r"^(?:answer|description|product description|output)\s*[:：]\s*", re.IGNORECASE)


async def ask(
    engine: Engine,
    prompt: ChatPrompt,
    *,
    attempt: int,
    seed: int,
    priority: Priority,
    max_new_tokens: int,
    stop: tuple[str, ...],
    deadline_s: float | None,
    openings: tuple[str, ...] = (),
    opening_bias: tuple[float, ...] = (),
) -> Completion:
    """One completion. Attempt 0 is greedy, later ones are sampled from `seed` and the attempt.

    Raises EngineError when the engine can't serve it.
    """
    sampled = attempt > 0
    request = GenerationRequest(
        prompt=prompt,
        max_new_tokens=max_new_tokens,
        priority=priority,
        temperature=RETRY_TEMPERATURE if sampled else 0.0,
        top_p=RETRY_TOP_P if sampled else 1.0,
        seed=(seed + attempt) % 2**31 if sampled else None,
        stop=stop,
        deadline_s=deadline_s,
        openings=openings,
        opening_bias=opening_bias,
    )
    return await generate(engine, request)


def tidy(completion: Completion) -> str:
    """The text on one line, without preface, label and quotes, and without a last sentence that was cut off."""
    text = " ".join(completion.text.split())
    text = _LABEL.sub("", _PREFACE.sub("", text)).strip(_QUOTES)
    text = _THE_PRODUCT.sub(lambda match: match[1].upper(), text)
    if completion.finish_reason == "length" and not re.search(r"[.!?。！？]$", text):
        whole = [span for span in sentences(text) if re.search(r"[.!?。！？][\"'”’)]*$", text[span[0] : span[1]])]
        text = text[: whole[-1][1]] if whole else ""
    return text


def repeats_itself(text: str) -> bool:
    """The loops of small models: a word twice in a row, three words in a row again, a content word three times."""
    words = words_of(text)
    triples = list(zip(words, words[1:], words[2:], strict=False))
    often = Counter(term for term in terms(text) if not term[0].isdigit())
    doubled = any(first == second for first, second in pairwise(words) if first.isalpha())
    return doubled or len(set(triples)) < len(triples) or max(often.values(), default=0) > MAX_REPEATS


def words_of(text: str) -> list[str]:
    """Words in lower case; of Chinese, two characters count as one."""
    return _WORD.findall(text.lower())


def refused(
    text: str,
    field: str,
    sources: Sequence[str],
    language: str,
    *,
    banned: Collection[str],
    question: str = "",
) -> tuple[Check, ...]:
    """What the guards do not pass in a text that is to leave; spans of personal data are not repeated."""
    checks = [
        Check("grounding", field, v.category, v.start, v.end, v.span)
        for v in grounding.check(text, sources, language, question)
    ]
    checks += [
        Check(
            "moderation",
            field,
            f.category,
            f.start,
            f.end,
            "" if f.category == "contact" else text[f.start : f.end],
        )
        for f in moderation.classify(text, banned)
    ]
    checks += [Check("pii", field, span.kind, span.start, span.end, "") for span in pii.find(text, known=sources)]
    return tuple(checks)


def timings(completions: Sequence[Completion], *, waited_ms: float = 0.0, total_ms: float) -> Timings:
    """Where the time of all requests went together."""
    return Timings(
        waited_ms=waited_ms,
        queued_ms=sum(c.queued_ms for c in completions),
        prefill_ms=sum(c.prefill_ms for c in completions),
        decode_ms=sum(c.decode_ms for c in completions),
        total_ms=total_ms,
    )


def provenance(method: Method, info: EngineInfo, completions: Sequence[Completion], version: str) -> Provenance:
    """What wrote a text. The model is named whenever it was asked, also where its text was not used."""
    if not completions:
        return Provenance(method=method)
    place = "local" if info.device.startswith(("cpu", "cuda", "mps")) else info.device
    return Provenance(
        method=method,
        model=f"{info.model}+{info.adapter}" if info.adapter else info.model,
        checkpoint_sha256=info.checkpoint_sha256,
        engine=f"{place}/{info.dtype}",
        prompt_version=version,
        prompt_tokens=sum(c.prompt_tokens for c in completions),
        completion_tokens=sum(c.completion_tokens for c in completions),
    )
