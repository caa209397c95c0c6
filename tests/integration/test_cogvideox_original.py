"""Folders as CogVideoX's authors publish them for SAT, by numbers of their own VAE.

tests/reference/cogvideox/vae_names.json: names and shapes of ContextParallelEncoder3D and -Decoder3D (zai-org/CogVideo
at 7a1af71, 32 channels); vae.npz: a clip's latents, and the clip decoded from them.
"""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from praxino.errors import UserError
from praxino.families import _original
from praxino.families.cogvideox import FAMILY, load
from praxino.families.cogvideox.variants import PUBLISHED
from praxino.weights import catalog, originals
from praxino.weights.importing import take_in

REFERENCE = Path(__file__).parents[1] / "reference" / "cogvideox"
TOLERANCE = 2e-5


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """The weight of a name, as it was when the numbers were taken."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    is_scale = "norm" in name and name.endswith(".weight") and len(shape) == 1
    return torch.randn(shape, generator=generator) * 0.1 + float(is_scale)


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Path:
    """A folder as it is published: transformer and VAE pickled as DeepSpeed nests them, T5 beside its tokenizer."""
    home = tmp_path_factory.mktemp("theirs") / "CogVideoX-5b-sat"
    (home / "transformer" / "1").mkdir(parents=True)
    (home / "transformer" / "latest").write_text("1")
    (home / "vae").mkdir()
    transformer = load_file(REFERENCE / "transformer_5b.safetensors")
    module = {f"model.diffusion_model.{name}": tensor for name, tensor in transformer.items()}
    torch.save({"module": module, "dp_world_size": 1}, home / "transformer" / "1" / "mp_rank_00_model_states.pt")
    shapes = json.loads((REFERENCE / "vae_names.json").read_text())
    vae = {name: drawn(name, shape) for name, shape in shapes.items()}
    torch.save({"state_dict": {**vae, "loss.logvar": torch.ones(1)}}, home / "vae" / "3d-vae.pt")
    miniature = home.parent / "miniature"
    FAMILY.miniature(miniature, "cogvideox-5b")
    shutil.copytree(miniature / "text_encoder", home / "t5-v1_1-xxl")
    shutil.copytree(miniature / "tokenizer", home / "t5-v1_1-xxl", dirs_exist_ok=True)
    return home


@torch.no_grad()
def test_the_authors_vae_computes_what_it_computes(published, tmp_path):
    from diffusers import AutoencoderKLCogVideoX

    assert originals.convert(published, tmp_path / "ours", allow_pickle=True) == "CogVideoX"
    network = AutoencoderKLCogVideoX.from_pretrained(tmp_path / "ours" / "vae")
    assert (network.config.scaling_factor, network.config.invert_scale_latents) == (0.7, False)
    with np.load(REFERENCE / "vae.npz") as file:
        latents, wanted = (torch.from_numpy(file[name]) for name in ("latents", "pixels"))
    pixels = torch.rand(1, 3, 9, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(network.encode(pixels).latent_dist.mode(), latents, rtol=TOLERANCE, atol=TOLERANCE)
    decoded, _ = network.decoder(latents)
    torch.testing.assert_close(decoded, wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_folder_is_taken_in_and_loads(published):
    with pytest.raises(UserError, match="is a pickle"):
        take_in(published, "mine")
    assert take_in(published, "mine", allow_pickle=True).about == "CogVideoX, cogvideox-5b"
    entry = catalog.find("mine")
    home = entry.require_path()
    assert not any(home.rglob("*.pt")) and not (home / "tokenizer" / "config.json").exists()
    parts = FAMILY.load(home, entry.variant, "float32", "cpu")
    theirs = load_file(REFERENCE / "transformer_5b.safetensors")
    again = load.filled(dict(parts.transformer.config), _converted(theirs, parts.transformer.config), torch.float32)
    found = parts.transformer.state_dict()
    assert all(torch.equal(tensor, found[name]) for name, tensor in again.state_dict().items())


def _converted(theirs, config):
    from praxino.families.cogvideox import convert

    return convert.transformer(theirs, config)


def test_one_of_two_transformers_has_to_be_named(published, tmp_path):
    home = tmp_path / "CogVideoX1.5-5B-SAT"
    shutil.copytree(published, home)
    (home / "transformer").rename(home / "transformer_t2v")
    shutil.copytree(home / "transformer_t2v", home / "transformer_i2v")
    with pytest.raises(UserError, match=r"of 2 transformers; name the folder of one: .*transformer_i2v, .*_t2v"):
        _original.find(home)
    found = _original.find(home / "transformer_i2v")
    assert found is not None and [file.parent.name for file in found.files] == ["1", "vae", "t5-v1_1-xxl"]
    shutil.rmtree(home / "t5-v1_1-xxl")
    with pytest.raises(UserError, match="has no t5-v1_1-xxl/"):
        _original.find(home / "transformer_i2v")
    assert _original.find(tmp_path) is None


@pytest.mark.parametrize("like", PUBLISHED)
def test_miniatures_have_the_numbers_that_published_ones_have(tmp_path, like):
    """Scheduler and scaling, which no file of weights has, are written in one place."""
    FAMILY.miniature(tmp_path / "x", like)
    told = json.loads((tmp_path / "x" / "scheduler" / "scheduler_config.json").read_text())
    vae = json.loads((tmp_path / "x" / "vae" / "config.json").read_text())
    first = PUBLISHED[like].options["shift_scale"] == 3
    assert (told["snr_shift_scale"], vae["scaling_factor"]) == ((3.0, 1.15258426) if first else (1.0, 0.7))
