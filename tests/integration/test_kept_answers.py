"""Text encoders of whole runs: read when they are needed, not at all where their answers are kept."""

import numpy as np
import pytest

from praxino import settings
from praxino.accel import encoders
from praxino.accel.plan import Plan
from praxino.engine import loaded, reading
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import ModelError, UserError
from praxino.families import families
from praxino.request import Request
from praxino.weights import catalog

ENCODERS = ["CLIPTextModel", "T5EncoderModel"]


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loaded.forget()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "flux"
    families()["flux"].miniature(folder)
    return folder


@pytest.fixture
def drawn(model, monkeypatch):
    """Draws a prompt in a fresh state, and tells which encoders were left unread."""

    def draws(prompt="a red cat", **more):
        loaded.forget()
        made = []
        usual = reading.ready
        monkeypatch.setattr(reading, "ready", lambda parts, *rest: (made.append(parts), usual(parts, *rest)))
        recipe = resolve(Request(prompt, model=str(model), steps=1, seed=3, **more)).recipe
        (one,) = draw(recipe, lambda event: None)
        return one.frames, sorted(encoders.unread(made[0]))

    return draws


def test_the_second_run_reads_no_encoder_and_draws_the_same(drawn):
    first, unread = drawn()
    assert unread == []
    again, unread = drawn()
    assert unread == ENCODERS
    assert np.array_equal(again, first)
    other, unread = drawn("a blue dog")
    assert unread == []
    assert not np.array_equal(other, first)


def test_0mb_keeps_nothing(drawn, monkeypatch):
    kept, _ = drawn()
    monkeypatch.setenv("PRAXINO_ANSWERS", "0MB")
    plain, unread = drawn()
    assert unread == []
    assert np.array_equal(plain, kept)


def test_other_weights_are_other_questions(drawn, model):
    drawn()
    file = model / "text_encoder_2" / "model.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:-4] + b"\0\0\0\0")
        _, unread = drawn()
        assert unread == ["CLIPTextModel"]
    finally:
        file.write_bytes(whole)


def test_what_is_laid_over_or_comes_in_groups_is_read_first(model):
    entry = catalog.identify(model, str(model))
    recipe = resolve(Request("a red cat", model=str(model), steps=1, seed=3)).recipe
    with reading.late(entry.variant):
        parts = entry.family.load(model, entry.variant, "float32", "cpu")
    reading.ready(parts, recipe, Plan("offload"))
    assert sorted(encoders.unread(parts)) == ENCODERS
    reading.ready(parts, recipe, Plan("group"))
    assert encoders.unread(parts) == []


def test_a_damaged_encoder_is_told_when_it_is_read(drawn, model):
    file = model / "text_encoder_2" / "model.safetensors"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[:1000])
        with pytest.raises(ModelError, match=r"text_encoder_2 is damaged or incomplete"):
            drawn("a fox")
    finally:
        file.write_bytes(whole)


def test_amounts_are_checked(monkeypatch):
    monkeypatch.setenv("PRAXINO_ANSWERS", "lots")
    with pytest.raises(UserError, match="PRAXINO_ANSWERS is 'lots'"):
        settings.answers_bytes()
