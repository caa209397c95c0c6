"""Owns captions for clips that have none: what a model that sees pictures is shown and told, and where its answer goes.

A caption that is there is never touched. Knows no network: asking is given to it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from praxino.errors import UserError
from praxino.training.tuning.clips import uncaptioned

FRAMES_SHOWN = 4
LONGEST_SIDE_PX = 512
Ask = Callable[[str, list[dict[str, Any]]], str]
"""Instructions, and a message in OpenAI's parts; gives the answer."""
INSTRUCTIONS = (
    "You write the captions that a {kind} generation model is trained on. Say in one plain English sentence or two, in "
    "the present tense, what {seen} shows: first the main subject and how it looks, then {then}. "
    "Never write 'the image', 'the video' or 'the frames', no lists, no headings. Answer with the caption alone."
)


def write_missing(folder: Path, ask: Ask, on_event: Callable[[str], None]) -> list[Path]:
    """Caption every clip of a folder that has no caption, into a file beside it; the files that were written.

    Raises:
        UserError: the folder cannot be captioned so, or the model does not answer: what is written by then stays.
    """
    written = []
    for clip, file in uncaptioned(folder):
        try:
            frames = clip.read()[0]
        except UserError as problem:
            on_event(f"{clip.name}: not captioned: {problem}")
            continue
        caption = ask(*_question(frames))
        partial = file.with_suffix(".part")
        partial.write_text(caption + "\n", encoding="utf-8")
        partial.replace(file)
        on_event(f"{clip.name}: {caption}")
        written.append(file)
    return written


def _question(frames: np.ndarray) -> tuple[str, list[dict[str, Any]]]:
    moves = len(frames) > 1
    places = np.linspace(0, len(frames) - 1, FRAMES_SHOWN if moves else 1).round().astype(int)
    shown = [{"type": "image_url", "image_url": {"url": _url(frames[place])}} for place in places]
    told = INSTRUCTIONS.format(
        kind="video" if moves else "image",
        seen=f"a video, of which {len(places)} frames are given in order," if moves else "a picture",
        then="what it does and how it moves, then the surroundings" if moves else "the surroundings",
    )
    return told, shown


def _url(frame: np.ndarray) -> str:
    from PIL import Image

    picture, buffer = Image.fromarray(frame), io.BytesIO()
    picture.thumbnail((LONGEST_SIDE_PX, LONGEST_SIDE_PX))
    picture.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
