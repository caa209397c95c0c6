"""Owns the second edition's captions: a wish in words, plainly or in other ones.

Must not know pictures or torch. The canonical caption is what a prompt is read as when clips are drawn; the others
teach the text encoder to bear synonyms, another order, slips of the finger and other scripts.
"""

import re
from dataclasses import dataclass

import numpy as np

from praxino.training import second_words
from praxino.training.lexicon import called
from praxino.training.wishes import Wish

LANGUAGES = tuple(second_words.TEMPLATES)
_COUNT_NAMES = {2: "two", 3: "three"}
_AND = {"en": " and ", "zh": "和", "ja": "と", "ru": " и ", "ar": " و "}
_COUNTER = {"zh": "个", "ja": "の"}


@dataclass(frozen=True)
class CaptionMix:
    """Shares of captions: canonical, in other scripts than Latin; the rest is free English. `typo` is of the latter."""

    canonical: float = 0.65
    other_scripts: float = 0.1
    chinese: float = 0.6
    """Of those in other scripts."""
    typo: float = 0.1


def with_article(phrase: str) -> str:
    """Put a or an before `phrase`, as the vocabulary's reader does."""
    return re.sub(r"^a (?=[aeiou](?!ni))", "an ", f"a {phrase}")


def canonical_caption(wish: Wish) -> str:
    """What the model is asked when the wish is understood."""
    return f"{canonical_subject(wish)} {wish.motion} on {with_article(wish.ground)} background"


def canonical_subject(wish: Wish) -> str:
    """What stands in the picture, as the reader says it."""
    first, *others = wish.things
    if others:
        return " and ".join(with_article(thing) for thing in wish.things)
    if wish.count > 1:
        return f"{_COUNT_NAMES[wish.count]} {first}"
    return with_article(f"{wish.size} {first}" if wish.size else first)


def draw_caption(wish: Wish, rng: np.random.Generator, mix: CaptionMix = CaptionMix()) -> str:
    """The canonical caption or, now and then, another of the same meaning."""
    chance = rng.random()
    if chance < mix.canonical:
        return canonical_caption(wish)
    if chance < mix.canonical + mix.other_scripts:
        is_chinese = rng.random() < mix.chinese
        language = "zh" if is_chinese else LANGUAGES[rng.integers(2, len(LANGUAGES))]
        return free_caption(wish, language, rng) or canonical_caption(wish)
    text = free_caption(wish, "en", rng)
    return misspelt(text, rng) if rng.random() < mix.typo else text


def free_caption(wish: Wish, language: str, rng: np.random.Generator) -> str:
    """The wish in words of one language, in any of its orders; "" where a word is not known in it."""

    def said(kind: str, name: str) -> str:
        phrases = called(kind, name, language)
        return phrases[rng.integers(len(phrases))] if phrases else ""

    names = [said("things", thing) for thing in wish.things]
    motion, ground = said("motions", wish.motion), said("grounds", wish.ground)
    amount = said("counts", _COUNT_NAMES[wish.count]) if wish.count > 1 else ""
    size = said("sizes", wish.size) if wish.size else ""
    needed = [*names, motion, ground, *([amount] if wish.count > 1 else []), *([size] if wish.size else [])]
    if not all(needed):
        return ""
    templates = second_words.TEMPLATES[language]
    bare = _joined(names, amount, size, language)
    subject = _with_articles(names, amount, size) if language == "en" else bare
    text = templates[rng.integers(len(templates))].format(subject=subject, bare=bare, motion=motion, ground=ground)
    return re.sub(r"\ba (?=[aeiou](?!ni))", "an ", text)


def _joined(names: list[str], amount: str, size: str, language: str) -> str:
    if language in ("zh", "ja"):
        return amount + (_COUNTER[language] if amount and len(amount) == 1 else "") + size + _AND[language].join(names)
    parts = [amount, size, _AND[language].join(plural(n) if amount and language == "en" else n for n in names)]
    return " ".join(part for part in parts if part)


def _with_articles(names: list[str], amount: str, size: str) -> str:
    if amount:
        return _joined(names, amount, size, "en")
    return " and ".join(f"a {size} {name}" if size else f"a {name}" for name in names)


def plural(noun: str) -> str:
    """Several of what an English noun names."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "z", "ch", "sh")) else "s")


def misspelt(text: str, rng: np.random.Generator) -> str:
    """The text with one slip in one of its longer words: two letters swapped, one left out, or one twice."""
    places = [match.start() for match in re.finditer(r"(?<=[a-z])[a-z](?=[a-z]{3})", text)]
    if not places:
        return text
    at = places[rng.integers(len(places))]
    slips = (text[at + 1] + text[at], text[at + 1], text[at] * 2 + text[at + 1])
    return text[:at] + slips[rng.integers(3)] + text[at + 2 :]
