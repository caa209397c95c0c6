"""Clips of a miniature made longer, at the command line: drawn in pieces, extended, replayed."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from praxino import media
from praxino.api import generate
from praxino.cli import outcome
from praxino.engine.output import read_recipe
from praxino.families import families

TINY = ("--steps", "1", "--no-history")


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return folder


@pytest.fixture
def praxino(tmp_path, monkeypatch, capsys):
    """Run a command line in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def call(*args):
        return (outcome.run(list(args)), *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def dog(miniature):
    clip = generate("a dog", model=str(miniature), steps=1, size="64x32", frames=5, seed=1)
    return clip.save(miniature.with_suffix(".png"))


@pytest.fixture
def clip(dog, tmp_path):
    return Path(shutil.copy(dog, tmp_path / "dog.png"))


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_clip_goes_on(praxino, clip, direction):
    code, _, said = praxino("extend", str(clip), "--direction", direction, "--seconds", "0.5", "--seed", "3", *TINY)
    assert code == 0, said
    longer = clip.with_name("dog-extended.png")
    before, after = media.read_clip(clip)[0], media.read_clip(longer)[0]
    recipe = read_recipe(longer)
    new = round(0.5 * recipe.fps)
    assert len(after) == recipe.num_frames == 5 + new
    kept = after[:5] if direction == "forward" else after[-5:]
    assert np.array_equal(kept, before)
    assert f"{5 + new} frames at {recipe.fps:g} fps" in said
    assert recipe.prompt == "a dog"
    assert recipe.parent == read_recipe(clip).identity()
    code, _, said = praxino("replay", str(longer), "--no-history")
    assert code == 0 and "every byte is as in" in said
    code, shown, _ = praxino("show", str(longer))
    assert "extends" in shown and "5 frames" in shown


def test_names_are_not_taken(praxino, clip):
    for _ in range(2):
        assert praxino("extend", str(clip), "--seconds", "0.2", *TINY)[0] == 0
    assert clip.with_name("dog-extended-2.png").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("missing.mp4",), "missing.mp4"),
        (("still.png",), "is no clip"),
        (("bare.gif",), "does not say what it shows"),
        (("bare.gif", "a dog running"), "name a model with -m"),
        (("dog.png", "--seconds", "0.5", "-m", "pocket", "--image", "x.png"), "--image"),
    ],
)
def test_what_cannot_be_extended(praxino, clip, tmp_path, args, said):
    from PIL import Image

    Image.new("RGB", (64, 32)).save(tmp_path / "still.png")
    frames = [Image.new("RGB", (64, 32), (i * 40, 0, 0)) for i in range(4)]
    frames[0].save(tmp_path / "bare.gif", save_all=True, append_images=frames[1:], duration=100)
    code, _, err = praxino("extend", *args, *TINY)
    assert code == 2 and said in err


def test_longer_than_is_drawn_at_once(praxino, miniature, tmp_path):
    variant = families()["ltx-video"].identify(miniature)
    seconds = (variant.grid.max_frames + 1) / 240
    wish = (
        "a dog",
        "-m",
        str(miniature),
        "--size",
        "32x32",
        "--fps",
        "240",
        "--seconds",
        str(seconds),
        "-o",
        "long.mp4",
    )
    code, told, said = praxino(*wish, "--seconds", str(seconds), "--json", *TINY)
    assert code == 0, said
    recipe = read_recipe(tmp_path / "long.mp4")
    assert recipe.num_frames == variant.grid.max_frames + 1
    assert recipe.pieces.count == 2
    steps = [event for line in told.splitlines() if (event := json.loads(line))["event"] == "step"]
    assert [(e["step"], e["num_steps"]) for e in steps if e["stage"] == "denoise"] == [(1, 2), (2, 2)]
    assert len(media.read_clip(tmp_path / "long.mp4", 3000)[0]) == recipe.num_frames
