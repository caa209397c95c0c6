"""Reads a prompt with the words that a small model knows. Knows no model: the words are data beside its weights."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from praxino.errors import ModelError

KINDS = ("things", "motions", "grounds")
EXTRAS = ("counts", "sizes")
"""What a vocabulary of version 2 may know besides; nothing is chosen where a prompt leaves it open."""
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W_\u3040-\u30ff\u3400-\u9fff]+(?:['’-][^\W_]+)*")
"""A word; Chinese and Japanese are written without spaces, so there each character is one."""
_CHARACTER = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_STOP_WORDS = frozenset(
    "a an the on in of with and or is are be being it its at to from by for over against onto into "
    "background backdrop ground colour color coloured colored picture image gif clip video animation animated "
    "that which their there these those this very please draw make show me my some one emoji sticker "
    "un una el los las en de del con y que sobre fondo "
    "une le la les des du au dans qui et sur fond "
    "ein eine einen einem einer der die das den dem auf vor mit und sich hintergrund "
    "um uma o em no na com e fundo para "
    "и в с на фон фоне "
    "في على من ذو خلفية خلفيه "
    "一 二 两 只 个 枚 颗 条 辆 朵 块 的 地 得 在 上 下 中 里 着 了 正 有 和 请 画 背 景 色 "
    "が の で に を と は へ も い る す た 匹 台".split()
)
_GROUND_WORDS = frozenset("background backdrop ground hintergrund 背".split())
_GROUND_MARKS = frozenset("on in over against fondo fond fundo sobre sur auf vor фоне خلفية".split())
"""What stands before the name of a ground, and after it (above), in the languages that vocabularies come in."""
_LEAST_LETTERS, _LEAST_EXCHANGED = 5, 6
"""Shorter words are not taken for slips of others, or not for such with one letter exchanged: house is no horse."""

WORDS_FILE = "praxino.json"


@dataclass(frozen=True)
class Understanding:
    """What a prompt came to mean."""

    caption: str
    """What the text encoder reads."""
    known: tuple[str, ...]
    """Names found in the prompt: things, motion, ground, count, size."""
    chosen: tuple[str, ...]
    """Names picked for what the prompt left open."""
    ignored: tuple[str, ...]
    """Words that mean nothing here, as written."""


@dataclass(frozen=True)
class _Match:
    kind: str
    name: str
    start: int
    end: int
    is_hint: bool = False
    """Whether the phrase only hints at the name, which any phrase that means it outweighs."""


@dataclass(frozen=True)
class Vocabulary:
    """The words of one model: names of things, motions and grounds, and the phrases that stand for each.

    Version 2 of the data adds counts, sizes, `hints` beside each entry's words, and two things in one picture.
    """

    data: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> Vocabulary:
        """Read a vocabulary file.

        Raises:
            ModelError: the file is missing or not a vocabulary of a version known here.
        """
        try:
            return _read(path, path.stat().st_mtime_ns)
        except (OSError, ValueError) as problem:
            raise ModelError(f"the vocabulary {path} cannot be read: {problem}") from problem

    def taught(self, words: Iterable[str]) -> Vocabulary:
        """The same with further things, which a LoRA has taught the model; a name means itself alone."""
        things = [{"name": word, "words": []} for word in words]
        return Vocabulary({**self.data, "things": [*things, *self.data["things"]]}) if things else self

    def names(self, kind: str) -> list[str]:
        """All names of a kind: "things", "motions" or "grounds"."""
        return [entry["name"] for entry in self.data[kind]]

    def understand(self, prompt: str, *, has_picture: bool = False) -> Understanding:
        """Find the vocabulary's words in a prompt, in any order, and write the caption the model was trained on.

        What the prompt leaves open is chosen by the prompt's own hash, so one prompt always means one caption. With a
        picture, the thing and the ground come from the picture, and only a motion is chosen.
        """
        words = [self._spelt(word) for word in _words(prompt)]
        every = list(self._matches([_stem(word) for word in words]))
        matches = _one_of_each(every, words)
        if partner := self._partner(every, matches, words):
            matches = [*(match for match in matches if match.kind not in EXTRAS), partner]
        found = {match.kind: match.name for match in matches if match is not partner}
        covered = {i for match in matches for i in range(match.start, match.end)}
        ignored = _runs([(i, w) for i, w in enumerate(words) if i not in covered and _plain(w) not in _STOP_WORDS])
        wanted = ("motions",) if has_picture else KINDS
        chosen = {kind: self._pick(kind, prompt) for kind in wanted if kind not in found}
        other = {"other": partner.name} if partner else {}
        caption = self._caption({**found, **chosen, **other}, has_picture)
        named = {**{kind: found[kind] for kind in KINDS[:1] if kind in found}, **other, **found}
        return Understanding(
            caption,
            tuple(named[kind] for kind in (KINDS[0], "other", *KINDS[1:], *EXTRAS) if kind in named),
            tuple(chosen.values()),
            tuple(dict.fromkeys(ignored)),
        )

    def _caption(self, names: Mapping[str, str], has_picture: bool) -> str:
        template = self.data["caption"]
        if has_picture:
            template = self.data["image_thing_caption" if "things" in names else "image_caption"]
        text = template.format(
            thing=names.get("things", ""),
            subject=self._subject(names),
            motion=names.get("motions", ""),
            ground=names.get("grounds", ""),
        )
        return re.sub(r"\ba (?=[aeiou](?!ni))", "an ", text)

    def _subject(self, names: Mapping[str, str]) -> str:
        """What stands in the picture; only templates of version 2 ask for it."""
        form = "pair" if "other" in names else next((kind for kind in EXTRAS if kind in names), "one")
        return (
            self.data.get("subjects", {})
            .get(form, "")
            .format(
                thing=names.get("things", ""),
                other=names.get("other", ""),
                count=names.get("counts", ""),
                size=names.get("sizes", ""),
            )
        )

    def _partner(self, every: list[_Match], picked: list[_Match], words: list[str]) -> _Match | None:
        """A second thing that a word like "and" joins to the first."""
        joiners, things = self.data.get("joiners"), [match for match in every if match.kind == "things"]
        first = next((match for match in picked if match.kind == "things"), None)
        if not joiners or first is None or first.is_hint:
            return None
        following = next((match for match in things if match.start >= first.end), None)
        if following is None or following.is_hint or following.name == first.name:
            return None
        between = words[first.end : following.start]
        return following if len(between) <= 5 and set(between) & set(joiners) else None

    def _pick(self, kind: str, prompt: str) -> str:
        digest = hashlib.sha256(f"{kind} {prompt}".encode()).digest()
        names = self.names(kind)
        return names[int.from_bytes(digest[:8]) % len(names)]

    def _spelt(self, word: str) -> str:
        """The one word known here that an unknown one is a slip away from, or the word itself.

        Real words lie beside each other: slips in the first letter do not count, nor exchanged letters in short words.
        """
        bare = _plain(word)
        if len(bare) < _LEAST_LETTERS or bare in _STOP_WORDS or _stem(word) in self._known:
            return word
        near = {self._spellings[slip] for slip in _slips(bare, self._letters) if slip in self._spellings}
        near = near & self._in_names or near
        return near.pop() if len({_stem(other) for other in near}) == 1 else word

    @cached_property
    def _known(self) -> frozenset[str]:
        """Stems of all words of all phrases."""
        return frozenset(stem for phrase in self._phrases for stem in phrase)

    @cached_property
    def _spellings(self) -> dict[str, str]:
        """Known words that are long enough to be guessed, by themselves and by their stems; hints are too many."""
        words = dict.fromkeys(_plain(w) for entry in self._entries for phrase in entry["words"] for w in _words(phrase))
        spellings: dict[str, str] = {}
        for word in (*sorted(self._in_names), *words, *sorted(_GROUND_WORDS)):
            for form in _long_forms(word):
                spellings.setdefault(form, word)
        return spellings

    @cached_property
    def _in_names(self) -> frozenset[str]:
        """Words of the names themselves: likelier to be meant than any other word."""
        return frozenset(_plain(word) for entry in self._entries for word in _words(entry["name"]))

    @cached_property
    def _entries(self) -> list[Mapping[str, Any]]:
        return [entry for kind in (*KINDS, *EXTRAS) for entry in self.data.get(kind, ())]

    @cached_property
    def _letters(self) -> frozenset[str]:
        return frozenset("".join(self._spellings))

    @cached_property
    def _phrases(self) -> dict[tuple[str, ...], tuple[str, str, bool]]:
        phrases: dict[tuple[str, ...], tuple[str, str, bool]] = {}
        for field in ("words", "hints"):
            for kind in (*KINDS, *EXTRAS):
                for entry in self.data.get(kind, ()):
                    named = (entry["name"],) if field == "words" else ()
                    for phrase in (*named, *entry.get(field, ())):
                        phrases.setdefault(phrase_key(phrase), (kind, entry["name"], field == "hints"))
        phrases.pop((), None)
        return phrases

    def _matches(self, stems: list[str]) -> Iterator[_Match]:
        longest = max(map(len, self._phrases))
        start = 0
        while start < len(stems):
            for length in range(min(longest, len(stems) - start), 0, -1):
                if meaning := self._phrases.get(tuple(stems[start : start + length])):
                    kind, name, is_hint = meaning
                    yield _Match(kind, name, start, start + length, is_hint)
                    start += length
                    break
            else:
                start += 1


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int) -> Vocabulary:
    """A vocabulary's file as it was at a moment: a server reads it for every request."""
    data = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(data, dict) or data.get("version") not in (1, 2):
        raise ModelError(f"{path} is not a vocabulary of version 1 or 2; install the model again.")
    return Vocabulary(data)


def _one_of_each(matches: list[_Match], words: list[str]) -> list[_Match]:
    """The first match of each kind; of several grounds, the one that is named as the background."""
    picked = []
    for kind in (*KINDS, *EXTRAS):
        candidates = sorted((match for match in matches if match.kind == kind), key=lambda match: match.is_hint)
        if kind == "grounds":
            candidates.sort(key=lambda match: (not _is_named_ground(match, words), match.is_hint))
        picked += candidates[:1]
    return picked


def _is_named_ground(match: _Match, words: list[str]) -> bool:
    before, after = words[max(0, match.start - 3) : match.start], words[match.end : match.end + 2]
    return bool(_GROUND_MARKS & set(before) or _GROUND_WORDS & set(after))


def phrase_key(phrase: str) -> tuple[str, ...]:
    """What a phrase is looked up by: two with one key mean the same."""
    return tuple(_stem(word) for word in _words(phrase))


def is_filler(word: str) -> bool:
    """Whether a word says nothing about what is to be drawn."""
    return _plain(word.casefold()) in _STOP_WORDS


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFC", text.casefold()))


def _runs(placed: list[tuple[int, str]]) -> list[str]:
    """Words by place, with neighbouring Chinese and Japanese characters as one."""
    runs: list[str] = []
    last = None
    for place, word in placed:
        joins = last == place - 1 and _CHARACTER.fullmatch(word) and _CHARACTER.fullmatch(runs[-1][-1])
        if joins:
            runs[-1] += word
        else:
            runs.append(word)
        last = place
    return runs


def _plain(word: str) -> str:
    """Without accents, and without the Arabic article."""
    bare = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", word)))
    return bare.removeprefix("ال") if len(bare) > 4 else bare


def _stem(word: str) -> str:
    """Fold accents and the common endings of English words, so that "flies", "fly" and "flying" are one."""
    word = _plain(word)
    for ending, replacement in (("ies", "y"), ("ying", "y"), ("ing", ""), ("es", ""), ("ed", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 - (ending == "ying"):
            word = word[: -len(ending)] + replacement
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word


def _long_forms(word: str) -> list[str]:
    """A word and its stem, as far as they are long enough to tell words apart."""
    return [form for form in dict.fromkeys((word, _stem(word))) if len(form) >= _LEAST_LETTERS]


def _slips(word: str, letters: Iterable[str]) -> Iterator[str]:
    """What is one slip away: two letters swapped, one left out, added or exchanged (Damerau 1964)."""
    for form in _long_forms(word):
        for at in range(1, len(form) + 1):
            head, tail = form[:at], form[at:]
            yield head + tail[1:]
            if len(tail) > 1:
                yield head + tail[1] + tail[0] + tail[2:]
            for letter in letters:
                yield head + letter + tail
                if len(form) >= _LEAST_EXCHANGED:
                    yield head + letter + tail[1:]


def words_beside(path: Path) -> list[str]:
    """The words that the LoRA of a file adds to its model's vocabulary, out of the `WORDS_FILE` in its folder."""
    try:
        data = json.loads(path.with_name(WORDS_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    words = data.get("words") if isinstance(data, dict) else None
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
