"""Clips drawn in batches from the atlas, against the picture-by-picture drawing of the first edition."""

import dataclasses

import numpy as np
import pytest
import torch

from praxino.training import atlas as atlases
from praxino.training.atlas import Atlas
from praxino.training.drawing import LAYOUTS, Stage, Staging, poses, to_uint8
from praxino.training.edition import FIRST, second
from praxino.training.grounds import COLOURS, GRADIENTS, SCENES, draw_ground, views
from praxino.training.motions import CROSSINGS, Placement, render_clip
from praxino.training.wishes import Wish

SMALL = dataclasses.replace(second(), num_frames=5)


def blob(hue):
    """(128, 128, 4) premultiplied: a soft shape unlike its mirror image."""
    rows, columns = np.mgrid[-1:1:128j, -1:1:128j]
    alpha = np.clip(4 - 5 * np.hypot(rows + 0.2 * columns, 1.3 * columns), 0, 1)[..., None]
    colour = np.stack([hue + 90 * rows, 120 + 90 * columns, 60 + 0 * rows], -1)
    return np.concatenate([np.clip(colour, 0, 255) * alpha, 255 * alpha], -1).astype(np.uint8)


@pytest.fixture(scope="module")
def atlas():
    """Blobs under the names of real things, so that no font is needed."""
    names = ("frog", "rocket", "banana")
    tiles = np.zeros((3, atlases.TILE_HEIGHT_PX, atlases.TILE_WIDTH_PX, 4), np.uint8)
    for tile, hue in zip(tiles, (40, 120, 200), strict=True):
        atlases.pack(tile, blob(hue))
    return Atlas(names, torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous())


@pytest.mark.parametrize(
    "motion", ["bouncing", "spinning", "pulsing", "shaking", "swinging", "orbiting", "jumping", "wobbling"]
)
def test_it_agrees_with_the_drawing_of_single_pictures(atlas, motion):
    stage = Stage(SMALL, atlas, 96, 96)
    place = Placement(0.5, 0.02, -0.03)
    expected = render_clip(blob(40), motion, COLOURS["blue"], place, num_frames=5, size_px=96)
    number = torch.tensor([SMALL.motions.index(motion)])
    one = [torch.tensor([[value]]) for value in (place.size, place.x, place.y)]
    ground = torch.tensor(COLOURS["blue"]).float().view(1, 3, 1, 1).expand(1, 3, 96, 96)
    drawn = to_uint8(stage.play(Staging(torch.tensor([[0]]), *one, number), ground))[0]
    error = np.mean((drawn.astype(float) - expected) ** 2)
    assert 10 * np.log10(255**2 / error) > 30


def test_what_crosses_the_picture_is_gone_midway_and_back_at_the_end(atlas):
    stage = Stage(SMALL, atlas, 96, 64)
    rng = np.random.default_rng(0)
    for motion in CROSSINGS:
        drawn = stage.draw([Wish(("frog",), motion, "white")], rng)[0]
        assert (drawn[0] - drawn[-1]).abs().max() < 2, motion
        assert (drawn[2] - drawn[2, :, :1, :1]).abs().max() < 2, motion
        assert (drawn[0] - drawn[1]).abs().max() > 50, motion


@pytest.mark.parametrize(
    "wish", [Wish(("frog", "rocket"), "spinning", "sea"), Wish(("frog",), "pulsing", "night", count=3)]
)
def test_many_things_stand_apart(atlas, wish):
    stage = Stage(SMALL, atlas, 128, 128)
    rng = np.random.default_rng(1)
    staging = stage.place([wish], rng)
    alone = []
    for place in range(len(wish.shown)):
        thing = torch.full_like(staging.thing, -1)
        thing[0, place] = staging.thing[0, place]
        drawn = stage.play(dataclasses.replace(staging, thing=thing), torch.zeros(1, 3, 128, 128))
        alone.append(drawn[0, 0].amax(0) > 40)
    assert all(mask.any() for mask in alone)
    assert not (alone[0] & alone[1]).any()
    assert len(LAYOUTS[len(wish.shown)]) == len(alone)


def test_fading_goes_from_nothing_to_all(atlas):
    stage = Stage(SMALL, atlas, 64, 64)
    drawn = stage.draw(
        [Wish(("frog",), "fading in", "white"), Wish(("frog",), "fading out", "white")], np.random.default_rng(0)
    )
    plain = drawn[0, 0, :, 0, 0, None, None]
    assert (drawn[0, 0] - plain).abs().max() < 1
    assert (drawn[0, -1] - plain).abs().max() > 80
    assert (drawn[1, -1] - drawn[1, -1, :, :1, :1]).abs().max() < 1


def test_a_batch_is_a_function_of_its_seed(atlas):
    stage = Stage(SMALL, atlas, 64, 64)
    wishes = [Wish(("frog",), "flipping", "city"), Wish(("banana",), "zigzagging", "pink")]
    first, second_time = (stage.draw(wishes, np.random.default_rng(3)) for _ in range(2))
    assert torch.equal(first, second_time)
    assert first.shape == (2, 5, 3, 64, 64)


def test_poses_of_the_first_edition_are_its_own():
    table = poses(FIRST.motions, 9)
    assert table.shape == (9, 9, 8)
    assert torch.equal(table[FIRST.motions.index("flying up"), -1], torch.tensor([0, 0, 0, 1, 1, 1, 0, -1.0]))


@pytest.mark.parametrize("name", [*COLOURS, *GRADIENTS, *SCENES])
def test_grounds_are_pictures_of_any_size(name):
    picture = draw_ground(name, 48, 32)
    assert picture.shape == (32, 48, 3)
    assert picture.min() >= 0
    assert picture.max() <= 255
    others = [draw_ground(name, 48, 32, view) for view in range(1, views(name))]
    assert all(np.abs(picture - other).max() > 10 for other in others)


def test_the_atlas_holds_every_thing_of_the_second_edition(font):
    drawn = Atlas.draw(second().things)
    assert drawn.names == tuple(second().things)
    smallest = drawn.level(len(atlases.LEVELS_PX) - 1)
    assert (smallest[:, 3].mean((1, 2)) > 0.08).all(), "something almost empty"
    apart = torch.cdist(smallest.flatten(1), smallest.flatten(1)).fill_diagonal_(torch.inf)
    assert apart.min() > 3, "two things look alike"
