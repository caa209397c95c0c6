"""What was pulled or imported draws as the original does, named as it is known here."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import LTXPipeline
from safetensors.torch import save_file

from praxino.engine.resolve import resolve
from praxino.engine.run import run
from praxino.errors import UserError
from praxino.families.ltx_video import FAMILY
from praxino.request import Request
from praxino.weights import catalog, hub_cache, pull
from praxino.weights.hub import Hub
from praxino.weights.importing import take_in

MODULE = "transformer.transformer_blocks.0.attn1.to_q"


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ltx") / "miniature"
    FAMILY.miniature(folder)
    return folder


@pytest.fixture
def served(hub, miniature):
    """The miniature as a repository of the server."""
    paths = [path for path in miniature.rglob("*") if path.is_file()]
    hub.add("someone/tiny", {path.relative_to(miniature).as_posix(): path.read_bytes() for path in paths})
    return hub


def draw(model, *loras):
    recipe = resolve(Request(prompt="a fox", model=str(model), lora=loras, seed=3, steps=1, frames=9)).recipe
    (clip,) = run(recipe, lambda event: None)
    return clip, recipe


def test_a_pulled_repository(served, miniature):
    pull.fetch(pull.plan("someone/tiny", Hub()))
    served.requests.clear()
    pulled, recipe = draw("someone/tiny")
    original, _ = draw(miniature)
    assert np.array_equal(pulled, original)
    assert recipe.model == "someone/tiny"
    stock = LTXPipeline.from_pretrained("someone/tiny", cache_dir=hub_cache.root(), local_files_only=True)
    assert stock.transformer.config.num_layers == catalog.find("someone/tiny").variant.options["num_layers"]
    assert served.requests == []


def test_an_imported_model_with_an_imported_lora(miniature, tmp_path):
    generator = torch.Generator().manual_seed(0)
    factors = {
        f"{MODULE}.lora_A.weight": torch.randn(2, 32, generator=generator),
        f"{MODULE}.lora_B.weight": torch.randn(32, 2, generator=generator),
    }
    save_file(factors, tmp_path / "tilt.safetensors")
    take_in(miniature, "tiny")
    take_in(tmp_path / "tilt.safetensors", "tilt")
    named, recipe = draw("tiny", "tilt:2")
    assert [(lora.path, lora.scale) for lora in recipe.loras] == [("tilt", 2.0)]
    assert np.array_equal(named, draw(miniature, f"{tmp_path / 'tilt.safetensors'}:2")[0])
    assert not np.array_equal(named, draw(miniature)[0])

    save_file({name: value * 2 for name, value in factors.items()}, catalog.locate("tilt"))
    with pytest.raises(UserError, match="tilt is no longer what the recipe was made with"):
        run(recipe, lambda event: None)
    Path(catalog.locate("tilt")).unlink()
    with pytest.raises(UserError, match="tilt is not on this machine"):
        run(recipe, lambda event: None)
