"""A mask lies on the target of every family as the clip does: what is black of it has no part in the loss."""

import numpy as np
import pytest
import torch

from praxino.families import families
from praxino.training.tuning import losses, trainees
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Batch, trainee

LIKE = {"wan": "wan2.1-t2v-1.3b", "cogvideox": "cogvideox-2b"}


@pytest.mark.parametrize("name", trainees.names())
def test_what_is_black_does_not_count(name, tmp_path):
    families()[name].miniature(tmp_path / "tiny", LIKE.get(name))
    variant = families()[name].identify(tmp_path / "tiny")
    parts, learner = families()[name].load(tmp_path / "tiny", variant, "float32", "cpu"), trainee(name)
    frames = np.random.default_rng(0).integers(0, 256, (9, 64, 64, 3), dtype=np.uint8)
    with torch.no_grad():
        clip, text = learner.encode(parts, frames), learner.read(parts, "a cat")
        side = clip["latents"].shape[-1]
        clip["mask"] = torch.zeros(clip["latents"].shape[-2:])
        clip["mask"][:, : side // 2] = 1
        stacked = ({key: value[None] for key, value in some.items()} for some in (clip, text))
        batch = Batch(
            *stacked, 8.0, False, [torch.Generator().manual_seed(0)], torch.zeros(1, dtype=torch.bool), Tuning()
        )
        task = learner.task(parts, variant, batch)
    packed = task.pack or (lambda latents: latents)
    right = torch.zeros_like(batch.clips["latents"])
    right[..., side // 2 :] = 1
    given = torch.ones_like(packed(right)) if task.learnt is None else task.learnt.expand(packed(right).shape).float()
    assert packed(right).shape == task.target.shape
    assert losses.mean(packed(right), batch, task) == 0
    left = packed(1 - right)
    assert float(losses.mean(left, batch, task)) == pytest.approx(1.0) and float((left * given).sum()) > 0
