"""Finds out whose settings a file holds, and has them read. Knows no format itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from praxino.errors import UserError
from praxino.foreign import a1111, comfy
from praxino.foreign.settings import Settings
from praxino.foreign.texts import MAX_TEXT_BYTES, texts_of
from praxino.media.files import head_of
from praxino.media.looks import described


def read(path: Path) -> Settings:
    """The settings inside a picture or clip, or in a text file: a workflow's JSON, or AUTOMATIC1111's parameters.

    Raises:
        UserError: the file is missing or damaged, holds no settings, or settings that make no sense.
    """
    looks = described(head_of(path))
    texts = {"text": _text_of(path)} if looks == "text" else texts_of(path)
    for name in ("text", "comment"):
        if text := texts.pop(name, ""):
            texts.setdefault(_kind(text), text)
    if text := texts.get("parameters"):
        return a1111.read_parameters(text)
    for name in ("prompt", "workflow"):
        if text := texts.get(name):
            return comfy.read_workflow(_json(text, path))
    raise UserError(
        f"{path} holds no settings of AUTOMATIC1111 or ComfyUI; it looks like {looks}.\n"
        "(Messengers and picture editors strip them: use the original file. For Praxino's own: praxino show FILE)"
    )


def _kind(text: str) -> str:
    """Which settings a text without a name is; "other" when none."""
    if text.lstrip("\ufeff \t\r\n").startswith("{"):
        return "prompt"
    return "parameters" if a1111.looks_like(text) else "other"


def _text_of(path: Path) -> str:
    if (size := path.stat().st_size) > MAX_TEXT_BYTES:
        raise UserError(f"{path} has {size:,} bytes; settings of at most {MAX_TEXT_BYTES:,} are read.")
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UserError(f"{path} is not UTF-8 text ({problem.reason}); save it as UTF-8.") from problem


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text.lstrip("\ufeff"), parse_constant=lambda name: None)
    except (ValueError, RecursionError) as problem:
        said = "it is nested too deeply" if isinstance(problem, RecursionError) else problem
        raise UserError(f"the workflow in {path} is not JSON that can be read: {said}.") from problem
