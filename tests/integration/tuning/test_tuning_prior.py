"""What a model draws of itself before it starts is learnt on as its own answer, of clips as of pictures."""

import json

import pytest

from praxino.engine.resolve import resolve
from praxino.families import families
from praxino.request import Request
from praxino.training.tuning.run import Run, train
from praxino.training.tuning.settings import Tuning


@pytest.mark.parametrize(("name", "like"), [("wan", "wan2.1-t2v-1.3b"), ("hotshot-xl", None), ("mochi", None)])
def test_clips_are_drawn_and_kept(name, like, clips, tmp_path):
    family, model, told = families()[name], tmp_path / "tiny", []
    family.miniature(model, like)
    step = family.identify(model).grid.frame_step

    def recipe_of(prompt, seed, index):
        return resolve(Request(prompt, model=str(model), seed=seed, steps=1, size="64x64", frames=step + 1)).recipe

    def run(out, **wish):
        tuning = Tuning(
            data=str(clips), model=str(model), out=str(tmp_path / out), steps=2, rank=2, size="64x64", sample_every=0,
            frames=step + 1, batch=8, caption_dropout=0.0, **wish,
        )  # fmt: skip
        train(Run(tuning, recipe_of=recipe_of, on_event=told.append))
        first = (tmp_path / out / "metrics.jsonl").read_text().splitlines()[0]
        return json.loads(first)["loss"]

    plain, kept = run("plain"), run("kept", prior=2, prior_prompts=("a cat", "a dog"))
    assert any(line.startswith("2 clips of what it knows already") for line in told)
    assert kept < 0.9 * plain, "of what it drew itself nothing is off at first"
