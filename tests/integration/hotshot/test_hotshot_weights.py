"""Temporal layers over other spatial ones, the layouts that they come in, and conversion."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers import AnimateDiffSDXLPipeline
from safetensors.torch import load_file, save_file

from praxino.cli.app import app
from praxino.engine.resolve import resolve
from praxino.engine.run import run as run_recipe
from praxino.errors import ModelError, UserError
from praxino.families.hotshot_xl import FAMILY, load_unet
from praxino.families.hotshot_xl.convert import convert
from praxino.families.hotshot_xl.miniature import UNET, original_names
from praxino.families.hotshot_xl.networks import no_progress_bars
from praxino.families.hotshot_xl.unet import renamed
from praxino.recipe import Companion, Recipe
from praxino.request import Request

WEIGHTS = "diffusion_pytorch_model.safetensors"
NETWORKS = (
    ("unet", WEIGHTS),
    ("vae", WEIGHTS),
    ("text_encoder", "model.safetensors"),
    ("text_encoder_2", "model.safetensors"),
)


def shaken(tensors: dict[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    """Other weights of the same shapes and about the same size."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: (tensor.float() + torch.randn(tensor.shape, generator=generator) / 50).half()
        for name, tensor in tensors.items()
    }


@pytest.fixture(scope="module")
def base(miniature, tmp_path_factory) -> Path:
    """An SDXL folder in diffusers' layout, other than the miniature in every network."""
    folder = tmp_path_factory.mktemp("base") / "sdxl"
    shutil.copytree(miniature, folder)
    (folder / "praxino.json").unlink()
    for seed, (name, file) in enumerate(NETWORKS):
        tensors = load_file(folder / name / file)
        spatial = {key: tensor for key, tensor in tensors.items() if "temporal" not in key}
        save_file(shaken(spatial, seed), folder / name / file, {"format": "pt"})
    config = json.dumps({**UNET, "_class_name": "UNet2DConditionModel"}).replace("3D", "2D")
    (folder / "unet" / "config.json").write_text(config)
    return folder


@pytest.fixture(scope="module")
def merged(miniature, base, tmp_path_factory) -> Path:
    """Hotshot-XL with everything of the base, put together by hand: the oracle."""
    folder = tmp_path_factory.mktemp("merged") / "hotshot"
    shutil.copytree(base, folder)
    shutil.copyfile(miniature / "praxino.json", folder / "praxino.json")
    shutil.copyfile(miniature / "unet" / "config.json", folder / "unet" / "config.json")
    temporal = {key: tensor for key, tensor in load_file(miniature / "unet" / WEIGHTS).items() if "temporal" in key}
    save_file({**load_file(base / "unet" / WEIGHTS), **temporal}, folder / "unet" / WEIGHTS)
    return folder


@pytest.fixture(scope="module")
def temporal(miniature, tmp_path_factory) -> Path:
    """The temporal layers in a file of their own."""
    file = tmp_path_factory.mktemp("temporal") / "hsxl_temporal_layers.f16.safetensors"
    tensors = load_file(miniature / "unet" / WEIGHTS)
    save_file({key: tensor for key, tensor in tensors.items() if "temporal" in key}, file)
    return file


@pytest.fixture(scope="module")
def single(base, tmp_path_factory) -> Path:
    """The base as one file, with the names of Stability's own code."""
    file = tmp_path_factory.mktemp("single") / "my-sdxl.safetensors"
    save_file(stability_names(base), file)
    return file


def stability_names(base: Path) -> dict[str, torch.Tensor]:
    """What diffusers' conversion undoes, told by having it convert names."""
    from diffusers.loaders import single_file_utils as library

    unet, vae = load_file(base / "unet" / WEIGHTS), load_file(base / "vae" / WEIGHTS)
    found = {}
    for ours, tensor in unet.items():
        found["model.diffusion_model." + unet_name(ours)] = tensor
    back = library.convert_ldm_unet_checkpoint(dict(found), {**UNET})
    assert back.keys() == unet.keys() and all(torch.equal(back[key], unet[key]) for key in unet)
    for ours, tensor in vae.items():
        square = "attentions" in ours and tensor.ndim == 2
        found["first_stage_model." + vae_name(ours)] = tensor[:, :, None, None].clone() if square else tensor
    for ours, tensor in load_file(base / "text_encoder" / "model.safetensors").items():
        found["conditioner.embedders.0.transformer.text_model." + ours.removeprefix("text_model.")] = tensor
    found |= open_clip(load_file(base / "text_encoder_2" / "model.safetensors"))
    return {key: tensor.contiguous() for key, tensor in found.items()}


RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
TOP = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip


def unet_name(ours: str) -> str:
    for one, other in TOP.items():
        if ours.startswith(one + "."):
            return ours.replace(one, other)
    block, number, kind, index, *rest = ours.split(".")
    if block == "mid_block":
        kind, index, rest = number, kind, [index, *rest]
        home = f"middle_block.{1 if kind == 'attentions' else 2 * int(index)}"
    elif block == "down_blocks":
        home = f"input_blocks.{3 * int(number) + (3 if kind == 'downsamplers' else 1 + int(index))}"
        home += {"resnets": ".0", "attentions": ".1", "downsamplers": ".0"}[kind]
    else:
        home = f"output_blocks.{3 * int(number) + (2 if kind == 'upsamplers' else int(index))}"
        home += {"resnets": ".0", "attentions": ".1", "upsamplers": ".2"}[kind]
    if kind == "resnets":
        rest[0] = RESNET[rest[0]]
    elif kind == "downsamplers":
        rest[0] = "op"
    return ".".join([home, *rest])


def vae_name(ours: str) -> str:
    pairs = (
        ("mid_block.resnets.0", "mid.block_1"), ("mid_block.resnets.1", "mid.block_2"),
        ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"), ("mid_block.attentions.0.to_q", "mid.attn_1.q"),
        ("mid_block.attentions.0.to_k", "mid.attn_1.k"), ("mid_block.attentions.0.to_v", "mid.attn_1.v"),
        ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"), ("conv_norm_out", "norm_out"),
        ("conv_shortcut", "nin_shortcut"), ("downsamplers.0", "downsample"), ("upsamplers.0", "upsample"),
        ("down_blocks.", "down."), (".resnets.", ".block."),
    )  # fmt: skip
    if "up_blocks." in ours:
        number = int(ours.split("up_blocks.")[1][0])
        ours = ours.replace(f"up_blocks.{number}", f"up.{3 - number}")
    for one, other in pairs:
        ours = ours.replace(one, other)
    return ours


def open_clip(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    prefix, found = "conditioner.embedders.1.model.", {}
    plain = {key.removeprefix("text_model."): tensor for key, tensor in tensors.items()}
    found[prefix + "positional_embedding"] = plain["embeddings.position_embedding.weight"]
    found[prefix + "token_embedding.weight"] = plain["embeddings.token_embedding.weight"]
    found[prefix + "text_projection"] = plain["text_projection.weight"].T
    pairs = (("layer_norm1", "ln_1"), ("layer_norm2", "ln_2"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"))
    for key, tensor in plain.items():
        if key.startswith("final_layer_norm"):
            found[prefix + key.replace("final_layer_norm", "ln_final")] = tensor
        if not key.startswith("encoder.layers."):
            continue
        name = key.replace("encoder.layers.", prefix + "transformer.resblocks.").replace("self_attn", "attn")
        if ".q_proj." in name:
            joined = [plain[key.replace("q_proj", f"{part}_proj")] for part in "qkv"]
            found[name.replace(".q_proj.", ".in_proj_")] = torch.cat(joined)
        elif ".k_proj." not in name and ".v_proj." not in name:
            for one, other in pairs:
                name = name.replace(one, other)
            found[name] = tensor
    return found


def over(recipe: Recipe, path: Path) -> Recipe:
    return dataclasses.replace(recipe, companions=(Companion("spatial-base", str(path)),))


def loaded(folder: Path) -> Any:
    variant = FAMILY.identify(folder)
    assert variant is not None
    return FAMILY.load(folder, variant, "float32", "cpu")


@pytest.fixture(scope="module")
def wanted(merged) -> Any:
    return loaded(merged)


def test_a_folder_gives_all_that_it_has(parts, recipe_of, draw, base, wanted) -> None:
    own = draw(parts, recipe_of())
    laid = draw(parts, over(recipe_of(), base))
    assert np.array_equal(laid, draw(wanted, recipe_of()))
    assert not np.array_equal(laid, own)
    assert np.array_equal(draw(parts, recipe_of()), own)


def test_a_base_that_has_changed_is_read_again(parts, recipe_of, draw, base, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "mine")
    recipe = over(recipe_of(), tmp_path / "mine")
    before = draw(parts, recipe)
    save_file(shaken(load_file(base / "unet" / WEIGHTS), 9), tmp_path / "mine" / "unet" / WEIGHTS)
    (companion,) = recipe.companions
    changed = dataclasses.replace(recipe, companions=(dataclasses.replace(companion, sha256="of the new files"),))
    assert not np.array_equal(draw(parts, changed), before)


def test_a_single_file_gives_the_same(parts, recipe_of, draw, single, wanted) -> None:
    laid = draw(parts, over(recipe_of(), single)).astype(int)
    off = np.abs(laid - draw(wanted, recipe_of()))
    assert off.max() <= 1 and (off > 0).mean() < 0.001


def test_a_single_file_without_vae_and_words_leaves_those_of_hotshot(parts, recipe_of, draw, single, base, tmp_path):
    part = {key: tensor for key, tensor in load_file(single).items() if key.startswith("model.")}
    save_file(part, tmp_path / "unet-only.safetensors")
    one = draw(parts, over(recipe_of(), tmp_path / "unet-only.safetensors"))
    other = draw(parts, over(recipe_of(), base / "unet"))
    off = np.abs(one.astype(int) - other)
    assert off.max() <= 1 and (off > 0).mean() < 0.001


def test_temporal_layers_alone_take_the_rest_from_the_base(recipe_of, draw, temporal, base, wanted) -> None:
    variant = FAMILY.identify(temporal)
    assert variant is not None and variant.needs == ("spatial-base",)
    with pytest.raises(UserError, match="temporal layers alone"):
        recipe_of(of=variant)
    alone = FAMILY.load(temporal, variant, "float32", "cpu")
    recipe = over(recipe_of(), base)
    assert np.array_equal(draw(alone, recipe), draw(wanted, recipe_of()))
    assert FAMILY.identify(temporal.parent) == variant


def test_temporal_layers_with_the_small_files_beside_them_take_a_single_file(
    recipe_of, draw, temporal, single, miniature, wanted, tmp_path: Path
) -> None:
    shutil.copytree(miniature, tmp_path / "light")
    (tmp_path / "light" / "unet" / WEIGHTS).unlink()
    shutil.copy(temporal, tmp_path / "light")
    parts = loaded(tmp_path / "light")
    off = np.abs(draw(parts, over(recipe_of(), single)).astype(int) - draw(wanted, recipe_of()))
    assert off.max() <= 1 and (off > 0).mean() < 0.001


def test_what_a_single_file_lacks_is_told(recipe_of, temporal, single) -> None:
    with pytest.raises(ModelError, match=r"unet is incomplete: it has no config.json"):
        FAMILY.equip(loaded(temporal), over(recipe_of(), single))


def test_a_base_of_another_width_is_refused(parts, recipe_of, base, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "wide")
    config = json.dumps({**UNET, "_class_name": "UNet2DConditionModel", "block_out_channels": [32, 32, 64]})
    (tmp_path / "wide" / "unet" / "config.json").write_text(config)
    with pytest.raises(ModelError, match="do not fit on"):
        FAMILY.equip(parts, over(recipe_of(), tmp_path / "wide"))


def test_a_base_that_fills_in_pictures_is_refused(parts, recipe_of, base, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / "inpainting")
    tensors = load_file(base / "unet" / WEIGHTS)
    save_file({**tensors, "conv_in.weight": torch.zeros(32, 9, 3, 3)}, tmp_path / "inpainting" / "unet" / WEIGHTS)
    config = json.dumps({**UNET, "_class_name": "UNet2DConditionModel", "in_channels": 9})
    (tmp_path / "inpainting" / "unet" / "config.json").write_text(config)
    with pytest.raises(ModelError, match="takes 9 channels"):
        FAMILY.equip(parts, over(recipe_of(), tmp_path / "inpainting"))


def test_what_is_no_sdxl_is_refused_before_anything_is_loaded(recipe_of, base, single, miniature, tmp_path) -> None:
    assert recipe_of(spatial_base=str(base)).companions == (Companion("spatial-base", str(base)),)
    assert recipe_of(spatial_base=str(base / "unet")) and recipe_of(spatial_base=str(single))
    for path in (tmp_path, miniature, base / "vae" / WEIGHTS):
        with pytest.raises(UserError, match="no SDXL checkpoint"):
            recipe_of(spatial_base=str(path))


def test_loras_are_laid_over_the_base(parts, recipe_of, draw, base, tmp_path: Path) -> None:
    name = "unet.mid_block.attentions.0.proj_in"
    save_file({f"{name}.lora_{side}.weight": torch.ones(*shape) for side, shape in (("A", (2, 32)), ("B", (32, 2)))},
              tmp_path / "style.safetensors")  # fmt: skip
    plain = draw(parts, over(recipe_of(), base))
    laid = draw(parts, over(recipe_of(loras=((tmp_path / "style.safetensors", 0.3),)), base))
    assert not np.array_equal(laid, plain)
    assert np.array_equal(draw(parts, over(recipe_of(), base)), plain)


class TestConversion:
    def test_it_draws_the_same_pixels(self, miniature, parts, recipe_of, draw, tmp_path: Path) -> None:
        result = CliRunner().invoke(app, ["convert", "hotshot-xl", str(miniature), str(tmp_path / "converted")])
        assert result.exit_code == 0, result.output
        converted = tmp_path / "converted"
        assert FAMILY.identify(converted) == FAMILY.identify(miniature)
        assert np.array_equal(draw(loaded(converted), recipe_of()), draw(parts, recipe_of()))
        for one, other in zip(load_unet(miniature).parameters(), load_unet(converted).parameters(), strict=True):
            assert torch.equal(one, other)

    @pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
    def test_the_stock_pipeline_reads_it(self, miniature, tmp_path: Path) -> None:
        convert(miniature, tmp_path / "converted")
        with no_progress_bars():
            pipeline = AnimateDiffSDXLPipeline.from_pretrained(tmp_path / "converted", dtype=torch.float32)
        pipeline.set_progress_bar_config(disable=True)
        ours = load_unet(tmp_path / "converted").state_dict()
        assert all(
            torch.equal(tensor, ours[name]) for name, tensor in pipeline.unet.state_dict().items() if "pe" not in name
        )
        adapter = pipeline.motion_adapter.state_dict()
        assert adapter.keys() == {name for name in ours if "motion_modules" in name}
        frames = pipeline("a cat", num_frames=2, width=64, height=64, num_inference_steps=1, output_type="np").frames
        assert frames.shape == (1, 2, 64, 64, 3)

    def test_number_formats_are_kept(self, miniature, tmp_path: Path) -> None:
        convert(miniature, tmp_path / "converted")
        tensors = load_file(tmp_path / "converted" / "unet" / WEIGHTS)
        assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}

    def test_the_network_alone_can_be_converted(self, miniature, tmp_path: Path) -> None:
        assert convert(miniature / "unet", tmp_path / "alone") == ["motion_adapter", "unet"]
        one, other = load_unet(tmp_path / "alone"), load_unet(miniature)
        assert all(map(torch.equal, one.parameters(), other.parameters()))

    def test_what_is_in_the_way_is_told_and_nothing_is_written(self, miniature, temporal, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        for source, target, match in (
            (miniature, tmp_path / "there", "there already"),
            (miniature, tmp_path / "no" / "where", "is not there"),
            (tmp_path / "there", tmp_path / "new", "no Hotshot-XL folder"),
            (temporal, tmp_path / "new", "temporal layers alone"),
        ):
            with pytest.raises(UserError, match=match):
                convert(source, target)
        broken = tmp_path / "broken"
        shutil.copytree(miniature, broken)
        (broken / "unet" / WEIGHTS).write_bytes((broken / "unet" / WEIGHTS).read_bytes()[:-100])
        with pytest.raises(ModelError, match="damaged"):
            convert(broken, tmp_path / "new")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "there"]


def test_names_go_there_and_back(miniature) -> None:
    tensors = load_file(miniature / "unet" / WEIGHTS)
    assert original_names(renamed(tensors)).keys() == tensors.keys()


def test_the_engine_runs_it_with_base_and_lora_and_runs_its_recipe_again(miniature, base, tmp_path: Path) -> None:
    name = "unet.mid_block.attentions.0.proj_in"
    save_file({f"{name}.lora_{side}.weight": torch.ones(*shape) for side, shape in (("A", (2, 32)), ("B", (32, 2)))},
              tmp_path / "style.safetensors")  # fmt: skip
    lora = f"{tmp_path / 'style.safetensors'}:0.8"
    request = Request(
        prompt="a bulldog", model=str(miniature), spatial_base=str(base), lora=(lora,), seed=3, n=2, steps=2, frames=3
    )
    recipe = resolve(request).recipe
    clips = run_recipe(recipe, lambda event: None)
    assert [clip.shape for clip in clips] == [(3, 64, 64, 3)] * 2
    again = run_recipe(Recipe.from_json(json.loads(json.dumps(recipe.to_json()))), lambda event: None)
    assert all(map(np.array_equal, clips, again))
    assert np.array_equal(run_recipe(recipe.single(1), lambda event: None)[0], clips[1])


def test_a_control_keeps_the_originals_scale(miniature, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (64, 64)).save(tmp_path / "map.png")
    (tmp_path / "net").mkdir()
    wish = {"prompt": "a cat", "model": str(miniature), "controlnet": (str(tmp_path / "net"),)}
    for said, scale in (("", 0.7), (":1.2", 1.2)):
        recipe = resolve(Request(control=(f"canny-map={tmp_path / 'map.png'}{said}",), **wish)).recipe
        assert [condition.strength for condition in recipe.conditions] == [scale]
