"""Poses found in photos and drawn: beside OpenCV's drawing, and joints and people worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from praxino.errors import UserError
from praxino.families._stock import annotate, skeleton

PHOTO = np.random.default_rng(3).integers(0, 256, (96, 64, 3), np.uint8)
STANDING = {
    0: (60, 20), 5: (80, 50), 6: (40, 50), 7: (95, 90), 8: (25, 90), 9: (100, 130), 10: (20, 130),
    11: (70, 130), 12: (50, 130), 13: (72, 175), 14: (48, 175), 15: (74, 220), 16: (46, 220),
    1: (66, 15), 2: (54, 15), 3: (74, 20), 4: (46, 20),
}  # fmt: skip
"""COCO's joints of somebody who faces us: his left is on our right."""


def person(places: dict[int, tuple[int, int]], score: float = 0.9) -> np.ndarray:
    found = np.zeros((17, 3))
    for joint, place in places.items():
        found[joint] = (*place, score)
    return found


def opencvs(joints: list[tuple[float, float] | None], width: int, height: int) -> np.ndarray:
    """The same figure with the functions that ControlNet's authors use."""
    canvas = np.zeros((height, width, 3), np.uint8)
    for colour, (start, end) in zip(skeleton.COLOURS, skeleton.LIMBS, strict=False):
        one, other = joints[start], joints[end]
        if one is None or other is None:
            continue
        middle = (int((one[0] + other[0]) / 2), int((one[1] + other[1]) / 2))
        long = int(math.dist(one, other) / 2)
        angle = int(math.degrees(math.atan2(other[1] - one[1], other[0] - one[0])))
        corners = cv2.ellipse2Poly(middle, (long, 4), angle, 0, 360, 1)
        cv2.fillConvexPoly(canvas, corners, [int(value * 0.6) for value in colour])
    for colour, joint in zip(skeleton.COLOURS, joints, strict=True):
        if joint is not None:
            cv2.circle(canvas, (int(joint[0]), int(joint[1])), 4, colour, thickness=-1)
    return canvas


def test_a_figure_is_drawn_as_opencv_draws_it() -> None:
    drawn = skeleton.draw([person(STANDING)], 128, 240)
    order = [0, None, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]
    joints: list[Any] = [None if place is None else STANDING[place] for place in order]
    joints[1] = (60, 50)
    wanted = opencvs(joints, 128, 240)
    same = (drawn == wanted).all(axis=2)
    assert same.mean() > 0.97
    inked = wanted.any(axis=2)
    assert (same & inked).sum() > 0.85 * inked.sum()


def test_joints_and_limbs_have_their_colours() -> None:
    drawn = skeleton.draw([person({5: (80, 40), 6: (20, 40), 8: (20, 80)})], 100, 100)
    assert tuple(drawn[40, 20]) == (255, 170, 0)  # the right shoulder
    assert tuple(drawn[80, 20]) == (255, 255, 0)  # the right elbow
    assert tuple(drawn[40, 50]) == (255, 85, 0)  # the neck, between the shoulders
    assert tuple(drawn[40, 35]) == (153, 0, 0)  # from it to the right shoulder
    assert tuple(drawn[60, 20]) == (153, 102, 0)  # the right upper arm
    assert not drawn[60:, 40:].any()


def test_what_is_not_sure_is_not_drawn() -> None:
    assert not skeleton.draw([person(STANDING, 0.2)], 128, 240).any()
    assert not skeleton.draw([], 8, 8).any()
    one_shoulder = skeleton.draw([person({5: (30, 30)})], 60, 60)
    assert one_shoulder.any(axis=2).sum() < 80


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """A tiny ViTPose, and a tiny RT-DETR that takes everything for somebody."""
    import transformers

    root = tmp_path_factory.mktemp("annotators")
    torch.manual_seed(0)
    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        out_features=["stage1"], out_indices=[1],
    )  # fmt: skip
    pose = transformers.VitPoseForPoseEstimation(transformers.VitPoseConfig(backbone_config=backbone, num_labels=17))
    for parameter in pose.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    pose.save_pretrained(root / "pose")
    transformers.VitPoseImageProcessorPil(size={"height": 64, "width": 48}).save_pretrained(root / "pose")
    resnet = transformers.RTDetrResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_type="basic",
        out_features=["stage2", "stage3", "stage4"],
    )  # fmt: skip
    detector = transformers.RTDetrForObjectDetection(
        transformers.RTDetrConfig(
            backbone_config=resnet,
            encoder_hidden_dim=16,
            encoder_in_channels=[8, 8, 8],
            encoder_ffn_dim=16,
            encoder_attention_heads=2,
            d_model=16,
            num_queries=4,
            decoder_in_channels=[16, 16, 16],
            decoder_ffn_dim=16,
            decoder_layers=1,
            decoder_attention_heads=2,
            num_labels=3,
            num_denoising=0,
        )
    )
    for head in detector.model.decoder.class_embed:
        torch.nn.init.zeros_(head.weight)
        head.bias.data = torch.tensor([2.0, -5.0, -5.0])
    detector.save_pretrained(root / "person")
    transformers.RTDetrImageProcessorPil(size={"height": 64, "width": 64}).save_pretrained(root / "person")
    return {name: root / name for name in ("pose", "person")}


def test_people_are_where_the_detector_says(models) -> None:
    processor, network = annotate.load("person", str(models["person"]), "cpu")
    boxes = annotate.people(PHOTO, (processor, network))
    from PIL import Image

    with torch.no_grad():
        seen = network(**processor(images=Image.fromarray(PHOTO), return_tensors="pt")).pred_boxes[0].numpy()
    middle, size = seen[:, :2] * (64, 96), seen[:, 2:] * (64, 96)
    wanted = np.concatenate([middle - size / 2, size], axis=1)
    assert boxes.shape == (4, 4)
    assert np.abs(np.sort(boxes, axis=0) - np.sort(wanted, axis=0)).max() < 1e-3


def test_joints_are_at_the_peaks_of_the_heatmaps(models) -> None:
    """A box of the network's own aspect is read with a quarter more around it."""
    processor, network = annotate.load("pose", str(models["pose"]), "cpu")
    rows, columns = 16, 12
    places = [(3 + joint % 5, 4 + joint % 7) for joint in range(17)]
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    heat = torch.stack([torch.exp(-((x - across) ** 2 + (y - down) ** 2) / 4) for across, down in places])
    network.forward = lambda **_: SimpleNamespace(heatmaps=heat[None] * 0.8)
    (found,) = annotate.joints(PHOTO, np.array([[8.0, 16.0, 48.0, 64.0]]), (processor, network))
    for joint, (across, down) in zip(found, places, strict=True):
        assert joint[0] == pytest.approx(32 + (across / (columns - 1) - 0.5) * 48 * 1.25, abs=0.5)
        assert joint[1] == pytest.approx(48 + (down / (rows - 1) - 0.5) * 64 * 1.25, abs=0.5)
        assert joint[2] == pytest.approx(0.8)


def test_a_photos_pose_is_its_peoples_skeletons(models) -> None:
    pair = {name: annotate.load(name, str(folder), "cpu") for name, folder in models.items()}
    made = annotate.make("pose", PHOTO, pair)
    boxes = annotate.people(PHOTO, pair["person"])
    assert made.shape == PHOTO.shape and made.dtype == np.uint8
    assert np.array_equal(made, skeleton.draw(annotate.joints(PHOTO, boxes, pair["pose"]), 64, 96))
    detector = pair["person"][1]
    for head in detector.model.decoder.class_embed:
        head.bias.data = torch.tensor([-5.0, 2.0, -5.0])
    with pytest.raises(UserError, match="nobody is seen"):
        annotate.make("pose", PHOTO, pair)
