"""Clips that follow the edges and the depth of another, with tiny ControlNets and a tiny depth model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import ControlNetModel
from safetensors.torch import save_file
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config, DPTImageProcessorPil

from praxino.errors import ModelError
from praxino.families._stock import annotate
from praxino.families.hotshot_xl import FAMILY, pictures
from praxino.families.hotshot_xl.miniature import UNET
from praxino.recipe import Companion, Lora, Recipe

CLIP = np.zeros((4, 64, 64, 3), np.uint8)
for index, frame in enumerate(CLIP):
    frame[16:48, 8 + 8 * index : 32 + 8 * index] = 255


@pytest.fixture(scope="module")
def controlnets(tmp_path_factory) -> dict[str, Path]:
    """ControlNets whose last layers are not zero, as untrained ones' are."""
    found = {}
    for seed, kind in enumerate(("canny", "depth")):
        torch.manual_seed(seed)
        kinds = [name.replace("3D", "2D") for name in UNET["down_block_types"]]
        shared = {
            key: value for key, value in UNET.items() if key not in ("_class_name", "sample_size", "out_channels")
        }
        shared = {
            key: value for key, value in shared.items() if not key.endswith("block_type") and "up_block" not in key
        }
        network = ControlNetModel(
            **{**shared, "down_block_types": kinds, "conditioning_embedding_out_channels": [8, 8, 16, 16]}
        )
        for name, weight in network.named_parameters():
            if "controlnet_" in name:
                torch.nn.init.normal_(weight, std=0.2)
        found[kind] = tmp_path_factory.mktemp(kind)
        network.save_pretrained(found[kind])
    return found


@pytest.fixture(scope="module")
def depth_model(tmp_path_factory) -> Path:
    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("depth-model")
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        out_indices=[1, 2], reshape_hidden_states=False,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=16, reassemble_factors=[2, 1], neck_hidden_sizes=[8, 8],
        fusion_hidden_size=8, head_hidden_size=8,
    )  # fmt: skip
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    DPTImageProcessorPil(size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def located(recipe: Recipe, **paths: Path) -> Recipe:
    """The recipe with its companions where they lie, which is the engine's work."""
    companions = tuple(Companion(one.role, str(paths[one.role.partition(":")[0]])) for one in recipe.companions)
    return dataclasses.replace(recipe, companions=companions)


def wish(recipe_of: Any, said: str, *, scale: float = 0.7) -> Recipe:
    role = f"control:{said.removesuffix('-map')}" if said.endswith("-map") else f"annotate:{said}"
    return recipe_of(roles=((role, scale),), num_frames=4, control=(f"{said}=clip.gif",))


def test_a_map_steers_by_its_scale(parts, recipe_of, draw, controlnets) -> None:
    plain = draw(parts, recipe_of(num_frames=4))
    drawn = {}
    for scale in (0.0, 0.7):
        recipe = located(wish(recipe_of, "canny-map", scale=scale), controlnet=controlnets["canny"])
        drawn[scale] = draw(parts, recipe, [CLIP])
    assert np.array_equal(drawn[0.0], plain)
    assert not np.array_equal(drawn[0.7], plain)


def test_a_clip_is_resampled_and_cut_to_the_aspect(parts, recipe_of, draw, controlnets) -> None:
    recipe = located(wish(recipe_of, "canny-map"), controlnet=controlnets["canny"])
    long = np.repeat(np.pad(CLIP, ((0, 0), (0, 0), (32, 32), (0, 0))), 3, axis=0)[1:-1]
    assert np.array_equal(draw(parts, recipe, [long]), draw(parts, recipe, [CLIP]))


def test_edges_are_found_first(parts, recipe_of, draw, controlnets) -> None:
    edges = np.stack([annotate.canny(frame) for frame in CLIP])
    by_hand = located(wish(recipe_of, "canny-map"), controlnet=controlnets["canny"])
    found = located(wish(recipe_of, "canny"), controlnet=controlnets["canny"])
    assert np.array_equal(draw(parts, found, [CLIP]), draw(parts, by_hand, [edges]))
    assert not np.array_equal(draw(parts, found, [CLIP]), draw(parts, by_hand, [CLIP]))


def test_depth_is_estimated_first(parts, recipe_of, draw, controlnets, depth_model) -> None:
    found = located(wish(recipe_of, "depth"), controlnet=controlnets["depth"], annotator=depth_model)
    near = np.stack([annotate.depth(frame, annotate.load_depth(str(depth_model), "cpu")) for frame in CLIP])
    by_hand = located(wish(recipe_of, "depth-map"), controlnet=controlnets["depth"])
    assert np.array_equal(draw(parts, found, [CLIP]), draw(parts, by_hand, [near]))
    assert near.std() > 0


def test_two_controls_at_once(parts, recipe_of, draw, controlnets) -> None:
    said = ("canny-map=a.gif", "depth-map=b.gif")
    roles = (("control:canny", 0.7), ("control:depth", 0.5))
    recipe = recipe_of(roles=roles, num_frames=4, control=said)
    paths = [str(controlnets["canny"]), str(controlnets["depth"])]
    companions = tuple(Companion(one.role, path) for one, path in zip(recipe.companions, paths, strict=True))
    both = draw(parts, dataclasses.replace(recipe, companions=companions), [CLIP, 255 - CLIP])
    one = draw(parts, located(wish(recipe_of, "canny-map"), controlnet=controlnets["canny"]), [CLIP])
    swapped = draw(parts, dataclasses.replace(recipe, companions=companions), [255 - CLIP, CLIP])
    assert len({both.tobytes(), one.tobytes(), swapped.tobytes()}) == 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_draws_about_the_same(
    miniature, variant, parts, recipe_of, draw, controlnets, tmp_path: Path, dtype: str
) -> None:
    name, ones = "unet.mid_block.attentions.0.proj_in", torch.ones(2, 32) / 8
    save_file({f"{name}.lora_A.weight": ones, f"{name}.lora_B.weight": ones.T.contiguous()}, tmp_path / "l.safetensors")
    laid = dataclasses.replace(wish(recipe_of, "canny-map"), loras=(Lora(str(tmp_path / "l.safetensors"), 0.5, ""),))
    recipe = located(laid, controlnet=controlnets["canny"])
    half = draw(FAMILY.load(miniature, variant, dtype, "cpu"), recipe, [CLIP])
    assert np.abs(half.astype(float) - draw(parts, recipe, [CLIP])).mean() < 8


def test_controlnets_go_when_no_longer_wanted(parts, recipe_of, controlnets) -> None:
    FAMILY.equip(parts, located(wish(recipe_of, "canny-map"), controlnet=controlnets["canny"]))
    (kept,) = parts.companions.values()
    FAMILY.equip(parts, located(wish(recipe_of, "canny-map"), controlnet=controlnets["canny"]))
    assert list(parts.companions.values()) == [kept]
    FAMILY.equip(parts, recipe_of())
    assert parts.companions == {}


def test_what_is_no_controlnet_is_a_model_error(parts, recipe_of, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="incomplete"):
        FAMILY.equip(parts, located(wish(recipe_of, "canny-map"), controlnet=tmp_path))


def test_the_originals_controlnets_are_named(recipe_of) -> None:
    recipe = recipe_of(control=("canny-map=a.gif", "depth=b.gif:0.5"))
    assert [(one.role, one.path) for one in recipe.companions] == [
        ("controlnet:canny", "diffusers/controlnet-canny-sdxl-1.0"),
        ("controlnet:depth", "diffusers/controlnet-depth-sdxl-1.0"),
        ("annotator:depth", "LiheYoung/depth-anything-large-hf"),
    ]
    own = recipe_of(control=("canny-map=a.gif",), controlnet=("./mine",))
    assert [one.path for one in own.companions] == ["./mine"]


def test_maps_keep_their_pixels() -> None:
    fitted = pictures.filled(CLIP, 64, 64)
    assert np.array_equal(fitted, CLIP)
