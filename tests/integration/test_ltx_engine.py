"""LTX-Video and LTX-2 from a request to the file and back: larger clips, sound, number formats."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

import praxino
from praxino.families import families

PROMPT = "a red cat"


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    def made(name: str) -> str:
        folder = tmp_path_factory.getbasetemp() / f"miniature-{name}"
        if not folder.exists():
            families()[name].miniature(folder)
        return str(folder)

    return made


def test_a_clip_drawn_larger_is_replayed_by_its_file(miniature, tmp_path) -> None:
    steps = []
    clip = praxino.generate(
        PROMPT, model=miniature("ltx-video"), size="64x32", frames=5, steps=1, upscale="2x", seed=3,
        on_step=lambda event: steps.append((event.stage, event.step, event.num_steps)),
    )  # fmt: skip
    assert clip.frames.shape == (5, 64, 128, 3)
    assert clip.recipe.upscale == (128, 64)
    assert [step for step in steps if step[0] == "denoise"] == [("denoise", index, 3) for index in (1, 2, 3)]
    (again,) = praxino.replay(clip.save(tmp_path / "cat.gif"))
    assert np.array_equal(again.frames, clip.frames)


def test_sound_lands_in_the_file_and_comes_out_of_its_replay(miniature, tmp_path) -> None:
    clip = praxino.generate(PROMPT, model=miniature("ltx-2"), steps=1, upscale="96x48", size="64x32", seed=3)
    assert clip.frames.shape == (9, 48, 96, 3)
    assert clip.sound is not None and clip.sound.sample_rate == 1600
    path = clip.save(tmp_path / "cat.mp4")
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]
    (again,) = praxino.replay(path)
    assert again.sound is not None
    assert np.array_equal(again.sound.samples, clip.sound.samples)
    assert np.array_equal(again.frames, clip.frames)
    silent = praxino.generate(PROMPT, model=miniature("ltx-2"), steps=1, sound=False, seed=3)
    assert silent.sound is None


@pytest.mark.parametrize("name", ["ltx-video", "ltx-2"])
def test_half_precision_draws_in_both_stages(miniature, name) -> None:
    clip = praxino.generate(PROMPT, model=miniature(name), steps=1, frames=5, upscale="2x", dtype="bfloat16", seed=3)
    assert clip.frames.std() > 0
    if name == "ltx-2":
        assert clip.sound is not None and np.isfinite(clip.sound.samples).all()


def test_the_upsampler_of_a_published_checkpoint_is_asked_for_by_name(miniature, tmp_path) -> None:
    """A folder that says it is 0.9.8 is drawn in two passes, and told what it lacks."""
    folder = Path(miniature("ltx-video"))
    (tmp_path / "praxino.json").write_text('{"family": "ltx-video", "variant": "ltx-video-0.9.8-13b-distilled"}')
    for part in folder.iterdir():
        if part.name != "praxino.json":
            (tmp_path / part.name).symlink_to(part)
    with pytest.raises(praxino.errors.UserError, match=r"pull Lightricks/LTX-Video/ltxv-spatial-upscaler-0\.9\.8"):
        praxino.generate(PROMPT, model=str(tmp_path), frames=9)
