"""What was drawn is drawn again: the same bytes in every format, by the file alone."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

import praxino
from praxino.engine.encoding import encoding_for
from praxino.engine.output import read_recipe, save_clips
from praxino.engine.run import draw
from praxino.errors import UserError
from praxino.families import families
from praxino.request import Request


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["ltx-video"].miniature(folder)
    return str(folder)


@pytest.fixture(scope="module")
def drawn(miniature):
    """Two clips with a picture as their first frame."""
    picture = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    file = f"{miniature}.png"
    Image.fromarray(picture).save(file)
    return praxino.generate_many("a dog", model=miniature, image=file, seed=3, n=2, steps=2)


@pytest.mark.parametrize("extension", ["gif", "webp", "avif", "png", "mp4", "webm"])
def test_replay_gives_the_same_bytes(drawn, tmp_path, extension):
    clip = drawn[0]
    original = clip.save(tmp_path / f"one.{extension}")
    (again,) = praxino.replay(original)
    assert np.array_equal(again.frames, clip.frames)
    assert again.recipe == dataclasses.replace(clip.recipe, encoding=encoding_for(clip.recipe.encoding, original))
    assert again.save(tmp_path / f"two.{extension}").read_bytes() == original.read_bytes()


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_a_sheet_replays_too(drawn, tmp_path, extension):
    path = tmp_path / f"sheet.{extension}"
    encoding = dataclasses.replace(encoding_for(drawn[0].recipe.encoding, path), sheet=True)
    recipe = dataclasses.replace(drawn[0].recipe, encoding=encoding)
    save_clips([drawn[0]], recipe, path)
    again = read_recipe(path)
    other = tmp_path / f"again.{extension}"
    save_clips(draw(again, lambda event: None), again, other)
    assert other.read_bytes() == path.read_bytes()


def test_a_grid_replays_from_one_file(drawn, miniature, tmp_path):
    recipe = drawn[0].recipe
    encoding = dataclasses.replace(recipe.encoding, grid=True)
    grid = dataclasses.replace(recipe, n=2, encoding=encoding)
    (path,) = save_clips(drawn, grid, tmp_path / "grid.gif")
    again = praxino.replay(path)
    assert [clip.recipe.seed for clip in again] == [3, 4]
    assert all(np.array_equal(a.frames, b.frames) for a, b in zip(again, drawn, strict=True))


def test_n_samples_are_n_single_runs(drawn, miniature):
    alone = praxino.generate("a dog", model=miniature, image=f"{miniature}.png", seed=4, steps=2)
    assert np.array_equal(alone.frames, drawn[1].frames)


def test_a_clip_shows_itself_in_a_notebook(drawn):
    shown = drawn[0]._repr_mimebundle_()
    assert shown["text/html"].startswith('<img src="data:image/webp;base64,')
    assert 'alt="a dog"' in shown["text/html"]
    assert "seed 3" in shown["text/plain"]


def test_generate_draws_one(miniature):
    with pytest.raises(UserError, match="generate_many"):
        praxino.generate("a dog", model=miniature, n=2)


def test_paths_may_be_path_objects(miniature, tmp_path):
    with pytest.raises(UserError, match="nothing-here"):
        praxino.generate("a dog", model=miniature, image=tmp_path / "nothing-here.png")


def test_a_request_is_what_the_library_takes():
    with pytest.raises(UserError, match="no field 'colour'"):
        praxino.generate("a dog", colour="red")
    assert praxino.Request is Request
