"""Folders as Wan's authors publish them: their networks by numbers of the authors' own code, and written whole.

tests/reference/wan/networks.json has the names and shapes of their modules at tiny size (Wan2.1 9737cba: vae.py, t5.py,
clip.py; Wan2.2 42bf4cf: vae2_2.py), networks.npz what they compute with the weights that `drawn` gives.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import zlib
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

from praxino.cli.convert import command
from praxino.errors import ModelError, UserError
from praxino.families import _original
from praxino.families.wan import FAMILY, original
from praxino.families.wan.variants import PUBLISHED
from praxino.weights import catalog, originals
from praxino.weights.importing import take_in

from .conftest import REFERENCE, last, recipe_of
from .test_wan_files import write_original

NAMES = json.loads((REFERENCE / "networks.json").read_text())
TOLERANCE = 2e-5
TO_AUTHORS_VAE = {
    "quant_conv": "conv1", "post_quant_conv": "conv2", "conv_in": "conv1", "norm_out": "head.0", "conv_out": "head.2",
}  # fmt: skip
IN_RESNET = {
    "norm1": "residual.0", "conv1": "residual.2", "norm2": "residual.3", "conv2": "residual.6",
    "conv_shortcut": "shortcut",
}  # fmt: skip


def drawn(name: str, shape: list[int]) -> torch.Tensor:
    """The weight of a name in the authors' networks, as it was when the numbers were taken."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    is_scale = name.endswith(("gamma", "norm.weight", "norm1.weight", "norm2.weight"))
    return torch.randn(shape, generator=generator) * 0.1 + float(is_scale)


def theirs(network: str) -> dict[str, torch.Tensor]:
    return {name: drawn(name, shape) for name, shape in NAMES[network].items()}


@pytest.fixture(scope="module")
def recorded():
    with np.load(REFERENCE / "networks.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


def folder_of(path: Path, miniature: Path, vae: str, others: dict[str, dict[str, torch.Tensor]]) -> Path:
    """A folder in the authors' layout: a miniature's transformer, and networks of `theirs` in pickles."""
    write_original(path, miniature / "transformer")
    torch.save(theirs("vae21" if "2.1" in vae else "vae22"), path / vae)
    for name, tensors in others.items():
        torch.save(tensors, path / name)
    shutil.copytree(miniature / "tokenizer", path / "google" / "umt5-xxl")
    return path


def written(folder: Path, target: Path) -> Path:
    assert originals.convert(folder, target, allow_pickle=True) == "Wan"
    return target


@pytest.mark.parametrize(("vae", "key", "side"), [("Wan2.1_VAE.pth", "vae21", 16), ("Wan2.2_VAE.pth", "vae22", 32)])
def test_the_authors_vaes_compute_what_they_compute(miniature, recorded, tmp_path, vae, key, side) -> None:
    from diffusers import AutoencoderKLWan

    others = {f"{original.T5}.pth": theirs("umt5")}
    source = folder_of(tmp_path / "theirs", miniature("wan2.1-t2v-1.3b"), vae, others)
    network = AutoencoderKLWan.from_pretrained(written(source, tmp_path / "ours") / "vae")
    pixels = torch.rand(1, 3, 5, side, side, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        latents = network.encode(pixels).latent_dist.mode()
        torch.testing.assert_close(latents, recorded[f"{key}_latents"], rtol=TOLERANCE, atol=TOLERANCE)
        drawn_again = network._decode(recorded[f"{key}_latents"], return_dict=False)[0]
    wanted = recorded[f"{key}_pixels"].clamp(-1, 1)
    torch.testing.assert_close(drawn_again.clamp(-1, 1), wanted, rtol=TOLERANCE, atol=TOLERANCE)


def test_the_authors_encoders_compute_what_they_compute(miniature, recorded, tmp_path) -> None:
    from transformers import CLIPVisionModel, UMT5EncoderModel

    others = {f"{original.T5}.pth": theirs("umt5"), f"{original.CLIP}.pth": theirs("clip")}
    source = folder_of(tmp_path / "theirs", miniature("wan2.1-i2v-14b-480p"), "Wan2.1_VAE.pth", others)
    home = written(source, tmp_path / "ours")
    reader = UMT5EncoderModel.from_pretrained(home / "text_encoder")
    eye = CLIPVisionModel.from_pretrained(home / "image_encoder")
    ids, mask = torch.tensor([[3, 7, 11, 2, 39, 0, 0]]), torch.tensor([[1, 1, 1, 1, 1, 0, 0]])
    pixels = torch.randn(1, 3, 28, 28, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        states = reader(input_ids=ids, attention_mask=mask)[0]
        seen = eye(pixel_values=pixels, output_hidden_states=True).hidden_states[-2]
    torch.testing.assert_close(states[:, :5], recorded["umt5_states"][:, :5], rtol=TOLERANCE, atol=TOLERANCE)
    torch.testing.assert_close(seen, recorded["clip_states"], rtol=TOLERANCE, atol=TOLERANCE)


def vae_in_authors_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A miniature's VAE of 2.1 by the authors' names; its levels have one resnet in the encoder, two in the decoder."""
    found = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        kind = parts.pop()
        if parts[-1] in TO_AUTHORS_VAE and len(parts) < 3:
            parts[-1] = TO_AUTHORS_VAE[parts[-1]]
        elif parts[1] == "mid_block":
            inner = ".".join(parts[4:])
            parts = [parts[0], "middle", {"resnets": str(2 * int(parts[3])), "attentions": "1"}[parts[2]]]
            parts.append(IN_RESNET.get(inner, inner))
        elif parts[1] == "down_blocks":
            parts[1] = "downsamples"
            parts[3:] = [IN_RESNET.get(".".join(parts[3:]), ".".join(parts[3:]))]
        else:
            level, what, place, *rest = parts[2:]
            inner = ".".join(rest)
            number = 3 * int(level) + (int(place) if what == "resnets" else 2)
            parts = [parts[0], "upsamples", str(number), IN_RESNET.get(inner, inner)]
        found[".".join((*parts, kind))] = tensor
    return found


def text_in_authors_names(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    renamed = {
        "shared": "token_embedding", "final_layer_norm": "norm", "0.layer_norm": "norm1", "1.layer_norm": "norm2",
        "0.SelfAttention.relative_attention_bias": "pos_embedding.embedding", "1.DenseReluDense.wi_0": "ffn.gate.0",
        "1.DenseReluDense.wi_1": "ffn.fc1", "1.DenseReluDense.wo": "ffn.fc2",
        **{f"0.SelfAttention.{part}": f"attn.{part}" for part in "qkvo"},
    }  # fmt: skip
    found = {}
    for name, tensor in tensors.items():
        layer = name.removesuffix(".weight").removeprefix("encoder.")
        if layer.startswith("block."):
            _, number, _, inner = layer.split(".", 3)
            found[f"blocks.{number}.{renamed[inner]}.weight"] = tensor
        elif layer in renamed:
            found[f"{renamed[layer]}.weight"] = tensor
    return found


@pytest.mark.parametrize(("like", "repository"), [
    ("wan2.1-t2v-14b", "Wan2.1-T2V-14B"), ("wan2.2-t2v-a14b", "Wan2.2-T2V-A14B"),
])  # fmt: skip
def test_an_imported_folder_draws_the_same(miniature, loaded, tmp_path, like, repository) -> None:
    """Once in the authors' names and pickles, once in diffusers' layout: bit for bit one clip."""
    ours, folder = miniature(like), tmp_path / repository
    places = (
        (("transformer", "high_noise_model"), ("transformer_2", "low_noise_model"))
        if PUBLISHED[like].options["boundary"]
        else (("transformer", ""),)
    )
    for inner, outer in places:
        write_original(folder / outer, ours / inner)
    vae = load_file(ours / "vae" / "diffusion_pytorch_model.safetensors")
    torch.save(vae_in_authors_names(vae), folder / "Wan2.1_VAE.pth")
    text = load_file(ours / "text_encoder" / "model.safetensors")
    torch.save(text_in_authors_names(text), folder / f"{original.T5}.pth")
    shutil.copytree(ours / "tokenizer", folder / "google" / "umt5-xxl")
    with pytest.raises(UserError, match="is a pickle"):
        take_in(folder, "mine")
    assert take_in(folder, "mine", allow_pickle=True).about == f"Wan, {like}"
    home = catalog.locate("mine")
    for name in ("vae", "text_encoder", *(place[0] for place in places)):
        stem = "model" if name == "text_encoder" else "diffusion_pytorch_model"
        here, there = (load_file(path / name / f"{stem}.safetensors") for path in (home, ours))
        assert here.keys() == there.keys() and all(torch.equal(here[key], there[key]) for key in here)
    index = json.loads((home / "model_index.json").read_text())
    pipeline = getattr(diffusers, index["_class_name"]).from_pretrained(home, local_files_only=True)
    assert pipeline.scheduler.config.flow_shift == PUBLISHED[like].options["shift"]
    entry = catalog.find("mine")
    assert entry.variant.name == like and not any(home.rglob("*.pth"))
    variant, parts = loaded(like)
    recipe = dataclasses.replace(recipe_of(variant, steps=2), negative_prompt="grey")
    again = FAMILY.load(home, entry.variant, "float32", "cpu")
    clips = [FAMILY.decode(recipe, each, last(FAMILY.denoise(recipe, each, [], 3))) for each in (again, parts)]
    np.testing.assert_array_equal(*clips)


@pytest.mark.parametrize("like", PUBLISHED)
def test_every_repository_of_theirs_becomes_the_variant_it_is(miniature, tmp_path, like) -> None:
    repository = PUBLISHED[like].source.rpartition("/")[2]
    source = tmp_path / repository[: -len("-diffusers")]
    mini = miniature(like)
    if (mini / "transformer_2").is_dir():
        write_original(source / "high_noise_model", mini / "transformer")
        write_original(source / "low_noise_model", mini / "transformer_2")
    else:
        write_original(source, mini / "transformer")
    vae = "Wan2.2_VAE.pth" if like == "wan2.2-ti2v-5b" else "Wan2.1_VAE.pth"
    torch.save(theirs("vae22" if "2.2" in vae else "vae21"), source / vae)
    torch.save(theirs("umt5"), source / f"{original.T5}.pth")
    if (mini / "image_encoder").is_dir():
        torch.save(theirs("clip"), source / f"{original.CLIP}.pth")
    shutil.copytree(mini / "tokenizer", source / "google" / "umt5-xxl")
    told = FAMILY.identify(written(source, tmp_path / "ours"))
    assert told is not None and told.name == like
    index, stock = (json.loads((path / "model_index.json").read_text()) for path in (tmp_path / "ours", mini))
    kinds = {name: value for name, value in stock.items() if name not in ("tokenizer", "transformer_2")}
    assert {name: index.get(name) for name in kinds} == kinds
    assert (tmp_path / "ours" / "transformer_2").is_dir() == (stock["transformer_2"] != [None, None])


def test_what_is_missing_or_damaged_is_told(miniature, tmp_path) -> None:
    mini = miniature("wan2.1-t2v-1.3b")
    source = folder_of(tmp_path / "theirs", mini, "Wan2.1_VAE.pth", {})
    with pytest.raises(UserError, match=rf"has no {original.T5}\.pth"):
        take_in(source, "mine", allow_pickle=True)
    torch.save({"blocks.0.attn.x.weight": torch.ones(1), **theirs("umt5")}, source / f"{original.T5}.pth")
    with pytest.raises(ModelError, match=r"not as Wan's authors name it: 'blocks\.0\.attn\.x\.weight'"):
        take_in(source, "mine", allow_pickle=True)
    cut = {name: tensor for name, tensor in theirs("umt5").items() if name != "blocks.1.ffn.fc2.weight"}
    torch.save(cut, source / f"{original.T5}.pth")
    with pytest.raises(ModelError, match="text_encoder is not whole"):
        originals.convert(source, tmp_path / "ours", allow_pickle=True)
    assert not (tmp_path / "ours").exists() and not list(tmp_path.glob(".ours*"))
    alone = tmp_path / "alone"
    write_original(alone, mini / "transformer")
    assert _original.find(alone) is None, "a transformer alone is kept as it is"


def test_a_folder_of_pickles_that_is_named_tells_how_to_take_it_in(miniature, tmp_path) -> None:
    source = folder_of(
        tmp_path / "Wan2.1-T2V-1.3B", miniature("wan2.1-t2v-1.3b"), "Wan2.1_VAE.pth",
        {f"{original.T5}.pth": theirs("umt5")},
    )  # fmt: skip
    with pytest.raises(UserError, match=r"praxino models import .* --name NAME --allow-pickle"):
        catalog.find(str(source))
    result = CliRunner().invoke(command, ["diffusers", str(source), str(tmp_path / "out"), "--allow-pickle"])
    assert result.exit_code == 0 and FAMILY.identify(tmp_path / "out") is not None
    told = FAMILY.identify(tmp_path / "out")
    assert told is not None and told.name == "wan2.1-t2v-1.3b"
    card = {"family": "wan", "variant": "mine", "components": str(miniature("wan2.1-t2v-1.3b"))}
    (source / "praxino.json").write_text(json.dumps(card))
    assert catalog.find(str(source)).variant.name == "mine", "what a card says is run as it lies"
