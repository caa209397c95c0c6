"""Folders as Tencent publish HunyuanVideo 1.5, by numbers of Tencent's own VAE and transformer.

tests/reference/hunyuan_video_15: vae_names.json and vae.npz as in its README; the transformer is that of the second
stage with as many channels as the first's has.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLConfig

from praxino.errors import ModelError, UserError
from praxino.families import _original
from praxino.families.hunyuan_video_15 import FAMILY, original
from praxino.weights import catalog, originals
from praxino.weights.importing import take_in

from .test_hunyuan_15_larger import REFERENCE, TOLERANCE, drawn, noted

VAE = json.loads((REFERENCE / "vae_names.json").read_text())
COLOURS, FONTS = {"white": 0, "black": 1}, {"en-Arial": 0, "cn-Kai": 3}


def in_halves(name: str, shape: list[int]) -> torch.Tensor:
    """A VAE's weight: `drawn`, half as far from what norms begin with."""
    one = torch.tensor(float(name.endswith("gamma")))
    return (drawn(name, shape) - one) * 0.5 + one


def published(home: Path, version: str) -> Path:
    """A folder as it is published: tiny networks of Tencent's, and a miniature's readers as others publish theirs."""
    from_picture = "i2v" in version
    mini = home.parent / "miniature"
    FAMILY.miniature(mini, "hunyuan-video-1.5-480p-i2v" if from_picture else "hunyuan-video-1.5-480p")
    names = {name: shape for name, shape in noted()["transformer"]["names"].items() if "time_r_in" not in name}
    names["img_in.proj.weight"] = [32, 9, 1, 1, 1]
    write(home / "transformer" / version, {name: drawn(name, shape) for name, shape in names.items()})
    (home / "transformer" / version / "config.json").write_text(json.dumps(noted()["transformer"]["config"]))
    write(home / "vae", {name: in_halves(name, shape) for name, shape in VAE["names"].items()})
    (home / "vae" / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKLConv3D", **VAE["config"]}))
    words = load_file(mini / "text_encoder" / "model.safetensors")
    told = json.loads((mini / "text_encoder" / "config.json").read_text())
    reader = {f"model.{name}": tensor for name, tensor in words.items()}
    write(home / "text_encoder" / "llm", {**reader, "visual.x": torch.ones(1), "lm_head.weight": torch.ones(1)})
    config = Qwen2_5_VLConfig(text_config=told, vision_config={"depth": 1, "hidden_size": 8, "num_heads": 1})
    config.save_pretrained(home / "text_encoder" / "llm")
    shutil.copytree(mini / "tokenizer", home / "text_encoder" / "llm", dirs_exist_ok=True)
    write_letters(home / "text_encoder", mini)
    if from_picture:
        for name in ("image_encoder", "feature_extractor"):
            shutil.copytree(mini / name, home / "vision_encoder" / "siglip" / name)
    return mini


def write(folder: Path, tensors: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "diffusion_pytorch_model.safetensors")


def write_letters(folder: Path, mini: Path) -> None:
    """ByT5 with four words more than its bytes."""
    letters = load_file(mini / "text_encoder_2" / "model.safetensors")
    taught = {name.removeprefix("encoder."): tensor for name, tensor in letters.items() if name != "shared.weight"}
    taught["embed_tokens.weight"] = torch.cat((letters["shared.weight"], torch.ones(4, 16)))
    glyphs = folder / "Glyph-SDXL-v2"
    for name in ("assets", "checkpoints"):
        (glyphs / name).mkdir(parents=True)
    (glyphs / "assets" / "color_idx.json").write_text(json.dumps(COLOURS))
    (glyphs / "assets" / "multilingual_10-lang_idx.json").write_text(json.dumps(FONTS))
    state = {f"module.text_tower.encoder.{name}": tensor for name, tensor in taught.items()}
    torch.save({"state_dict": {**state, "module.logit_scale": torch.ones(1)}}, glyphs / "checkpoints" / "byt5_model.pt")
    shutil.copytree(mini / "tokenizer_2", folder / "byt5-small")
    shutil.copy(mini / "text_encoder_2" / "config.json", folder / "byt5-small")


@torch.no_grad()
def test_tencents_vae_computes_what_it_computes(tmp_path):
    published(tmp_path / "ckpts", "480p_t2v")
    assert originals.convert(tmp_path / "ckpts", tmp_path / "ours", allow_pickle=True) == "HunyuanVideo 1.5"
    network = diffusers.AutoencoderKLHunyuanVideo15.from_pretrained(tmp_path / "ours" / "vae")
    with np.load(REFERENCE / "vae.npz") as file:
        latents, wanted = (torch.from_numpy(file[name]) for name in ("latents", "pixels"))
    pixels = torch.rand(1, 3, 5, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(network.encode(pixels).latent_dist.mode(), latents, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.decode(latents).sample, wanted, rtol=1e-4, atol=TOLERANCE)


@pytest.mark.parametrize(("version", "variant", "guidance", "steps"), [
    ("480p_t2v", "hunyuan-video-1.5-480p", 6.0, 50),
    ("720p_i2v_distilled", "hunyuan-video-1.5-720p-i2v", 1.0, 50),
    ("480p_i2v_step_distilled", "hunyuan-video-1.5-480p-i2v", 1.0, 12),
])  # fmt: skip
def test_the_folder_is_taken_in_and_loads(tmp_path, version, variant, guidance, steps):
    mini = published(tmp_path / "ckpts", version)
    with pytest.raises(UserError, match=r"praxino models import .* --name NAME --allow-pickle"):
        catalog.find(str(tmp_path / "ckpts"))
    take_in(tmp_path / "ckpts" / "transformer" / version, "mine", allow_pickle=True)
    entry = catalog.find("mine")
    found = entry.variant
    assert (found.name, found.guidance_phases[0].scale, found.steps) == (variant, guidance, steps)
    home = entry.require_path()
    parts = FAMILY.load(home, found, "float32", "cpu")
    assert parts.base.transformer.config.target_size == (960 if "720p" in version else 640)
    for name in ("text_encoder", "text_encoder_2"):
        ours, theirs = getattr(parts.base, name).state_dict(), load_file(mini / name / "model.safetensors")
        for key, tensor in theirs.items():
            assert torch.equal(ours[key][: len(tensor)], tensor), key
    letters = parts.base.tokenizer_2
    assert letters("<color-1>").input_ids[0] == 385 and letters("<cn-font-3>").input_ids[0] == 387
    assert len(letters) == parts.base.text_encoder_2.config.vocab_size == 388
    assert (getattr(parts.base, "image_encoder", None) is not None) == ("i2v" in version)


def test_what_is_missing_or_of_others_is_told(tmp_path):
    home = tmp_path / "ckpts"
    published(home, "480p_t2v")
    (home / "transformer" / "720p_sr_distilled").mkdir()
    assert _original.find(home) is not None and _original.find(home / "transformer" / "720p_sr_distilled") is None
    assets = home / original.GLYPHS / "assets" / "color_idx.json"
    assets.write_text(json.dumps({**COLOURS, "red": 2}))
    with pytest.raises(ModelError, match="knows 388 words, and the lists beside it tell of 389"):
        originals.convert(home, tmp_path / "ours", allow_pickle=True)
    shutil.copytree(home / "transformer" / "480p_t2v", home / "transformer" / "720p_t2v")
    with pytest.raises(UserError, match="of several transformers; name the folder of one"):
        _original.find(home)
    shutil.rmtree(home / "text_encoder" / "Glyph-SDXL-v2")
    with pytest.raises(UserError, match=r"has no text_encoder/Glyph-SDXL-v2/checkpoints/byt5_model\.pt"):
        _original.find(home / "transformer" / "480p_t2v")
    assert _original.find(tmp_path) is None
