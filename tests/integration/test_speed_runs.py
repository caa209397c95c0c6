"""Whole runs in near and fast: drawn, written into the recipe, drawn again, and gone on with after an end."""

import dataclasses

import numpy as np
import pytest

from praxino import api
from praxino.accel.networks import networks
from praxino.accel.speed import PHASED
from praxino.bench.likeness import psnr_db
from praxino.engine import loaded, speeding
from praxino.engine.output import read_recipe
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import Cancelled
from praxino.families import families
from praxino.request import Request
from praxino.weights import catalog


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loaded.forget()


@pytest.fixture(autouse=True)
def _bold(monkeypatch):
    """Networks of random weights change more from step to step than trained ones."""
    monkeypatch.setenv("PRAXINO_REUSE", "easy/0.5")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    made = {}

    def model(name):
        if name not in made:
            families()[name].miniature(folder := tmp_path_factory.mktemp("models") / name)
            made[name] = str(folder)
        return made[name]

    return model


@pytest.mark.parametrize("name", ["wan", "sd3"])
def test_fast_is_in_the_file_and_is_drawn_again(models, name, tmp_path, monkeypatch):
    wish = {"prompt": "a red cat", "model": models(name), "steps": 14, "seed": 3, "dtype": "float32"}
    wish |= {"frames": 5} if name == "wan" else {}
    exact = api.generate(**wish)
    fast = api.generate(**wish, quality="fast")
    assert not np.array_equal(fast.frames, exact.frames)
    path = fast.save(tmp_path / "cat.png" if name == "sd3" else tmp_path / "cat.gif")
    assert read_recipe(path).speed == fast.recipe.speed != ()
    monkeypatch.setenv("PRAXINO_WITHOUT", "reuse,unguided")
    (again,) = api.replay(path)
    assert np.array_equal(again.frames, fast.frames)


def test_near_of_the_bundled_model_is_close_to_exact_and_is_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr(speeding, "cpu_computes_bfloat16", lambda: True)
    exact, near = (api.generate("a red cat bouncing", seed=3, quality=quality) for quality in ("exact", "near"))
    assert near.recipe.speed == ("products:bfloat16",)
    assert not np.array_equal(near.frames, exact.frames)
    assert psnr_db(near.frames, exact.frames) > 50
    monkeypatch.setenv("PRAXINO_WITHOUT", "products")
    (again,) = api.replay(near.save(tmp_path / "cat.gif"))
    assert np.array_equal(again.frames, near.frames)


@pytest.mark.parametrize("name", ["wan", "sd3"])
def test_a_run_that_ended_goes_on_with_the_same_reused_steps(models, name, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    more = {"frames": 5} if name == "wan" else {}
    wish = Request("a red cat", model=models(name), steps=14, seed=3, quality="fast", dtype="float32", **more)
    recipe = resolve(wish).recipe
    (whole,) = draw(recipe, lambda event: None)

    def ends(event):
        if (event.stage, event.step) == ("denoise", 9):
            raise Cancelled

    with pytest.raises(Cancelled):
        draw(recipe, ends, checkpoint=tmp_path)
    (resumed,) = draw(recipe, lambda event: None, checkpoint=tmp_path)
    assert np.array_equal(resumed.frames, whole.frames)


@pytest.mark.parametrize("value", ["first-block/9/3", "mag/0.2/3/3/1,0.99,1.02", "taylor/3/3"])
def test_so_it_does_with_every_cache(models, value, tmp_path, monkeypatch):
    monkeypatch.setenv("PRAXINO_CHECKPOINT_SECONDS", "0")
    exact = resolve(Request("a red cat", model=models("wan"), steps=10, seed=3, frames=5, dtype="float32")).recipe
    recipe = dataclasses.replace(exact, quality="fast", speed=(f"reuse:{value}",))
    (plain,), (whole,) = draw(exact, lambda event: None), draw(recipe, lambda event: None)
    assert not np.array_equal(whole.frames, plain.frames)

    def ends(event):
        if (event.stage, event.step) == ("denoise", 5):
            raise Cancelled

    with pytest.raises(Cancelled):
        draw(recipe, ends, checkpoint=tmp_path)
    (resumed,) = draw(recipe, lambda event: None, checkpoint=tmp_path)
    assert np.array_equal(resumed.frames, whole.frames)
    (again,) = draw(recipe, lambda event: None)
    assert np.array_equal(again.frames, whole.frames)


@pytest.mark.parametrize("name", PHASED)
def test_the_last_steps_take_one_pass_where_a_loop_has_phases(models, name, monkeypatch):
    monkeypatch.setenv("PRAXINO_WITHOUT", "reuse")
    given = {"frames": {"ltx-video": 9, "mochi": 7, "wan": 5}[name], "dtype": "float32", "quality": "fast"}
    recipe = resolve(Request("a red cat", model=models(name), steps=10, guidance=3, seed=3, **given)).recipe
    assert recipe.speed == ("unguided:3",)
    entry, calls = catalog.find(recipe.model), []

    def rows(network, args, kwargs):
        calls.append(next(value for value in (*args, *kwargs.values()) if value.dim() > 2).shape[0])

    parts = entry.family.equip(entry.family.load(entry.require_path(), entry.variant, "float32", "cpu"), recipe)
    for network in networks(parts):
        if network.stage == "denoise":
            network.module.register_forward_pre_hook(rows, with_kwargs=True)
    for drawn, expected in ((speeding.as_run(recipe), 17), (recipe, 20)):
        calls.clear()
        *_, _ = entry.family.denoise(drawn, parts, [], recipe.seed)
        assert sum(calls) == expected


@pytest.mark.parametrize(("name", "frames"), [("wan", 5), ("ltx-video", 9)])
def test_products_in_8_bits_are_those_of_the_run_that_has_them(models, name, frames):
    wish = Request("a red cat", model=models(name), steps=2, seed=3, frames=frames, dtype="float32", size="128x128")
    exact = resolve(wish).recipe
    near = dataclasses.replace(exact, quality="near", speed=("products:int8",))
    notes = []
    drawn = [draw(recipe, lambda event: notes.append(event.note))[0].frames for recipe in (exact, near, near, exact)]
    assert np.array_equal(drawn[0], drawn[3]) and np.array_equal(drawn[1], drawn[2])
    told = " ".join(filter(None, notes))
    assert np.array_equal(drawn[0], drawn[1]) is ("have no such products" in told) is (name == "ltx-video")
    assert psnr_db(drawn[0], drawn[1]) > 30


def test_networks_that_compute_in_8_bits_are_others_than_those_that_do_not(models, monkeypatch):
    def rounded(parts, kind, device):
        assert (kind, device) == ("int8", "cpu")
        for network in networks(parts):
            if network.stage == "denoise":
                for weight in network.module.parameters():
                    weight.data.mul_(0.9)

    monkeypatch.setattr("praxino.accel.quantised.quantise", rounded)
    exact = resolve(Request("a red cat", model=models("wan"), steps=2, seed=3, frames=5, dtype="float32")).recipe
    near = dataclasses.replace(exact, quality="near", speed=("quantised:int8",))
    before, other, after = (draw(recipe, lambda event: None)[0].frames for recipe in (exact, near, exact))
    assert np.array_equal(before, after)
    assert not np.array_equal(before, other)
