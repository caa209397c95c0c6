"""Every family learns in bfloat16 under autocast with recomputed activations, as it does on a GPU."""

import json
import math

import numpy as np
import pytest

from praxino import media
from praxino.families import families
from praxino.recipe import Encoding
from praxino.training.tuning import trainees

OTHERS = [("hunyuan-video-i2v", "hunyuan-video-i2v-33ch"), ("wan", "wan2.2-ti2v-5b"), ("wan", "wan2.1-i2v-14b-480p"),
          ("cogvideox", "cogvideox-5b"), ("cogvideox", "cogvideox-1.5-5b-i2v")]  # fmt: skip
"""Variants that are taught otherwise than the first of their family."""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Two clips, large enough for every family."""
    folder = tmp_path_factory.mktemp("data")
    for number in range(2):
        frames = np.random.default_rng(number).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
        encoding = Encoding("webp", 0, "best", 100, "none", grid=False, sheet=False)
        media.save([frames], folder / f"{number}.webp", encoding, 8.0, None)
        (folder / f"{number}.txt").write_text("a cat")
    return folder


@pytest.mark.parametrize("dtype", ["bfloat16", "float8"])
@pytest.mark.parametrize(("name", "like"), [(name, None) for name in trainees.names()] + OTHERS)
def test_two_steps(name, like, dtype, pair, tune, tmp_path, monkeypatch):
    family = families()[name]
    family.miniature(tmp_path / "model", *([like] if like else []))
    monkeypatch.setattr("praxino.training.loop.bf16_is_fast", lambda device: True)
    settings = {"dtype": dtype, "checkpointing": True, "steps": 2, "caption_dropout": 0.5}
    out = tune(model=str(tmp_path / "model"), data=str(pair), size="", **settings)
    losses = [json.loads(line)["loss"] for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
