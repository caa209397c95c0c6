"""Words to token ids, and what of a prompt is beyond an encoder's reach. Needs `tokenizers`, but no torch."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from praxino.errors import ModelError
from praxino.families import _tokens
from praxino.families._hunyuan.settings import Settings
from praxino.families._hunyuan.template import (
    ASSISTANT_TOKENS,
    END_OF_HEADER,
    PICTURE,
    VIDEO,
    VIDEO_FROM_PICTURE,
    Template,
)
from praxino.families._stock.checkpoint import read_json


class Tokenizer:
    """Llama 3's tokenizer, read without transformers' classes: they cost start-up time."""

    def __init__(self, folder: Path) -> None:
        from tokenizers import Tokenizer as Fast

        try:
            self._fast = Fast.from_file(str(folder / "tokenizer.json"))
        except Exception as problem:  # tokenizers raises nothing narrower
            raise ModelError(f"{folder} holds no readable tokenizer: {problem}") from problem
        self.pad = _token(read_json(folder / "tokenizer_config.json").get("pad_token"))
        self._pad_id, self.end_of_header_id = (self._id(token, folder) for token in (self.pad, END_OF_HEADER))

    def _id(self, token: str, folder: Path) -> int:
        found = self._fast.token_to_id(token)
        if found is None:
            raise ModelError(f"the tokenizer in {folder} has no token {token!r}, so it is not Llama 3's.")
        return found

    def ids(self, text: str, length: int) -> tuple[list[int], list[int]]:
        """Exactly `length` ids, cut or padded at the end, and 1 for each that is no padding."""
        self._fast.enable_truncation(length)
        self._fast.enable_padding(length=length, pad_id=self._pad_id, pad_token=self.pad)
        encoding = self._fast.encode(text)
        return encoding.ids, encoding.attention_mask

    def unread(self, prompt: str, template: Template, max_tokens: int) -> str:
        """The end of a prompt that has no room in its template, "" when it is read whole."""
        self._fast.no_truncation()
        self._fast.no_padding()
        encoding = self._fast.encode(template.around(prompt))
        start = template.text.index("{}")
        limit = template.crop_start + max_tokens
        end = start + len(prompt)
        places = [first for first, last in encoding.offsets[limit:] if start <= first < end and last > first]
        return prompt[places[0] - start :].strip() if places else ""


@lru_cache(maxsize=4)
def tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer in a `tokenizer` folder: `tokenizer.json`, and its padding from `tokenizer_config.json`.

    Raises:
        ModelError: it is missing or damaged.
    """
    return Tokenizer(folder)


def template_of(settings: Settings, num_frames: int) -> Template:
    """The template of a run: that of a picture's when a clip has one frame."""
    if settings.kind != "text":
        return VIDEO_FROM_PICTURE
    return VIDEO if num_frames > 1 else PICTURE


def unread_notes(prompt: str, home: Path, settings: Settings, num_frames: int) -> Iterator[str]:
    """A line when the language model does not read a prompt to its end; none when its tokenizer is not here."""
    folder = home / "tokenizer"
    if not (folder / "tokenizer.json").is_file():
        return
    template = template_of(settings, num_frames)
    limit = settings.max_text_tokens - (ASSISTANT_TOKENS if template is VIDEO_FROM_PICTURE else 0)
    if unread := tokenizer(folder).unread(prompt.strip(), template, limit):
        yield _tokens.unread_note("the language model", limit, unread)


def _token(told: object) -> str:
    """A token of tokenizer_config.json: a text, or an object that has it as its content."""
    return str(told.get("content", "")) if isinstance(told, dict) else str(told or "")
