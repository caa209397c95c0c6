"""Owns the captions: how the words for a thing, a motion and a ground are put together.

Must not know pictures or torch. The canonical caption is what inference uses; the variants teach the text encoder
to bear other wordings. `vocabulary()` is the machine-readable form that ships beside the model.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from praxino.training import languages
from praxino.training.words import GROUND_WORDS, MOTION_WORDS, TAUGHT_MOTIONS, TAUGHT_THINGS, THING_WORDS

CANONICAL = "a {thing} {motion} on a {ground} background"
IMAGE_CAPTION = "{motion}"
IMAGE_THING_CAPTION = "a {thing} {motion}"

TEMPLATES = (
    "{a_thing} {motion} on {a_ground} background",
    "{a_thing} {motion}, {ground} background",
    "on {a_ground} background {a_thing} {motion}",
    "{thing} {motion} on {ground}",
    "{thing}, {motion}, {ground}",
    "{a_thing} {motion}",
    "{a_thing} on {a_ground} background",
    "{thing}",
)


@dataclass(frozen=True)
class CaptionMix:
    """How often a caption is the canonical one; the rest are variants."""

    canonical: float = 0.75


def with_article(phrase: str) -> str:
    """Put a or an before `phrase`."""
    return f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"


def canonical_caption(thing: str, motion: str, ground: str) -> str:
    """The caption inference uses."""
    return f"{with_article(thing)} {motion} on {with_article(ground)} background"


def image_caption(motion: str, thing: str | None = None) -> str:
    """The caption of image-to-video: the ground is in the picture, and the thing may have no name."""
    return motion if thing is None else f"{with_article(thing)} {motion}"


def draw_caption(thing: str, motion: str, ground: str, rng: np.random.Generator, mix: CaptionMix = CaptionMix()) -> str:
    """The canonical caption or, now and then, a variant with other words, another order or a missing part."""
    if rng.random() < mix.canonical:
        return canonical_caption(thing, motion, ground)
    template = TEMPLATES[rng.integers(len(TEMPLATES))]
    thing_word = TAUGHT_THINGS[thing][rng.integers(len(TAUGHT_THINGS[thing]))]
    motion_word = TAUGHT_MOTIONS[motion][rng.integers(len(TAUGHT_MOTIONS[motion]))]
    return template.format(
        thing=thing_word,
        a_thing=with_article(thing_word),
        motion=motion_word,
        ground=ground,
        a_ground=with_article(ground),
    )


def taught_words() -> list[str]:
    """Every word a drawn caption can hold, sorted; the tokenizer keeps each whole."""
    phrases = ["a an on background", *THING_WORDS, *MOTION_WORDS, *GROUND_WORDS]
    for table in (TAUGHT_THINGS, TAUGHT_MOTIONS):
        phrases += [word for words in table.values() for word in words]
    return sorted({word for phrase in phrases for word in phrase.split()} | {","})


def vocabulary() -> dict[str, Any]:
    """What vocabulary.json holds: every word that maps to something the model knows."""

    def entries(english: dict[str, tuple[str, ...]], others: dict[str, tuple[str, ...]]) -> list[dict[str, Any]]:
        return [
            {"name": name, "words": list(dict.fromkeys((*words, *others[name])))} for name, words in english.items()
        ]

    return {
        "version": 1,
        "things": entries(THING_WORDS, languages.THINGS),
        "motions": entries(MOTION_WORDS, languages.MOTIONS),
        "grounds": entries(GROUND_WORDS, languages.GROUNDS),
        "caption": CANONICAL,
        "image_caption": IMAGE_CAPTION,
        "image_thing_caption": IMAGE_THING_CAPTION,
    }
