"""The model that ships: what a newcomer's first command leans on."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import praxino
from praxino.training.sprites import FONT_PATHS
from praxino.vocabulary import KINDS, Vocabulary
from praxino.weights.catalog import find

PROMPTS = (
    "a rocket flying up on a blue background",
    "a cat face spinning on a white background",
    "a frog bouncing on a green background",
    "a red heart pulsing on a black background",
    "a pizza sliding left on a yellow background",
    "a balloon falling down on a red background",
)


@pytest.fixture(scope="module")
def folder() -> Path:
    return find("pocket").require_path()


def test_it_is_small_and_says_what_it_is(folder):
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 25_000_000
    variant = find("pocket").variant
    assert variant.licence
    assert variant.guidance_phases[0].scale == 1, "one pass a step"
    assert variant.steps <= 8


def test_its_vocabulary_is_whole(folder):
    vocabulary = Vocabulary.read(folder / "vocabulary.json")
    assert [len(vocabulary.names(kind)) for kind in KINDS] == [16, 9, 6]
    for kind in KINDS:
        for name in vocabulary.names(kind):
            assert vocabulary.understand(f"a cinematic {name}").known == (name,)


# diffusers hands torch tensors to numpy in the condition pipeline's own way.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_it_is_a_plain_diffusers_folder(folder):
    from diffusers import LTXConditionPipeline, LTXPipeline

    for pipeline in (LTXPipeline, LTXConditionPipeline):
        pipe = pipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        drawn = pipe(
            prompt=PROMPTS[0], width=64, height=64, num_frames=9, frame_rate=10, num_inference_steps=2,
            guidance_scale=1.0, max_sequence_length=20, output_type="np",
        )  # fmt: skip
        assert drawn.frames[0].shape == (9, 64, 64, 3)


@pytest.mark.skipif(
    not any(Path(path).exists() for path in FONT_PATHS), reason="needs the Noto Color Emoji font to judge by"
)
def test_it_draws_what_is_asked():
    from praxino.training.score import judge

    verdicts = []
    for prompt in PROMPTS:
        clip = praxino.generate(prompt, seed=1)
        verdict = judge(clip.frames)
        verdicts.append((f"a {verdict.thing} {verdict.motion} on a {verdict.ground} background", prompt))
    assert sum(shown == asked for shown, asked in verdicts) >= 4, verdicts


def test_a_picture_is_kept_as_the_first_frame(tmp_path):
    from PIL import Image, ImageDraw

    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((16, 16, 48, 48), fill=(20, 90, 200))
    path = tmp_path / "ball.png"
    picture.save(path)
    clip = praxino.generate("bouncing", image=path, seed=1)
    assert clip.recipe.task == "image-to-video"
    error = np.mean((clip.frames[0].astype(float) - np.asarray(picture, float)) ** 2)
    assert 10 * np.log10(255**2 / error) > 20
    moved = np.abs(clip.frames[1:].astype(int) - clip.frames[0]).mean((1, 2, 3))
    assert moved.max() > 3, "the picture stands still"


def test_it_says_what_it_understood():
    clip = praxino.generate("a cinematic rocket", seed=1)
    assert clip.recipe.caption.startswith("a rocket ")
    (note,) = (note for note in clip.notes if note.startswith("pocket knows: rocket"))
    assert "ignored: cinematic" in note


def test_the_command_draws_the_main_job(tmp_path):
    out = tmp_path / "rocket.gif"
    command = [sys.executable, "-m", "praxino", PROMPTS[0], "--seed", "7", "-o", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "pocket knows: rocket, flying up, blue" in done.stderr
    assert out.read_bytes().startswith(b"GIF89a")
    (clip,) = praxino.replay(out)
    assert np.array_equal(clip.frames, praxino.generate(PROMPTS[0], seed=7).frames)
