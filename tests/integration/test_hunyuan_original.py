"""Folders as Tencent publish HunyuanVideo and HunyuanVideo-I2V, by numbers of Tencent's own VAE.

tests/reference/hunyuan_video_i2v/vae_names.json: config, names and shapes of a tiny AutoencoderKLCausal3D
(HunyuanVideo-I2V at 1481c1d); vae.npz: a clip's latents, and the clip decoded from them.
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
from praxino.families._hunyuan import load
from praxino.families.hunyuan_video import FAMILY as WORDS
from praxino.families.hunyuan_video_i2v import FAMILY as PICTURES
from praxino.weights import catalog, originals
from praxino.weights.importing import take_in

REFERENCE = Path(__file__).parents[1] / "reference" / "hunyuan_video_i2v"
TRANSFORMER = REFERENCE / "transformer_token_replace.safetensors"
VAE = json.loads((REFERENCE / "vae_names.json").read_text())
TOLERANCE = 2e-5
TASKS = {"i2v": (PICTURES, "text_encoder_i2v"), "t2v": (WORDS, "text_encoder")}


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """The weight of a name, as it was when the numbers were taken."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    is_scale = "norm" in name and name.endswith(".weight") and len(shape) == 1
    return torch.randn(shape, generator=generator) * 0.1 + float(is_scale)


def published(ckpts: Path, task: str) -> Path:
    """A folder as it is published, of a tiny transformer and VAE of Tencent's and a miniature's encoders."""
    family, reader = TASKS[task]
    inner = ckpts / f"hunyuan-video-{task}-720p"
    (inner / "transformers").mkdir(parents=True)
    (inner / "vae").mkdir()
    torch.save({"module": load_file(TRANSFORMER)}, inner / "transformers" / "mp_rank_00_model_states.pt")
    vae = {f"vae.{name}": drawn(name, shape) for name, shape in VAE["names"].items()}
    torch.save({"state_dict": vae}, inner / "vae" / "pytorch_model.pt")
    (inner / "vae" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKLCausal3D", **VAE["config"]}))
    miniature = ckpts.parent / "miniature"
    family.miniature(miniature)
    for ours, theirs in (("text_encoder", reader), ("text_encoder_2", "text_encoder_2")):
        shutil.copytree(miniature / ours, ckpts / theirs)
        shutil.copytree(miniature / ours.replace("text_encoder", "tokenizer"), ckpts / theirs, dirs_exist_ok=True)
    if task == "i2v":
        shutil.copy(miniature / "image_processor" / "preprocessor_config.json", ckpts / reader)
    return ckpts


@torch.no_grad()
def test_tencents_vae_computes_what_it_computes(tmp_path):
    from diffusers import AutoencoderKLHunyuanVideo

    ckpts = published(tmp_path / "ckpts", "i2v")
    assert originals.convert(ckpts, tmp_path / "ours", allow_pickle=True) == "HunyuanVideo"
    network = AutoencoderKLHunyuanVideo.from_pretrained(tmp_path / "ours" / "vae")
    with np.load(REFERENCE / "vae.npz") as file:
        latents, wanted = (torch.from_numpy(file[name]) for name in ("latents", "pixels"))
    pixels = torch.rand(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(network.encode(pixels).latent_dist.mode(), latents, rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(network.decode(latents).sample, wanted, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(("task", "variant"), [("i2v", "hunyuan-video-i2v"), ("t2v", "hunyuan-video")])
def test_the_folder_is_taken_in_and_loads(tmp_path, task, variant):
    family, _ = TASKS[task]
    published(tmp_path / "HunyuanVideo" / "ckpts", task)
    origin = tmp_path / "HunyuanVideo"
    with pytest.raises(UserError, match=r"praxino models import .* --name NAME --allow-pickle"):
        catalog.find(str(origin))
    assert take_in(origin, "mine", allow_pickle=True).about.endswith(variant)
    entry = catalog.find("mine")
    home = entry.require_path()
    assert entry.family is family and entry.variant.licence and not any(home.rglob("*.pt"))
    parts = family.load(home, entry.variant, "float32", "cpu")
    wanted = load.filled(dict(parts.transformer.config), load_file(TRANSFORMER), torch.float32).state_dict()
    found = parts.transformer.state_dict()
    assert found.keys() == wanted.keys() and all(torch.equal(found[name], wanted[name]) for name in wanted)
    assert (parts.image_processor is not None) == (task == "i2v")
    assert parts.transformer.config.image_condition_type == ("token_replace" if task == "i2v" else None)


def test_it_is_found_by_any_of_its_folders_and_told_what_it_lacks(tmp_path):
    ckpts = published(tmp_path / "ckpts", "i2v")
    for folder in (tmp_path, ckpts, ckpts / "hunyuan-video-i2v-720p"):
        found = _original.find(folder)
        assert found is not None and found.files[0].name == "mp_rank_00_model_states.pt"
    assert _original.find(ckpts / "text_encoder_2") is None
    (ckpts / "hunyuan-video-i2v-720p" / "vae" / "pytorch_model.pt").unlink()
    shutil.rmtree(ckpts / "text_encoder_2")
    with pytest.raises(UserError, match=r"has no text_encoder_2/, hunyuan-video-i2v-720p/vae/pytorch_model\.pt"):
        _original.find(ckpts)
