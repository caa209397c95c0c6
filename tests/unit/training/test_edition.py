"""What the editions name, and what is held out."""

import json

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.training import edition, motions, things_source, wishes


def test_the_second_edition_names_what_it_should():
    second = edition.second()
    assert len(second.things) >= 300
    assert len(set(second.things.values())) == len(second.things), "a picture with two names"
    assert set(edition.FIRST.things.items()) <= {(name, character) for name, character in second.things.items()}
    assert len(second.motions) == 17
    assert len(second.grounds) == 24
    assert {thing["group"] for thing in edition.described_things()} == set(things_source.GROUPS.values())
    assert all(set(thing["words"]) == set(things_source.LANGUAGES) for thing in edition.described_things())


def test_an_unknown_edition_is_refused():
    assert edition.find(1) is edition.FIRST
    assert edition.find(2) is edition.second()
    with pytest.raises(UserError, match="no edition 3"):
        edition.find(3)


@pytest.mark.parametrize("name", sorted(set(motions.PATHS) - {"fading in", "fading out", "zooming in"}))
def test_periodic_motions_close_their_loop(name):
    first, last = (motions.PATHS[name](t) for t in (0.0, 1.0))
    for field in ("x", "y", "scale_x", "scale_y", "opacity"):
        assert getattr(first, field) == pytest.approx(getattr(last, field), abs=1e-9), field
    assert np.exp(1j * first.angle) == pytest.approx(np.exp(1j * last.angle))


def test_things_are_chosen_by_rule(tmp_path):
    emojis = [
        {"name": "otter", "emoji": "🦦"}, {"name": "fox", "emoji": "🦊"}, {"name": "wolf", "emoji": "🐺"},
        {"name": "black cat", "emoji": "🐈‍⬛"}, {"name": "cat with wry smile", "emoji": "😼"},
    ]  # fmt: skip
    groups = [
        {"name": "Animals & Nature", "emojis": emojis},
        {"name": "Flags", "emojis": [{"name": "x", "emoji": "x"}]},
    ]
    (tmp_path / "groups.json").write_text(json.dumps(groups))
    told = {
        "🦊": {"tts": ["fox"], "default": ["fox", "animal"]},
        "🐺": {"tts": ["wolf"], "default": ["animal", "howl"]},
    }
    for language in things_source.LANGUAGES:
        (tmp_path / language).mkdir()
        table = {"annotations": {"annotations": told}}
        (tmp_path / language / "annotations.json").write_text(json.dumps(table))
    things_source.write(tmp_path / "groups.json", tmp_path, tmp_path / "things.json")
    things = json.loads((tmp_path / "things.json").read_text())
    assert [(t["name"], t["words"]["en"]) for t in things] == [("fox", ["fox"]), ("wolf", ["wolf", "howl"])]


def test_training_never_shows_what_is_held_out():
    held = wishes.held_out()
    assert len(held) == 500
    shown = wishes.training_wishes(edition.second(), 3000, np.random.default_rng(1))
    assert not any((thing, w.motion, w.ground) in held for w in shown for thing in w.things)
    assert {w.count for w in shown} == {1, 2, 3}
    assert {w.size for w in shown} == {"", "small", "big"}
    pairs = [w for w in shown if len(w.things) == 2]
    assert pairs
    assert all(a != b for a, b in (w.things for w in pairs))
    assert not wishes.is_held_out(shown[0])
    assert wishes.is_held_out(wishes.Wish(*((next(iter(held))[0],), *next(iter(held))[1:])))


def test_the_first_edition_has_neither_pairs_nor_counts():
    rng = np.random.default_rng(0)
    assert {(len(w.things), w.count, w.size) for w in (wishes.chance_wish(edition.FIRST, rng) for _ in range(200))} == {
        (1, 1, "")
    }
