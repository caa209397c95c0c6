"""Wan through the whole engine: what a request names arrives where it belongs."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.families import Grid
from praxino.families.wan.variants import PUBLISHED
from praxino.request import Request

from .conftest import picture


@pytest.fixture
def files(tmp_path):
    """Pictures and clips by name."""
    Image.fromarray(picture(1, 60, 40)[0]).save(tmp_path / "first.png")
    Image.fromarray(picture(2, 60, 40)[0]).save(tmp_path / "last.png")
    Image.fromarray(picture(3, 24, 48)[0]).save(tmp_path / "who.png")
    for name, seed in (("clip", 4), ("depth", 5)):
        frames = [Image.fromarray(frame) for frame in picture(seed, 48, 48, 5)]
        frames[0].save(tmp_path / f"{name}.webp", save_all=True, append_images=frames[1:], duration=125, lossless=True)
    mask = np.zeros((48, 48, 3), np.uint8)
    mask[:, 24:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return {path.stem: str(path) for path in tmp_path.iterdir()}


def frames_of(recipe) -> np.ndarray:
    return run(recipe, lambda _: None)[0]


def test_a_picture_is_drawn_at_the_authors_own_size(miniature, files) -> None:
    recipe = resolve(
        Request(prompt="a cat", model=str(miniature("wan2.1-i2v-14b-480p")), first=files["first"], seed=1)
    ).recipe
    assert (recipe.width, recipe.height) == (32, 16)
    frames = frames_of(recipe)
    assert frames.shape == (5, 16, 32, 3)
    assert np.array_equal(frames, frames_of(recipe))


def test_vace_is_given_a_clip_its_mask_maps_references_and_frames(miniature, files) -> None:
    wish = {"prompt": "a cat", "model": str(miniature("wan2.1-vace-1.3b")), "seed": 1}
    runs = {
        "words": Request(**wish),
        "mask": Request(**wish, video=files["clip"], mask=files["mask"]),
        "changed": Request(**wish, video=files["clip"], strength=0.5),
        "map": Request(**wish, control=(f"depth-map={files['depth']}:0.8",)),
        "made": Request(**wish, control=(f"gray={files['clip']}",)),
        "reference": Request(**wish, reference=(files["who"],)),
        "frames": Request(**wish, first=files["first"], last=files["last"]),
    }
    roles = {
        "words": [], "mask": ["video", "mask"], "changed": ["video"], "map": ["control:depth"],
        "made": ["annotate:gray"],
        "reference": ["reference"], "frames": ["frame", "frame"],
    }  # fmt: skip
    drawn = {}
    for name, request in runs.items():
        recipe = resolve(request).recipe
        assert [condition.role for condition in recipe.conditions] == roles[name]
        drawn[name] = frames_of(recipe)
        assert drawn[name].shape == (5, recipe.height, recipe.width, 3)
    assert len({frames.tobytes() for frames in drawn.values()}) == len(drawn)


@pytest.mark.parametrize(("like", "wish", "message"), [
    ("wan2.1-t2v-1.3b", {"video": "clip", "mask": "mask"}, "video-mask|video mask"),
    ("wan2.1-t2v-1.3b", {"first": "first"}, "does not do image-to-video"),
    ("wan2.1-i2v-14b-480p", {"first": "first", "last": "last"}, "--last"),
    ("wan2.1-flf2v-14b", {"first": "first"}, "add --last"),
    ("wan2.1-flf2v-14b", {"last": "last"}, "add --first"),
    ("wan2.1-i2v-14b-480p", {"first": "first", "strength": 0.5}, "--strength changes nothing"),
])  # fmt: skip
def test_what_a_checkpoint_cannot_do_is_refused_before_it_is_loaded(miniature, files, like, wish, message) -> None:
    named = {name: files.get(value, value) if isinstance(value, str) else value for name, value in wish.items()}
    with pytest.raises(UserError, match=message):
        resolve(Request(prompt="a cat", model=str(miniature(like)), **named))


def floored(width: int, height: int, area: int) -> tuple[int, int]:
    """Wan-Video/Wan2.1, wan/image2video.py (generate), in its own words."""
    lat_h = round(np.sqrt(area * (height / width)) // 8 // 2 * 2)
    lat_w = round(np.sqrt(area / (height / width)) // 8 // 2 * 2)
    return lat_w * 8, lat_h * 8


def best(w: int, h: int, dw: int, dh: int, area: int) -> tuple[int, int]:
    """Wan-Video/Wan2.2, wan/utils/utils.py (best_output_size), in its own words."""
    ratio = w / h
    ow, oh = (area * ratio) ** 0.5, area / (area * ratio) ** 0.5
    ow1 = int(ow // dw * dw)
    oh1 = int(area / ow1 // dh * dh)
    oh2 = int(oh // dh * dh)
    ow2 = int(area / oh2 // dw * dw)
    off1, off2 = (max(ratio / (a / b), a / b / ratio) for a, b in ((ow1, oh1), (ow2, oh2)))
    return (ow1, oh1) if off1 < off2 else (ow2, oh2)


def test_sizes_are_rounded_as_the_authors_round_them() -> None:
    rng = np.random.default_rng(0)
    both: tuple[Grid, Grid] = PUBLISHED["wan2.1-i2v-14b-480p"].grid, PUBLISHED["wan2.2-ti2v-5b"].grid
    for width, height in rng.integers(200, 1200, (500, 2)).tolist():
        for area in (480 * 832, 720 * 1280):
            assert both[0].fitted(width, height, area) == floored(width, height, area)
        assert both[1].fitted(width, height, 704 * 1280) == best(width, height, 32, 32, 704 * 1280)
    assert both[0].fitted(832, 480, 480 * 832) == (832, 464)
