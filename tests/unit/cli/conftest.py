import dataclasses
from typing import NamedTuple

import numpy as np
import pytest

from praxino.cli import outcome
from praxino.media import embed
from praxino.recipe import Condition, Encoding, GuidancePhase, Recipe

RECIPE = Recipe(
    family="ltx-video",
    variant="pocket",
    model="pocket",
    revision="0123456789abcdef0123456789abcdef",
    task="text-to-video",
    prompt="a rocket flying up",
    caption="a rocket flying up on a blue background",
    negative_prompt="",
    width=64,
    height=64,
    num_frames=9,
    fps=8.0,
    steps=2,
    guidance=1.0,
    guidance_phases=(GuidancePhase(1.0, 1.0),),
    cfg_star=False,
    stg_mode="attention-values",
    seed=7,
    n=1,
    scheduler="euler",
    schedule="uniform",
    sigmas=(1.0, 0.5),
    dtype="float32",
    conditions=(),
    loras=(),
    options={},
    encoding=Encoding("gif", 0, "good", 90, "none", False, False),
)


class Said(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def praxino(capsys):
    """Run a command line in this process."""

    def call(*args):
        code = outcome.run(list(args))
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def recipe():
    return RECIPE


@pytest.fixture
def pictured():
    """A recipe with a picture, guidance in two phases and four samples in a grid."""
    media = embed(np.zeros((1, 48, 64, 3), np.uint8), "logo.png")
    phases = (GuidancePhase(1.0, 3.0, 1.0, (19,), 0.7), GuidancePhase(0.5, 1.0))
    encoding = Encoding("webp", 2, "good", 80, "none", True, False)
    return dataclasses.replace(
        RECIPE, conditions=(Condition(0, 0.9, media),), guidance_phases=phases, n=4, encoding=encoding
    )
