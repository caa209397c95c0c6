"""How far text encoders read: which end of a prompt a pipeline will leave out. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from praxino.errors import ModelError
from praxino.families import _tokens

MOST_MARKS = 4
"""More than a tokenizer puts around any text."""


@dataclass(frozen=True)
class Reader:
    """A text encoder that reads so far and no further."""

    name: str
    """As people call it: T5, CLIP."""
    folder: str
    """Of its tokenizer, in the checkpoint."""
    tokens: int
    """How many it reads, with the tokenizer's marks."""
    before: str = ""
    """What the pipeline writes before the prompt, and has read with it."""
    before_negative: bool = True
    """Whether it writes that before the negative prompt too."""
    tasks: tuple[str, ...] = ()
    """The tasks in which it reads alone; empty means all."""


def notes(readers: tuple[Reader, ...], home: Path, task: str, prompt: str, negative: str) -> Iterator[str]:
    """One line for each text that an encoder does not read to its end.

    Args:
        readers: those of the family.
        home: the checkpoint's folder.
        task: what is drawn.
        prompt: what is read.
        negative: the negative prompt, "" for none.
    """
    for reader in readers:
        if reader.tasks and task not in reader.tasks:
            continue
        yield from _note(reader, home, "the prompt", prompt, reader.before)
        yield from _note(reader, home, "the negative prompt", negative, reader.before if reader.before_negative else "")


def _note(reader: Reader, home: Path, name: str, text: str, before: str) -> Iterator[str]:
    if len((before + text).encode()) <= reader.tokens - MOST_MARKS:
        return  # a token is a byte at least
    try:
        unread = _tokens.unread(text, home / reader.folder, reader.tokens, before)
    except ModelError:
        yield (
            f"{reader.name} reads {reader.tokens} tokens of {name}; its tokenizer cannot be read here, "
            "so an end of it may be left out"
        )
        return
    if unread:
        yield _tokens.unread_note(reader.name, reader.tokens, unread, name)
