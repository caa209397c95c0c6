"""The second edition's words: what the grammar says is read back, and so is what people wrote."""

from pathlib import Path

import numpy as np
import pytest

from praxino.training import grammar, lexicon
from praxino.training.edition import second
from praxino.training.wishes import Wish, chance_wish
from praxino.vocabulary import Vocabulary

REFERENCE = Path(__file__).parents[2] / "reference"
READER = Vocabulary(lexicon.vocabulary())


@pytest.fixture(scope="module")
def wishes():
    rng = np.random.default_rng(5)
    return [chance_wish(second(), rng) for _ in range(200)]


def test_a_canonical_caption_is_read_as_itself(wishes):
    for wish in wishes:
        caption = grammar.canonical_caption(wish)
        assert READER.understand(caption).caption == caption


@pytest.mark.parametrize("language", grammar.LANGUAGES)
def test_other_words_are_read_as_the_same_wish(wishes, language):
    rng = np.random.default_rng(6)
    said = [(wish, grammar.free_caption(wish, language, rng)) for wish in wishes]
    told = [(grammar.canonical_caption(wish), text) for wish, text in said if text]
    assert len(told) >= 150
    right = [READER.understand(text).caption == caption for caption, text in told]
    assert np.mean(right) >= 0.97


def hand_written(name):
    for line in (REFERENCE / name).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            prompt, things, *rest = (cell.strip() for cell in line.split("|"))
            yield prompt, {*things.split("+"), *rest} - {"-"}


@pytest.mark.parametrize(
    ("name", "count", "floor"), [("pocket_paraphrases.txt", 110, 0.92), ("pocket_chinese.txt", 40, 0.92)]
)
def test_what_people_write_is_understood(name, count, floor):
    rows = list(hand_written(name))
    assert len(rows) == count
    right = [set(READER.understand(prompt).known) == wanted for prompt, wanted in rows]
    assert np.mean(right) >= floor


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("a kitty going round, white", "a cat face spinning on a white background"),
        ("two balloons rising into a sunset", "two balloon flying up on a sunset background"),
        ("a dog and a cat jumping on the grass", "a dog face and a cat face jumping on a grass background"),
        ("a tiny robot wobbling in the desert", "a small robot wobbling on a desert background"),
        ("ein großer Hund springt im Schnee", "a big dog face jumping on a snow background"),
        ("un gato y un perro saltando, fondo azul", "a cat face and a dog face jumping on a blue background"),
        ("la fusée monte, la nuit", "a rocket flying up on a night background"),
        ("um sapo pulando na grama", "a frog jumping on a grass background"),
        ("ロケットが夜空を飛ぶ", "a rocket flying up on a night background"),
        ("кот прыгает на снегу", "a cat face jumping on a snow background"),
        ("قطة تقفز على خلفية حمراء", "a cat face jumping on a red background"),
        ("a unicorn fading away at night", "a unicorn fading out on a night background"),
    ],
)
def test_prompts_in_nine_languages(prompt, caption):
    assert READER.understand(prompt).caption == caption


def test_unknown_words_are_told_and_hints_give_way_to_names():
    read = READER.understand("a hilarious dog spinning, cinematic, white background")
    assert (read.known, read.ignored) == (("dog face", "spinning", "white"), ("hilarious", "cinematic"))
    assert READER.understand("hilarious, spinning, white").known[0] == "face with tears of joy"


def test_a_picture_needs_no_thing():
    read = READER.understand("waving", has_picture=True)
    assert (read.caption, read.chosen) == ("swinging", ())
    assert (
        READER.understand("a dog and a cat spinning", has_picture=True).caption == "a dog face and a cat face spinning"
    )


def test_no_phrase_has_two_meanings():
    data = lexicon.vocabulary()
    from praxino.vocabulary import phrase_key

    seen = {}
    for kind in ("things", "motions", "grounds", "counts", "sizes"):
        for entry in data[kind]:
            for phrase in (entry["name"], *entry["words"], *entry.get("hints", ())):
                assert seen.setdefault(phrase_key(phrase), entry["name"]) == entry["name"], phrase


def test_captions_are_mixed(wishes):
    rng = np.random.default_rng(0)
    captions = [grammar.draw_caption(wish, rng) for wish in wishes]
    canonical = np.mean([a == grammar.canonical_caption(b) for a, b in zip(captions, wishes, strict=True)])
    assert 0.5 < canonical < 0.85
    assert any("\u4e00" <= c <= "\u9fff" for text in captions for c in text)


def test_slips_of_the_finger_leave_the_first_letter():
    rng = np.random.default_rng(0)
    for _ in range(50):
        slipped = grammar.misspelt("rocket", rng)
        assert slipped[0] == "r"
        assert abs(len(slipped) - 6) <= 1
    assert grammar.misspelt("a cat", rng) == "a cat"


@pytest.mark.parametrize(
    ("one", "many"), [("cherry", "cherries"), ("fox", "foxes"), ("toy", "toys"), ("grapes", "grapes")]
)
def test_plurals(one, many):
    assert grammar.plural(one) == many


def test_subjects():
    assert grammar.canonical_subject(Wish(("apple",), "spinning", "white", size="small")) == "a small apple"
    assert grammar.canonical_subject(Wish(("owl", "unicorn"), "spinning", "white")) == "an owl and a unicorn"
    assert grammar.canonical_subject(Wish(("owl",), "spinning", "white", count=3)) == "three owl"
