"""A chat prompt to token ids, by the model's own template.

The template is a Jinja program that came with the weights, so it runs in Jinja's immutable sandbox. What users wrote
passes through it as data: a mark is put behind every character with which a control token could begin, and taken out
once the template's own control tokens are found. No user text can therefore end a turn or start another.
"""

from __future__ import annotations

import re

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from model.protocol import ChatPrompt
from model.provenance import CheckpointError
from model.tokenizer import TextTokenizer

_MARK = "\ufdd0"  # a Unicode noncharacter: never part of a text


class ChatTemplate:
    """Renders and encodes prompts for one model."""

    def __init__(self, source: str, tokenizer: TextTokenizer, bos: str = "", eos: str = "") -> None:
        """Raises CheckpointError when the template is not valid Jinja."""
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _refuse
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise CheckpointError(f"chat template: {error}; set the model path to a chat model") from error
        self._tokenizer = tokenizer
        self._bos, self._eos = bos, eos
        names = sorted(tokenizer.special, key=len, reverse=True)
        self._control = re.compile("|".join(map(re.escape, names)) if names else r"(?!)")
        self._risky = re.compile("[" + re.escape("".join({name[0] for name in names})) + "]" if names else r"(?!)")

    def encode(self, prompt: ChatPrompt) -> list[int]:
        """The prompt as token ids, up to and with the header of the assistant's turn. Raises CheckpointError."""
        messages = [{"role": "user", "content": self._defuse(prompt.user)}]
        if prompt.system:
            messages.insert(0, {"role": "system", "content": self._defuse(prompt.system)})
        try:
            rendered = self._template.render(
                messages=messages, add_generation_prompt=True, bos_token=self._bos, eos_token=self._eos
            )
        except TemplateError as error:
            raise CheckpointError(
                f"chat template: {error}; set the model path to a model with a system role"
            ) from error
        ids: list[int] = []
        end = 0
        for control in self._control.finditer(rendered):
            ids += self._tokenizer.encode(rendered[end : control.start()].replace(_MARK, ""))
            ids.append(self._tokenizer.special[control.group()])
            end = control.end()
        return ids + self._tokenizer.encode(rendered[end:].replace(_MARK, ""))

    def _defuse(self, text: str) -> str:
        return self._risky.sub(lambda match: match.group() + _MARK, text.replace(_MARK, ""))


def _refuse(message: str) -> None:
    raise TemplateError(message)
