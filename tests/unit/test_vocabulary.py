import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from praxino.errors import ModelError
from praxino.vocabulary import Vocabulary

VOCABULARY = Vocabulary(
    {
        "version": 1,
        "things": [
            {"name": "rocket", "words": ["spaceship", "rocket launch"]},
            {"name": "red apple", "words": ["apple"]},
            {"name": "cat face", "words": ["cat", "kitty"]},
            {"name": "automobile", "words": ["car"]},
        ],
        "motions": [
            {"name": "flying up", "words": ["fly up", "rising", "launch"]},
            {"name": "bouncing", "words": ["bounce", "hop"]},
            {"name": "spinning", "words": ["spin", "round and round"]},
        ],
        "grounds": [
            {"name": "blue", "words": ["azure"]},
            {"name": "red", "words": []},
            {"name": "white", "words": []},
        ],
        "caption": "a {thing} {motion} on a {ground} background",
        "image_caption": "{motion}",
        "image_thing_caption": "a {thing} {motion}",
    }
)


@pytest.mark.parametrize(
    ("prompt", "caption", "ignored"),
    [
        ("a rocket flying up on a blue background", "a rocket flying up on a blue background", ()),
        ("Kitties bounce, azure", "a cat face bouncing on a blue background", ()),
        ("make a kitty go round and round on white", "a cat face spinning on a white background", ("go",)),
        ("a red apple bouncing on blue", "a red apple bouncing on a blue background", ()),
        ("a cinematic car hopping on a red background", "an automobile bouncing on a red background", ("cinematic",)),
        ("a red cat that bounces on white", "a cat face bouncing on a white background", ("red",)),
    ],
)
def test_prompts_become_captions(prompt, caption, ignored):
    read = VOCABULARY.understand(prompt)
    assert (read.caption, read.ignored) == (caption, ignored)


def test_what_is_left_open_is_chosen_and_told():
    read = VOCABULARY.understand("a rocket, cinematic")
    assert read.known == ("rocket",)
    assert len(read.chosen) == 2
    assert read == VOCABULARY.understand("a rocket, cinematic")


def test_a_prompt_with_nothing_known_still_means_something():
    read = VOCABULARY.understand("quantum chromodynamics")
    assert read.known == ()
    assert len(read.chosen) == 3
    assert read.ignored == ("quantum", "chromodynamics")


def test_with_a_picture_only_the_motion_is_needed():
    assert VOCABULARY.understand("bouncing", has_picture=True).caption == "bouncing"
    assert VOCABULARY.understand("a cat spinning on blue", has_picture=True).caption == "a cat face spinning"
    assert VOCABULARY.understand("", has_picture=True).chosen


@pytest.mark.parametrize(
    "prompt",
    [
        "a rokcet spinning on azure", "a rocet spinning on azure", "a rockket spinning on azure",
        "a rocjet spinning on azure", "a rocket spining on azure", "a rocket sipnning on azure backgroud",
    ],
)  # fmt: skip
def test_a_slip_of_the_finger_is_read_as_the_word_that_was_meant(prompt):
    read = VOCABULARY.understand(prompt)
    assert read.caption == "a rocket spinning on a blue background"
    assert read.ignored == ()


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("pocket", "its first letter differs"),
        ("rkt", "two slips"),
        ("rockjats", "two slips"),
        ("cta", "too short to tell"),
        ("azule", "an exchanged letter in a short word"),
    ],
)
def test_other_words_are_not_taken_for_slips(word, why):
    assert VOCABULARY.understand(word).ignored == (word,), why


def test_a_known_word_is_never_taken_for_a_slip_nor_one_that_may_be_either_of_two():
    words = Vocabulary(
        {
            **VOCABULARY.data,
            "things": [{"name": name, "words": []} for name in ("planet", "plane", "castle", "cashew", "caster")],
        }
    )
    assert words.understand("a plane").known == ("plane",)
    assert words.understand("a castel").ignored == ("castel",)
    assert words.understand("a casthew").known == ("cashew",)


def test_words_of_names_are_likelier_meant_than_others():
    things = [{"name": "balloon", "words": []}, {"name": "soccer ball", "words": ["balon"]}]
    words = Vocabulary({**VOCABULARY.data, "things": things})
    assert words.understand("a baloon").known == ("balloon",)
    assert words.understand("a balon").known == ("soccer ball",)


@given(st.text(max_size=60))
def test_any_text_has_a_caption(prompt):
    read = VOCABULARY.understand(prompt)
    assert any(read.caption.startswith(article) for article in ("a ", "an "))
    assert len(read.known) + len(read.chosen) == 3


def test_a_broken_file_is_told(tmp_path):
    file = tmp_path / "vocabulary.json"
    with pytest.raises(ModelError, match="cannot be read"):
        Vocabulary.read(file)
    file.write_text(json.dumps({"version": 99}))
    with pytest.raises(ModelError, match="version 1"):
        Vocabulary.read(file)
