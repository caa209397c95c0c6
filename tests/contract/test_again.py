"""Recipes of every family, turned into wishes and resolved again, are the same recipes."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from praxino.engine.again import differences, wish_of
from praxino.engine.machine import Machine
from praxino.engine.resolve import resolve
from praxino.errors import UserError
from praxino.families import families
from praxino.picture_names import with_pictures
from praxino.recipe import Lora, Recipe
from praxino.request import Request


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory):
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = tmp_path_factory.mktemp(name) / "miniature"
            families()[name].miniature(made[name])
        return made[name]

    return make


def both(request: Request, folder: Path) -> tuple[Recipe, Recipe]:
    """A wish's recipe, and the one of a server with a GPU that is sent what it amounts to; pictures travel inside."""
    recipe = resolve(request, machine=Machine("cpu")).recipe

    def unpacked(data: str, said: str) -> str:
        path = folder / f"{said}.png"
        path.write_bytes(base64.b64decode(data.partition(",")[2]))
        return str(path)

    return recipe, resolve(with_pictures(wish_of(recipe), unpacked), machine=Machine("cuda")).recipe


def by_words() -> list[str]:
    """Families whose every variant draws from words alone, with nothing else on the machine."""
    texts = {"text-to-image", "text-to-video"}
    every = families().items()
    others = ("animatediff", "wan-animate")
    return [n for n, f in every if n not in others and all(texts & {*v.tasks} for v in f.variants.values())]


@pytest.mark.parametrize("name", by_words())
def test_what_was_asked_for_in_words(folders, name: str, tmp_path: Path) -> None:
    one, other = both(Request("a red cat", model=str(folders(name)), seed=3), tmp_path)
    assert differences(one, other) == []
    assert one.encoding == other.encoding


@pytest.mark.parametrize(
    "wish",
    [
        {"steps": 3, "guidance": 4.0, "format": "webp", "n": 2, "grid": True},
        {"negative_prompt": "rain", "scheduler": "dpm++-2m", "size": "256x512"},
        {"image": "sun.png", "strength": 0.5},
    ],
    ids=lambda wish: next(iter(wish)),
)
def test_what_was_asked_for_otherwise(folders, wish, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save("sun.png")
    name = {"steps": "ltx-video", "negative_prompt": "sdxl", "image": "sd3"}[next(iter(wish))]
    one, other = both(Request("a red cat", model=str(folders(name)), seed=3, **wish), tmp_path)
    assert differences(one, other) == []


@pytest.mark.parametrize("name", ["ltx-video", "ltx-2", "wan", "mochi", "cogvideox"])
@pytest.mark.parametrize(
    "wish", [{"guider": "apg", "stg": 1.0, "stg_blocks": (0,)}, {"cfg_star": True, "rescale": 0.5}]
)
def test_how_it_was_guided(folders, name: str, wish, tmp_path: Path) -> None:
    asked = {"guidance": 4.0, "negative_prompt": "rain", "steps": 3, **wish}
    asked |= {"stg_mode": "transformer-block"} if "stg" in wish and name != "ltx-2" else {}
    one, other = both(Request("a red cat", model=str(folders(name)), seed=3, **asked), tmp_path)
    assert one.cfg_star is ("cfg_star" in wish) and differences(one, other) == []


def test_what_no_plain_wish_brings_about(folders) -> None:
    recipe = resolve(Request("a red cat", model=str(folders("sd3")), seed=3)).recipe
    with pytest.raises(UserError, match="it holds LoRAs, a plan that changes pixels"):
        wish_of(dataclasses.replace(recipe, loras=(Lora("x", 1.0, ""),), plan="tiled"))
