"""Samples that are drawn while a run goes on, of models that begin with a picture as of those that do not."""

import dataclasses

import numpy as np
import pytest
import torch

from praxino import media
from praxino.accel.networks import networks
from praxino.cli.train import _sampler
from praxino.families import families
from praxino.training.tuning.bench import Bench
from praxino.training.tuning.examples import check
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import Tuning

ROLES = {
    "hunyuan-video": 0,
    "hunyuan-video-i2v": 1,
    "cogvideox-1.5-5b-i2v": 1,
    "wan2.1-flf2v-14b": 2,
}
"""How many pictures a run of each variant begins with."""


@pytest.fixture(scope="module", params=ROLES)
def like(request):
    return request.param


@pytest.fixture(scope="module")
def tuning(like, clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / like
    name = {"wan": "wan", "cog": "cogvideox"}.get(like[:3], like)
    families()[name].miniature(folder, like)
    return Tuning(
        data=str(clips), model=str(folder), out=str(folder.parent / "run"), steps=1, rank=2, frames=9,
        size="" if "cog" in like else "64x64", sample_every=1, samples=("a square",), caption_dropout=0.0,
    )  # fmt: skip


def test_each_begins_with_the_first_frame_of_a_clip(like, tuning):
    told = check(tuning)
    recipe_of = _sampler(tuning, told)
    recipe = recipe_of("a square", 0, len(told.examples) + 1)
    example = told.examples[1]
    frames = example.clip.read()[0][list(example.piece.frames)]
    pictures = [media.load(condition.media) for condition in recipe.conditions]
    assert len(pictures) == ROLES[like]
    for picture, frame in zip(pictures, (frames[:1], frames[-1:]), strict=False):
        assert np.array_equal(picture, frame)
    side = 32 if "cog" in like else 64
    assert recipe.num_frames == 9 and (recipe.width, recipe.height) == (side, side)

    out = train(Run(tuning, recipe_of=lambda *asked: dataclasses.replace(recipe_of(*asked), steps=1, sigmas=())))
    names = sorted(file.name for file in (out / "samples").iterdir())
    assert names == ["step-000001-0.gif", "step-000001-0.png"]
    drawn, _ = media.read_clip(out / "samples" / "step-000001-0.gif")
    assert drawn.shape == (9, side, side, 3)


def test_what_no_step_needs_is_given_up_or_comes_back(tuning):
    """On a processor nothing is moved but given up; a GPU's memory is spared likewise."""
    bench = Bench.prepared(tuning, "cpu")
    weights = {id(found.module) for found in networks(bench.parts)}
    bench.set_aside(is_drawn_with=True)
    assert id(bench.network) in weights - {id(module) for module in bench.aside} and bench.aside
    with bench.at_hand("cpu"):
        assert all(parameter.device.type == "cpu" for module in bench.aside for parameter in module.parameters())
    bench.aside.clear()
    bench.set_aside(is_drawn_with=False)
    assert all(parameter.is_meta for module in bench.aside for parameter in module.parameters())
    assert next(bench.network.parameters()).device == torch.device("cpu")
