"""The mix of captions, and the words that the tokenizer keeps whole."""

import itertools
import json
from collections import Counter

import emoji
import numpy as np
import pytest

from praxino.training import languages
from praxino.training.caption_source import CaptionSource
from praxino.training.captions import (
    CANONICAL,
    IMAGE_THING_CAPTION,
    CaptionMix,
    canonical_caption,
    draw_caption,
    image_caption,
    taught_words,
    vocabulary,
    with_article,
)
from praxino.training.motions import GROUNDS, MOTIONS
from praxino.training.sprites import THINGS
from praxino.training.text import MAX_TOKENS, build_tokenizer, tokenize
from praxino.training.words import GROUND_WORDS, MOTION_WORDS, TAUGHT_MOTIONS, TAUGHT_THINGS, THING_WORDS
from praxino.vocabulary import Vocabulary


def drawn(count, **mix):
    rng = np.random.default_rng(0)
    return [draw_caption("red apple", "flying up", "blue", rng, CaptionMix(**mix)) for _ in range(count)]


def test_three_captions_in_four_are_canonical():
    shares = Counter(drawn(4000))
    canonical = shares["a red apple flying up on a blue background"] / 4000
    assert abs(canonical - (0.75 + 0.25 / 48)) < 0.02  # one variant in 48 comes out as the canonical one
    assert len(shares) > 25


def test_variants_leave_parts_out_and_use_other_words():
    variants = set(drawn(2000, canonical=0.0))
    assert {"red apple", "an apple going up, blue background", "apple, flies up, blue"} <= variants
    assert any("blue" not in v for v in variants)
    assert any("up" not in v for v in variants)


def test_an_or_a():
    assert with_article("automobile") == "an automobile"
    assert canonical_caption("automobile", "spinning", "red") == "an automobile spinning on a red background"
    assert image_caption("spinning") == "spinning"
    assert image_caption("spinning", "ghost") == "a ghost spinning"


def test_every_drawn_caption_is_made_of_taught_words():
    words, rng = set(taught_words()), np.random.default_rng(1)
    for thing, motion, ground in itertools.product(THINGS, MOTIONS, GROUNDS):
        caption = draw_caption(thing, motion, ground, rng, CaptionMix(canonical=0.3))
        assert set(caption.replace(",", " ,").split()) <= words, caption


def test_each_word_of_a_canonical_caption_is_one_token():
    tokenizer = build_tokenizer(taught_words())
    for thing, motion, ground in itertools.product(THINGS, MOTIONS, GROUNDS):
        caption = canonical_caption(thing, motion, ground)
        tokens = tokenize(tokenizer, [caption])
        assert int(tokens.mask.sum()) == len(caption.split()) + 1
        assert tokens.ids.shape == (1, MAX_TOKENS)


def test_unknown_words_fall_into_letters_and_none_is_lost():
    tokenizer = build_tokenizer(taught_words())
    ids = tokenize(tokenizer, ["a zebra"]).ids[0]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "a zebra"
    assert tokenizer.unk_token_id not in ids.tolist()


@pytest.mark.parametrize(("table", "names"), [(THING_WORDS, THINGS), (MOTION_WORDS, MOTIONS), (GROUND_WORDS, GROUNDS)])
def test_each_name_leads_its_own_words_and_no_word_has_two_meanings(table, names):
    assert list(table) == list(names)
    assert all(words[0] == name for name, words in table.items())
    every = [word for words in table.values() for word in words]
    assert len(every) == len(set(every))
    assert all(word == word.strip() and word for word in every)


def test_what_the_encoder_is_taught_is_also_in_the_vocabulary():
    for taught, table in ((TAUGHT_THINGS, THING_WORDS), (TAUGHT_MOTIONS, MOTION_WORDS)):
        assert list(taught) == list(table)
        assert all(set(words) <= set(table[name]) for name, words in taught.items())


def test_the_vocabulary_is_plain_json_and_its_templates_make_the_captions():
    plain = json.loads(json.dumps(vocabulary()))
    assert plain == vocabulary()
    assert plain["caption"] == CANONICAL
    parts = {"thing": "frog", "motion": "bouncing", "ground": "red"}
    assert CANONICAL.format(**parts) == canonical_caption(**parts)
    assert IMAGE_THING_CAPTION.format(**parts) == image_caption("bouncing", "frog")


def test_captions_of_pictures_name_the_motion_and_often_the_thing():
    source, rng = CaptionSource(), np.random.default_rng(0)
    frog, bouncing, red = list(THINGS).index("frog"), list(MOTIONS).index("bouncing"), list(GROUNDS).index("red")
    captions = Counter(source.words(frog, bouncing, red, True, rng) for _ in range(4000))
    assert abs(captions["a frog bouncing"] / 4000 - 0.6) < 0.03
    assert abs(captions["bouncing"] / 4000 - 0.2) < 0.03
    assert {source.words(-1, bouncing, -1, has_image, rng) for has_image in (True, False)} == {"bouncing"}


def test_labels_become_tokens_of_their_captions():
    source = CaptionSource()
    labels = np.array([[-1, 2, -1], [-1, 5, -1]], np.int16)
    tokens = source(labels, True, np.random.default_rng(0))
    expected = tokenize(build_tokenizer(taught_words()), [list(MOTIONS)[2], list(MOTIONS)[5]])
    assert tokens.ids.tolist() == expected.ids.tolist()
    assert source.null.mask.sum() == 1


@pytest.mark.parametrize(
    ("prompt", "caption"),
    [
        ("rocket launch, blue", "a rocket flying up on a blue background"),
        ("make a kitty go round and round on green", "a cat face spinning on a green background"),
        ("一枚火箭在夜空中向上飞", "a rocket flying up on a black background"),
        ("红苹果在蓝色背景上弹跳", "a red apple bouncing on a blue background"),
        ("赤いハートが青い背景でドキドキ", "a red heart pulsing on a blue background"),
        ("un cohete volando hacia arriba sobre fondo azul", "a rocket flying up on a blue background"),
        ("une pomme rouge qui tombe sur fond bleu", "a red apple falling down on a blue background"),
        ("ballon de football qui rebondit sur fond blanc", "a soccer ball bouncing on a white background"),
        ("ein roter Apfel fällt auf blauem Hintergrund", "a red apple falling down on a blue background"),
        ("um gato girando em fundo verde", "a cat face spinning on a green background"),
        ("красное сердце бьётся на синем фоне", "a red heart pulsing on a blue background"),
        ("صاروخ يطير على خلفية زرقاء", "a rocket flying up on a blue background"),
    ],
)
def test_prompts_in_nine_languages_become_the_caption(prompt, caption):
    read = Vocabulary(vocabulary()).understand(prompt)
    assert (read.caption, read.chosen, read.ignored) == (caption, (), ())


@pytest.mark.parametrize("code", ["zh", "es", "fr", "de", "ja", "pt", "ru", "ar"])
def test_every_thing_is_known_by_its_emojis_own_name(code):
    emoji.config.load_language(code)
    read = Vocabulary(vocabulary())
    for thing, character in THINGS.items():
        entry = emoji.EMOJI_DATA.get(character) or emoji.EMOJI_DATA[character + "\ufe0f"]
        name = entry[code].strip(":").replace("_", " ")
        assert read.understand(name).known[:1] == (thing,), name


def test_no_phrase_of_one_kind_stands_for_two_names():
    for table in (languages.THINGS, languages.MOTIONS, languages.GROUNDS):
        words = [(word.casefold(), name) for name, phrases in table.items() for word in phrases]
        shared = {word for word, name in words for other, of in words if word == other and name != of}
        assert not shared


def test_what_is_ignored_of_chinese_is_told_in_runs():
    assert Vocabulary(vocabulary()).understand("机器人 红色的猫跳舞").ignored == ("机器人",)
