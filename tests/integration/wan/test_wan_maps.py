"""Maps that VACE follows, made of a clip by real tiny networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config
from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

from praxino.errors import ModelError
from praxino.families._stock import annotate
from praxino.families.wan import FAMILY, maps
from praxino.recipe import Companion

from .conftest import condition, last, picture, recipe_of


@pytest.fixture(scope="module")
def depth_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("depth")
    backbone = Dinov2Config(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, mlp_ratio=2, image_size=28, patch_size=14,
        out_features=["stage1", "stage2"], reshape_hidden_states=False, apply_layernorm=True,
    )  # fmt: skip
    config = DepthAnythingConfig(
        backbone_config=backbone, neck_hidden_sizes=[8, 8], reassemble_factors=[2, 1], fusion_hidden_size=8,
        reassemble_hidden_size=16, head_hidden_size=4, head_in_index=-1,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network = DepthAnythingForDepthEstimation(config)
        for weight in network.parameters():
            weight.data.normal_(std=0.3)
        network.save_pretrained(folder)
    DPTImageProcessorPil(
        size={"height": 28, "width": 28}, keep_aspect_ratio=True, ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225],
    ).save_pretrained(folder)  # fmt: skip
    return folder


def test_made_depth_is_the_map_given_ready(loaded, depth_folder) -> None:
    variant, parts = loaded("wan2.1-vace-1.3b")
    clip = picture(3, 32, 32, 5)
    made = recipe_of(variant, (condition("annotate:depth"),), control=("depth=clip.mp4",), steps=2)
    made = dataclasses.replace(made, companions=(Companion("annotator:depth", str(depth_folder)),))
    parts = FAMILY.equip(parts, made)
    network = parts.makers["depth"]
    drawn = last(FAMILY.denoise(made, parts, [clip], 3)).tensors["latents"]
    assert FAMILY.equip(parts, made).makers["depth"] is network
    ready = np.stack([annotate.depth(frame, network[1]) for frame in clip])
    given = recipe_of(variant, (condition("control:depth"),), control=("depth-map=clip.mp4",), steps=2)
    parts = FAMILY.equip(parts, given)
    assert not parts.makers
    assert torch.equal(last(FAMILY.denoise(given, parts, [ready], 3)).tensors["latents"], drawn)
    with pytest.raises(ModelError, match="damaged or incomplete"):
        FAMILY.equip(parts, dataclasses.replace(made, companions=(Companion("annotator:depth", "/nowhere"),)))


def test_grey_is_what_the_eye_sees_and_an_empty_scene_has_no_poses(monkeypatch) -> None:
    clip = np.zeros((2, 4, 4, 3), np.uint8)
    clip[0, :, :, 1], clip[1] = 200, 255
    assert maps.make("gray", clip, {})[:, 0, 0].tolist() == [[117] * 3, [255] * 3]
    monkeypatch.setattr(annotate, "people", lambda frame, detector: np.zeros((0, 4)))
    assert not maps.make("pose", clip, {"pose": (None, None), "person": (None, None)}).any()
