"""Checkpoints on disk: what each is told to be, and transformers in the authors' names."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families.wan import FAMILY, load
from praxino.families.wan.identify import identify, read_facts
from praxino.families.wan.settings import from_options
from praxino.families.wan.variants import PUBLISHED

from .conftest import last, recipe_of

TO_AUTHORS = (
    (r"^condition_embedder\.time_embedder\.linear_1", "time_embedding.0"),
    (r"^condition_embedder\.time_embedder\.linear_2", "time_embedding.2"),
    (r"^condition_embedder\.text_embedder\.linear_1", "text_embedding.0"),
    (r"^condition_embedder\.text_embedder\.linear_2", "text_embedding.2"),
    (r"^condition_embedder\.time_proj", "time_projection.1"),
    (r"^condition_embedder\.image_embedder\.norm1", "img_emb.proj.0"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.0\.proj", "img_emb.proj.1"),
    (r"^condition_embedder\.image_embedder\.ff\.net\.2", "img_emb.proj.3"),
    (r"^condition_embedder\.image_embedder\.norm2", "img_emb.proj.4"),
    (r"^condition_embedder\.image_embedder\.pos_embed", "img_emb.emb_pos"),
    (r"^proj_out", "head.head"),
    (r"^scale_shift_table", "head.modulation"),
    (r"scale_shift_table", "modulation"),
    (r"attn1", "self_attn"), (r"attn2", "cross_attn"),
    (r"\.to_(q|k|v)\.", r".\1."), (r"\.to_out\.0\.", ".o."),
    (r"\.add_(k|v)_proj\.", r".\1_img."), (r"norm_added_k", "norm_k_img"),
    (r"ffn\.net\.0\.proj", "ffn.0"), (r"ffn\.net\.2", "ffn.2"),
    (r"norm2", "norm3"), (r"proj_in", "before_proj"), (r"proj_out", "after_proj"),
)  # fmt: skip
HEADS = {"num_heads": 2}


def in_authors_names(tensors: dict[str, torch.Tensor], prefix: str = "") -> dict[str, torch.Tensor]:
    renamed = {}
    for name, tensor in tensors.items():
        for pattern, ours in TO_AUTHORS:
            name = re.sub(pattern, ours, name)
        renamed[prefix + name] = tensor
    return renamed


def write_original(folder: Path, source: Path, prefix: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    tensors = load_file(source / "diffusion_pytorch_model.safetensors")
    save_file(in_authors_names(tensors, prefix), folder / "diffusion_pytorch_model.safetensors")
    told = json.loads((source / "config.json").read_text())
    extra = {"vace_layers": told["vace_layers"]} if "vace_layers" in told else {}
    (folder / "config.json").write_text(json.dumps({**HEADS, **extra}))


def with_companions(folder: Path, source: Path) -> Path:
    for name in ("vae", "text_encoder", "tokenizer", "image_encoder"):
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name)
    return folder


@pytest.mark.parametrize("like", PUBLISHED)
def test_a_folder_is_told_to_be_what_it_is(miniature, like) -> None:
    told, wanted = identify(miniature(like)), PUBLISHED[like]
    assert told is not None and told.name == f"{like}-miniature"
    ours, theirs = from_options(told.options), from_options(wanted.options)
    assert (ours.kind, ours.boundary, ours.shift) == (theirs.kind, theirs.boundary, theirs.shift)
    assert ours.num_layers == 3 and told.tasks == wanted.tasks and told.steering == wanted.steering


def test_a_published_name_and_size_tell_what_is_alike_apart(miniature, tmp_path) -> None:
    for like, name, wanted in (
        ("wan2.1-i2v-14b-480p", "Wan2.1-I2V-14B-720P-Diffusers", "wan2.1-i2v-14b-720p"),
        ("wan2.1-i2v-14b-480p", "somewhere", "wan2.1-i2v-14b-480p"),
        ("wan2.1-t2v-14b", "wan2.1-t2v-14b", "wan2.1-t2v-14b"),
    ):
        folder = tmp_path / name
        shutil.copytree(miniature(like), folder)
        (folder / "praxino.json").unlink()
        found = identify(folder)
        assert found is not None and found.name == wanted
    card = {"family": "wan", "variant": "wan2.2-ti2v-5b"}
    (tmp_path / "somewhere" / "praxino.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="mend the card"):
        identify(tmp_path / "somewhere")


def test_other_pipelines_and_files_are_not_wans(miniature, tmp_path) -> None:
    folder = tmp_path / "animate"
    shutil.copytree(miniature("wan2.1-t2v-1.3b"), folder)
    index = json.loads((folder / "model_index.json").read_text())
    index["transformer"] = ["diffusers", "WanAnimateTransformer3DModel"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert identify(folder) is None
    save_file({"blocks.0.self_attn.q.weight": torch.ones(2, 2)}, tmp_path / "lora.safetensors")
    assert identify(tmp_path / "lora.safetensors") is None


@pytest.mark.parametrize("like", [
    "wan2.1-t2v-1.3b", "wan2.1-i2v-14b-480p", "wan2.1-flf2v-14b", "wan2.1-vace-1.3b", "wan2.2-i2v-a14b",
    "wan2.2-ti2v-5b",
])  # fmt: skip
def test_a_folder_in_the_authors_names_is_the_same_network(miniature, loaded, tmp_path, like) -> None:
    _, parts = loaded(like)
    if len(parts.transformers) == 2:
        for ours, theirs in (("transformer", "high_noise_model"), ("transformer_2", "low_noise_model")):
            write_original(tmp_path / theirs, miniature(like) / ours)
    else:
        write_original(tmp_path, miniature(like) / "transformer")
    facts = read_facts(tmp_path)
    assert facts is not None and facts.kind == from_options(PUBLISHED[like].options).kind
    read = load.load_original(tmp_path, torch.float32)
    assert len(read) == len(parts.transformers)
    for ours, theirs in zip(read, parts.transformers, strict=True):
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())
        for key, value in theirs.config.items():
            if key != "rope_max_seq_len" and not key.startswith("_"):
                given = ours.config[key]
                assert (list(given) == list(value)) if isinstance(value, list | tuple) else given == value, key


def test_a_single_file_is_drawn_with_what_lies_beside_it_or_where_its_card_says(miniature, loaded, tmp_path) -> None:
    like = "wan2.1-t2v-1.3b"
    variant, parts = loaded(like)
    write_original(tmp_path / "one", miniature(like) / "transformer", prefix="model.diffusion_model.")
    home = with_companions(tmp_path / "one", miniature(like))
    file = home / "diffusion_pytorch_model.safetensors"
    recipe = recipe_of(variant, steps=2)
    wanted = last(FAMILY.denoise(recipe, parts, [], 3)).tensors["latents"]
    for path in (file, home):
        told = identify(path)
        assert told is not None
        drawn = last(FAMILY.denoise(recipe, FAMILY.load(path, told, "float32", "cpu"), [], 3)).tensors["latents"]
        torch.testing.assert_close(drawn, wanted, rtol=1e-4, atol=1e-5)
    alone = tmp_path / "two"
    write_original(alone, miniature(like) / "transformer")
    told = identify(alone)
    assert told is not None
    with pytest.raises(ModelError, match="transformer alone"):
        FAMILY.load(alone, told, "float32", "cpu")
    (alone / "praxino.json").write_text(json.dumps({"family": "wan", "variant": "mine", "components": "../one"}))
    told = identify(alone)
    assert told is not None and told.name == "mine"
    assert FAMILY.load(alone, told, "float32", "cpu").vae is not None


def test_shards_are_read_by_their_index_and_a_lost_one_is_told(miniature, tmp_path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(miniature("wan2.1-t2v-1.3b"), folder)
    inner = folder / "transformer"
    tensors = load_file(inner / "diffusion_pytorch_model.safetensors")
    (inner / "diffusion_pytorch_model.safetensors").unlink()
    names = sorted(tensors)
    files = {"part-1.safetensors": names[: len(names) // 2], "part-2.safetensors": names[len(names) // 2 :]}
    for file, part in files.items():
        save_file({name: tensors[name] for name in part}, inner / file)
    weights = {name: file for file, part in files.items() for name in part}
    (inner / "diffusion_pytorch_model.safetensors.index.json").write_text(json.dumps({"weight_map": weights}))
    told = identify(folder)
    assert told is not None
    assert FAMILY.load(folder, told, "float32", "cpu").transformer_2 is None
    (inner / "part-2.safetensors").unlink()
    with pytest.raises(ModelError, match="damaged or incomplete"):
        FAMILY.load(folder, told, "float32", "cpu")
