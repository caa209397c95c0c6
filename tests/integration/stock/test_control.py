"""ControlNets beside the pipelines, and the maps that they follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from praxino.errors import ModelError, UserError

PREFIXES = {"sdxl": "StableDiffusionXL", "stable-diffusion": "StableDiffusion"}


def write_controlnet(model: Any, folder: Path, kind: str = "ControlNetModel") -> Path:
    """A ControlNet for a miniature, whose last layers are not zero as they are before training."""
    import diffusers

    torch.manual_seed(len(folder.name))
    unet = model.parts.base.unet
    more = (
        {"num_trans_channel": 16, "num_trans_head": 2, "num_proj_channel": 16} if kind == "ControlNetUnionModel" else {}
    )
    shared = {"conditioning_embedding_out_channels": (8, 8, 8, 8), **more}
    names = (
        "in_channels", "down_block_types", "block_out_channels", "norm_num_groups", "layers_per_block",
        "cross_attention_dim", "attention_head_dim", "use_linear_projection", "addition_embed_type",
        "addition_time_embed_dim", "projection_class_embeddings_input_dim", "transformer_layers_per_block",
    )  # fmt: skip
    network = getattr(diffusers, kind)(**{name: unet.config[name] for name in names}, **shared)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.3)
    network.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def controlnets(models, tmp_path_factory):
    root = tmp_path_factory.mktemp("controlnets")
    return {
        (name, kind): write_controlnet(models(name), root / f"{name}-{kind}")
        for name in PREFIXES
        for kind in ("canny", "depth")
    } | {("sdxl", "union"): write_controlnet(models("sdxl"), root / "union", "ControlNetUnionModel")}


def network(folder: Path, kind: str = "ControlNetModel") -> Any:
    import diffusers

    return getattr(diffusers, kind).from_pretrained(folder)


@pytest.mark.parametrize("name", PREFIXES)
def test_a_map_is_followed(models, controlnets, picture, name: str) -> None:
    model, folder = models(name), controlnets[name, "canny"]
    drawn = model.draw(
        given=[("control:canny", picture, 0.7)], control=("canny-map=x.png",), companions=[("controlnet:canny", folder)]
    )
    guidance = model.variant.guidance_phases[0].scale
    call = model.by_hand(f"{PREFIXES[name]}ControlNetPipeline", controlnet=network(folder))
    wanted = call(
        image=Image.fromarray(picture), controlnet_conditioning_scale=0.7, height=64, width=64, guidance_scale=guidance
    )
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw())


@pytest.mark.parametrize("task", ["inpainting", "outpainting"])
def test_a_controlnet_fills_in_what_a_mask_covers(models, controlnets, picture, mask, task: str) -> None:
    model, folder = models("stable-diffusion"), controlnets["stable-diffusion", "canny"]
    given = [("image", picture, 1.0), ("mask", mask, 1.0), ("control:inpaint", picture, 0.9)]
    steered = {"control": ("inpaint-map=x.png",), "companions": [("controlnet:inpaint", folder)]}
    drawn = model.draw(task, given, **steered)
    told = picture.astype(np.float32).transpose(2, 0, 1)[None] / 255
    told[:, :, :, 32:] = -1
    wanted = model.by_hand("StableDiffusionControlNetInpaintPipeline", controlnet=network(folder))(
        image=Image.fromarray(picture), mask_image=Image.fromarray(mask), control_image=torch.from_numpy(told),
        controlnet_conditioning_scale=0.9, height=64, width=64, strength=1.0, guidance_scale=7.5,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)
    assert not np.array_equal(drawn, model.draw(task, given[:2]))
    with pytest.raises(UserError, match="does not follow such maps in text-to-image"):
        model.recipe(control=("inpaint-map=x.png",))


@pytest.mark.parametrize("name", PREFIXES)
def test_two_maps_are_followed(models, controlnets, picture, name: str) -> None:
    model, given = models(name), [("control:canny", picture, 0.7), ("control:depth", picture[::-1].copy(), 0.4)]
    companions = [(f"controlnet:{kind}", controlnets[name, kind]) for kind in ("canny", "depth")]
    drawn = model.draw(given=given, control=("canny-map=x.png", "depth-map=y.png"), companions=companions)
    guidance = model.variant.guidance_phases[0].scale
    nets = [network(folder) for _, folder in companions]
    wanted = model.by_hand(f"{PREFIXES[name]}ControlNetPipeline", controlnet=nets)(
        image=[Image.fromarray(frames) for _, frames, _ in given],
        controlnet_conditioning_scale=[0.7, 0.4], height=64, width=64, guidance_scale=guidance,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


@pytest.mark.parametrize("name", PREFIXES)
def test_a_map_is_followed_while_a_picture_is_changed(models, controlnets, picture, mask, name: str) -> None:
    model, folder = models(name), controlnets[name, "depth"]
    guidance = model.variant.guidance_phases[0].scale
    steered: dict[str, Any] = {"control": ("depth-map=x.png",), "companions": [("controlnet:depth", folder)]}
    map_ = picture[::-1].copy()
    shared: dict[str, Any] = {
        "image": Image.fromarray(picture), "control_image": Image.fromarray(map_), "guidance_scale": guidance,
        "controlnet_conditioning_scale": 0.8, "height": 64, "width": 64,
    }  # fmt: skip
    changed = model.draw(
        "image-to-image", [("image", picture, 0.5), ("control:depth", map_, 0.8)], strength=0.5, **steered
    )
    call = model.by_hand(f"{PREFIXES[name]}ControlNetImg2ImgPipeline", controlnet=network(folder))
    assert np.array_equal(changed, call(**shared, strength=0.5))
    filled = model.draw(
        "inpainting", [("image", picture, 1.0), ("mask", mask, 1.0), ("control:depth", map_, 0.8)], **steered
    )
    call = model.by_hand(f"{PREFIXES[name]}ControlNetInpaintPipeline", controlnet=network(folder))
    assert np.array_equal(filled, call(**shared, mask_image=Image.fromarray(mask), strength=1.0))


def test_a_union_controlnet_is_told_what_its_maps_are(models, controlnets, picture) -> None:
    model, folder = models("sdxl"), controlnets["sdxl", "union"]
    given = [("control:pose", picture, 0.7), ("control:canny", picture[::-1].copy(), 0.7)]
    companions = [("controlnet:pose", folder), ("controlnet:canny", folder)]
    drawn = model.draw(given=given, control=("pose-map=x.png", "canny-map=y.png"), companions=companions)
    nets = [kept[1] for role, kept in model.parts.kept.items() if role.startswith("controlnet:")]
    assert len(nets) == 2 and nets[0] is nets[1]
    call = model.by_hand("StableDiffusionXLControlNetUnionPipeline", controlnet=network(folder, "ControlNetUnionModel"))
    wanted = call(
        control_image=[Image.fromarray(frames) for _, frames, _ in given], control_mode=[0, 3],
        controlnet_conditioning_scale=[0.7, 0.7], height=64, width=64,
    )  # fmt: skip
    assert np.array_equal(drawn, wanted)


def test_a_union_controlnet_takes_part_in_changing_pictures(models, controlnets, picture, mask) -> None:
    model, folder = models("sdxl"), controlnets["sdxl", "union"]
    steered: dict[str, Any] = {"control": ("depth-map=x.png",), "companions": [("controlnet:depth", folder)]}
    given = [("image", picture, 0.5), ("control:depth", picture, 0.7)]
    changed = model.draw("image-to-image", given, strength=0.5, **steered)
    filled = model.draw("inpainting", [("mask", mask, 1.0), *given], **steered)
    assert changed.shape == filled.shape == (64, 64, 3)
    assert not np.array_equal(changed, model.draw("image-to-image", given[:1], strength=0.5))


def test_union_and_plain_controlnets_are_not_mixed(models, controlnets, picture) -> None:
    model = models("sdxl")
    companions = [("controlnet:pose", controlnets["sdxl", "union"]), ("controlnet:canny", controlnets["sdxl", "canny"])]
    with pytest.raises(ModelError, match="union"):
        model.draw(
            given=[("control:pose", picture, 1.0), ("control:canny", picture, 1.0)],
            control=("pose-map=x.png", "canny-map=y.png"), companions=companions,
        )  # fmt: skip


def test_what_is_no_controlnet_is_named(models, picture, tmp_path) -> None:
    with pytest.raises(ModelError, match="no ControlNet"):
        models("sdxl").draw(
            given=[("control:canny", picture, 1.0)], control=("canny-map=x.png",),
            companions=[("controlnet:canny", tmp_path)],
        )  # fmt: skip


def test_without_controls_the_base_is_drawn_again(models, controlnets, picture) -> None:
    model = models("stable-diffusion")
    before = model.draw()
    model.draw(
        given=[("control:canny", picture, 1.0)], control=("canny-map=x.png",),
        companions=[("controlnet:canny", controlnets["stable-diffusion", "canny"])],
    )  # fmt: skip
    assert np.array_equal(model.draw(), before)
    assert not any(role.startswith("controlnet:") for role in model.parts.kept)


def test_edges_are_found_in_a_photo(models, controlnets, picture) -> None:
    import cv2

    from praxino.families._stock import annotate

    edges = annotate.canny(picture)
    assert np.array_equal(edges[:, :, 0], cv2.Canny(picture, 100, 200))
    assert edges.shape == picture.shape and 0 < (edges == 255).mean() < 0.5
    model, companions = models("sdxl"), [("controlnet:canny", controlnets["sdxl", "canny"])]
    made = model.draw(given=[("annotate:canny", picture, 1.0)], control=("canny=x.png",), companions=companions)
    ready = model.draw(given=[("control:canny", edges, 1.0)], control=("canny-map=x.png",), companions=companions)
    assert np.array_equal(made, ready)


@pytest.fixture
def depth_model(tmp_path) -> Path:
    from transformers import DPTConfig, DPTForDepthEstimation, DPTImageProcessorPil

    torch.manual_seed(0)
    config = DPTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8,
        backbone_out_indices=[0, 1, 2, 3], neck_hidden_sizes=[8, 8, 8, 8], fusion_hidden_size=8, is_hybrid=False,
    )  # fmt: skip
    network = DPTForDepthEstimation(config)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, mean=0.05, std=0.2)
    network.save_pretrained(tmp_path)
    DPTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(tmp_path)
    return tmp_path


def test_depth_is_estimated_as_transformers_does(depth_model, picture) -> None:
    from transformers import pipeline

    from praxino.families._stock import annotate

    wide = np.concatenate([picture, picture], axis=1)
    made = annotate.depth(wide, annotate.load_depth(str(depth_model), "cpu"))
    estimator: Any = pipeline("depth-estimation", model=str(depth_model))  # pyright: ignore[reportCallIssue]
    near = np.array(estimator(Image.fromarray(wide))["predicted_depth"], np.float64)
    wanted = (near - near.min()) / (near.max() - near.min()) * 255
    assert made.shape == wide.shape and made.std() > 0
    assert np.abs(made[:, :, 0] - wanted).max() <= 1.01


def test_a_photos_depth_is_followed(models, controlnets, depth_model, picture) -> None:
    from praxino.families._stock import annotate

    model = models("sdxl")
    companions = [("controlnet:depth", controlnets["sdxl", "depth"]), ("annotator:depth", depth_model)]
    drawn = model.draw(given=[("annotate:depth", picture, 1.0)], control=("depth=x.png",), companions=companions)
    made = annotate.depth(picture, annotate.load_depth(str(depth_model), "cpu"))
    ready = model.draw(given=[("control:depth", made, 1.0)], control=("depth-map=x.png",), companions=companions)
    assert np.array_equal(drawn, ready)
