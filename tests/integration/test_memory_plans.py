"""Plans on real tiny networks, from the wish to the file and back, and in the second attempt of a job."""

import dataclasses

import numpy as np
import pytest
import torch

from praxino import api
from praxino.accel.placement import placed
from praxino.accel.plan import Plan
from praxino.cli.worker import LocalExecutor
from praxino.engine import fitting, loaded
from praxino.engine.output import read_recipe
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import OutOfMemory
from praxino.families import families
from praxino.jobs.vitals import Vitals
from praxino.jobs.worker import Task
from praxino.media.read import read_picture
from praxino.request import Request
from praxino.weights import catalog


@pytest.fixture(autouse=True)
def _nothing_loaded():
    loaded.forget()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "flux2"
    families()["flux2"].miniature(folder)
    return str(folder)


@pytest.fixture
def wish(model):
    return {"prompt": "a red cat", "model": model, "steps": 2, "seed": 3, "format": "png"}


@pytest.fixture
def recipe(wish):
    return resolve(Request(**wish)).recipe


@pytest.fixture
def small_decoder(monkeypatch):
    """A device on which frames can only be decoded in tiles."""
    from diffusers.models.autoencoders.autoencoder_kl_flux2 import AutoencoderKLFlux2

    decode = AutoencoderKLFlux2._decode

    def limited(self, *args, **more):
        if not self.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8.00 GiB.")
        return decode(self, *args, **more)

    monkeypatch.setattr(AutoencoderKLFlux2, "_decode", limited)


def test_a_file_says_how_it_was_drawn_and_is_drawn_so_again(wish, small_decoder, tmp_path):
    clip = api.generate(**wish)
    assert clip.recipe.plan == "tiled"
    path = clip.save(tmp_path / "cat.png")
    assert read_recipe(path).plan == "tiled"
    (again,) = api.replay(path)
    assert np.array_equal(again.frames, clip.frames)
    assert again.recipe.plan == "tiled"


def test_a_replay_never_changes_pixels(wish, small_decoder, tmp_path, recipe):
    with pytest.raises(OutOfMemory, match="no smaller one draws the same pixels"):
        draw(recipe, lambda event: None)


def test_weights_in_8_bits_take_less_and_draw_the_same_each_time(recipe):
    plain = draw(recipe, lambda event: None)[0].frames
    whole = held_bytes()
    loaded.forget()
    small = dataclasses.replace(recipe, plan="float8")
    once = draw(small, lambda event: None)[0].frames
    assert held_bytes() < 0.75 * whole
    assert once.shape == plain.shape and not np.array_equal(once, plain)
    assert np.array_equal(draw(small, lambda event: None)[0].frames, once), "kept"
    loaded.forget()
    assert np.array_equal(draw(small, lambda event: None)[0].frames, once), "loaded again"
    assert np.array_equal(draw(recipe, lambda event: None)[0].frames, plain), "the whole weights are loaded beside it"


def held_bytes():
    return sum(held.num_bytes for held in loaded._held.values())


def test_the_second_attempt_of_a_job_runs_on_a_smaller_plan(recipe, small_decoder, tmp_path):
    executor = LocalExecutor("cpu", Vitals(tmp_path, "w"), tmp_path)
    (tmp_path / "state").mkdir()
    task = Task(recipe.to_json(), tmp_path / "state", smaller_plan=False)
    with pytest.raises(MemoryError):
        executor.run(task, lambda event: None)
    task = dataclasses.replace(task, smaller_plan=True)
    drawn = executor.run(task, lambda event: None)
    folder = tmp_path / "result"
    folder.mkdir()
    executor.save(drawn, task, folder)
    (file,) = folder.iterdir()
    assert read_recipe(file) == dataclasses.replace(recipe, plan="tiled")
    assert np.array_equal(read_picture(str(file)), api.replay(file)[0].frames)
    assert list(executor.loaded()) == [recipe.model]


def test_models_stay_side_by_side(model, tmp_path, monkeypatch):
    other = tmp_path / "sd3"
    families()["sd3"].miniature(other)
    recipes = [resolve(Request("a cat", model=name, steps=1, seed=1)).recipe for name in (model, str(other))]
    reads = []
    for family in ("flux2", "sd3"):
        load = families()[family].load
        monkeypatch.setattr(
            families()[family], "load", lambda *given, load=load, family=family: reads.append(family) or load(*given)
        )
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "100MB")
    for recipe in (*recipes, *recipes):
        draw(recipe, lambda event: None)
    assert reads == ["flux2", "sd3"]
    monkeypatch.setenv("PRAXINO_MEMORY_BUDGET", "0MB")
    for recipe in (*recipes, *recipes):
        draw(recipe, lambda event: None)
    assert reads == ["flux2", "sd3", "sd3", "flux2", "sd3"], "the first one was still there, alone"


def test_what_is_expected_covers_the_weights_that_are_loaded(recipe):
    draw(recipe, lambda event: None)
    resident = fitting.estimates(recipe, "cpu")[0]
    assert held_bytes() <= 1.05 * resident.weights_bytes
    assert resident.device_bytes > held_bytes()


@pytest.mark.parametrize("placement", ["offload", "group"])
def test_a_run_that_goes_on_does_so_on_any_plan(model, recipe, placement):
    """Going on, the denoiser's answers are replayed: it has to be let go as the plan had it."""
    family, recipe = families()["flux2"], dataclasses.replace(recipe, steps=3, options={**recipe.options, "levels": 3})
    entry = catalog.find(model)
    parts = family.equip(family.load(entry.path, entry.variant, "float32", "cpu"), recipe)
    states = list(family.denoise(recipe, parts, [], 3))
    with placed(parts, Plan(placement), "cpu"):
        before = vars(parts.base.transformer).get("forward")
        *_, last = family.denoise(recipe, parts, [], 3, states[2])
        assert vars(parts.base.transformer).get("forward") is before
    assert torch.equal(last.tensors["frames"], states[-1].tensors["frames"])
