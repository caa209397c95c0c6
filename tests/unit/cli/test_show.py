import json

import numpy as np
import pytest

from praxino.cli.show import embedded_shape, rows
from praxino.engine import output
from praxino.media import embed
from praxino.recipe import Recipe


@pytest.fixture
def shown(praxino, monkeypatch, pictured):
    """`praxino show` of a file that holds `pictured`."""
    monkeypatch.setattr(output, "read_recipe", lambda path: pictured)
    return lambda *more: praxino("show", "x.webp", *more)


def test_it_is_readable(shown):
    said = shown()
    assert said.code == 0
    assert said.out == (
        "prompt          a rocket flying up\n"
        "read as         a rocket flying up on a blue background\n"
        "task            text-to-video\n"
        "model           pocket (ltx-video, pocket, revision 0123456789ab)\n"
        "size            64x64\n"
        "frames          9 (1.1 s at 8 fps)\n"
        "seeds           7 to 10\n"
        "steps           2, euler, uniform\n"
        "sigmas          1 0.5\n"
        "guidance        3, STG 1 on blocks 19, rescale 0.7\n"
        "                off, from sigma 0.5 down\n"
        "number format   float32\n"
        "picture         64x48 from logo.png at frame 0, strength 0.9\n"
        "file            webp, quality 80, plays 2 times, samples side by side\n"
        "recipe version  1\n"
    )


def test_json_is_the_whole_recipe(shown, pictured):
    assert Recipe.from_json(json.loads(shown("--json").out)) == pictured


def test_what_is_off_is_left_out(recipe):
    names = [name for name, _ in rows(recipe)]
    assert not {"negative prompt", "CFG-zero*", "picture", "LoRA"} & set(names)


def test_embedded_pictures_and_clips():
    clip = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 3), np.uint8)
    assert embedded_shape("") == ""
    assert embedded_shape(embed(clip[:1], "x.png").data) == "48x32"
    assert embedded_shape(embed(clip, "x.gif").data) == "48x32, 5 frames,"
