"""Owns what the second edition's names are called in nine languages, each phrase standing for one name.

Must not know pictures or torch. Gathers the first edition's words, `second_words` and the names and keywords of CLDR;
where two claim a phrase, what is said more plainly keeps it. `vocabulary` is the form that ships beside the model.
"""

import functools
import itertools
import re
from dataclasses import dataclass, field
from typing import Any

from praxino.training import languages, second_words, words
from praxino.training.edition import described_things, second
from praxino.vocabulary import is_filler, phrase_key

_HAN = re.compile("[\u3400-\u9fff]")
_KANA = re.compile("[\u3040-\u30ff]")
_SCRIPTS = {"ja": _KANA, "ru": re.compile("[\u0400-\u04ff]"), "ar": re.compile("[\u0600-\u06ff]")}
_FALSE_FRIENDS = frozenset(
    "see die rot pie ten pain main sale pan car come fin bat chat coin four pet on in to do no as us man men gift hut "
    "tag bad fast not also art rock kind war hat wo fade brief sol nove fan plan sin real once red mango son cake "
    "flower outdoors happy funny cute sad fun cool party animal food drink travel sport love".split()
)
"""Words of other languages that are common English ones, and words said of anything."""


@dataclass
class Claims:
    """Phrases by what they stand for; the first to claim a phrase keeps it."""

    owners: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    phrases: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def claim(self, kind: str, name: str, phrases: tuple[str, ...] | list[str]) -> None:
        """Give `name` those of the phrases that nothing else has."""
        kept = self.phrases.setdefault((kind, name), [])
        for phrase in phrases:
            key = phrase_key(phrase)
            if key and self.owners.setdefault(key, (kind, name)) == (kind, name) and phrase not in kept:
                kept.append(phrase)


@functools.cache
def meanings() -> Claims:
    """Every phrase that plainly stands for a name of the second edition."""
    edition, claims = second(), Claims()
    for kind, names in (("motions", edition.motions), ("grounds", edition.grounds), ("things", tuple(edition.things))):
        for name in names:
            claims.claim(kind, name, [name])
    for kind, table in (
        ("counts", second_words.COUNTS), ("sizes", second_words.SIZES),
        ("motions", second_words.MOTIONS), ("grounds", second_words.GROUNDS), ("things", second_words.THINGS),
        ("things", words.THING_WORDS), ("motions", words.MOTION_WORDS), ("grounds", words.GROUND_WORDS),
        ("things", languages.THINGS), ("motions", languages.MOTIONS), ("grounds", languages.GROUNDS),
    ):  # fmt: skip
        for name, phrases in table.items():
            claims.claim(kind, name, phrases)
    for thing in described_things():
        claims.claim("things", thing["name"], _plain_names(thing))
    return claims


def _plain_names(thing: dict[str, Any]) -> list[str]:
    """A thing's name in every language, and those keywords that are a whole word of it or begin it."""
    plain = []
    for language, (name, *keywords) in thing["words"].items():
        if language != "en" and name.casefold() in _FALSE_FRIENDS:
            continue
        plain.append(name)
        for keyword in keywords:
            is_part = keyword.casefold() in name.casefold().split() and keyword.casefold() not in _FALSE_FRIENDS
            if is_part or (language in ("zh", "ja") and name.startswith(keyword)):
                plain.append(keyword)
    return plain


def _hints(thing: dict[str, Any]) -> list[str]:
    """Keywords that only hint at a thing; single characters and words said of anything are left out."""
    return [
        keyword
        for keywords in thing["words"].values()
        for keyword in keywords[1:]
        if len(keyword) > 1 and keyword.casefold() not in _FALSE_FRIENDS and not is_filler(keyword)
    ]


@functools.cache
def vocabulary() -> dict[str, Any]:
    """What the second edition's vocabulary.json holds."""
    plain, edition = meanings(), second()
    hinted = Claims(dict(plain.owners))
    for thing in described_things():
        hinted.claim("things", thing["name"], _hints(thing))
    kinds = {
        "things": tuple(edition.things), "motions": edition.motions, "grounds": edition.grounds,
        "counts": tuple(second_words.COUNTS), "sizes": tuple(second_words.SIZES),
    }  # fmt: skip
    data: dict[str, Any] = {"version": 2}
    for kind, names in kinds.items():
        data[kind] = [{"name": name, "words": _others(plain, kind, name)} for name in names]
    for entry in data["things"]:
        had = set(plain.phrases["things", entry["name"]])
        entry["hints"] = [word for word in hinted.phrases["things", entry["name"]] if word not in had]
    return {
        **data,
        "joiners": list(second_words.JOINERS),
        "subjects": second_words.SUBJECTS,
        "caption": second_words.CAPTION,
        "image_caption": "{motion}",
        "image_thing_caption": "{subject} {motion}",
    }


def _others(claims: Claims, kind: str, name: str) -> list[str]:
    return [phrase for phrase in claims.phrases[kind, name] if phrase != name]


@functools.cache
def called(kind: str, name: str, language: str) -> tuple[str, ...]:
    """What a name is called in English, Chinese, Japanese, Russian or Arabic; empty where that is not known."""
    own = meanings().phrases[kind, name]
    if kind == "things":
        (told,) = (thing["words"] for thing in described_things() if thing["name"] == name)
        everyday = filter(str.isascii, second_words.THINGS.get(name, ()))
        known = [name, *everyday] if language == "en" else told[language]
    elif language == "en":
        known = [name, *itertools.chain(*(itertools.takewhile(str.isascii, row) for row in _rows(kind, name)))]
    elif language == "zh":
        known = list(itertools.chain(*(_chinese(row) for row in _rows(kind, name))))
    else:
        known = [phrase for phrase in own if _SCRIPTS[language].search(phrase)]
    return tuple(phrase for phrase in dict.fromkeys(known) if phrase in own)


def _rows(kind: str, name: str) -> list[tuple[str, ...]]:
    tables = {
        "motions": (second_words.MOTIONS, words.MOTION_WORDS, languages.MOTIONS),
        "grounds": (second_words.GROUNDS, words.GROUND_WORDS, languages.GROUNDS),
        "counts": (second_words.COUNTS,),
        "sizes": (second_words.SIZES,),
    }[kind]
    return [table[name] for table in tables if name in table]


def _chinese(row: tuple[str, ...]) -> list[str]:
    """The Chinese of a line: what stands together after its English."""
    rest = itertools.dropwhile(lambda phrase: not _HAN.search(phrase), row)
    return list(itertools.takewhile(lambda phrase: _HAN.search(phrase) and not _KANA.search(phrase), rest))
