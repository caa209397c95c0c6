"""Maps to follow, made from photos: edges (Canny), depth, and poses.

Sources: diffusers' guide to ControlNet, docs/source/en/using-diffusers/controlnet.md (thresholds, depth to picture);
transformers' page of ViTPose, docs/source/en/model_doc/vitpose.md (people first, then their joints).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

import numpy as np

from praxino.errors import UserError
from praxino.families import _canny
from praxino.families._stock import skeleton
from praxino.families._stock.unet import DEPTH_ANYTHING

CANNY_THRESHOLDS = (100, 200)
NEEDED = {"canny": (), "depth": ("depth",), "pose": ("pose", "person")}
"""The kinds of map that can be made here, and the models that each takes, as in "annotator:depth"."""
MODELS = {
    "annotator:depth": DEPTH_ANYTHING,
    "annotator:pose": "usyd-community/vitpose-base-simple",
    "annotator:person": "PekingU/rtdetr_r50vd_coco_o365",
}
"""What makes maps of photos where a variant names nothing else. All are Apache-2.0."""
PERSON = 0
"""COCO's class of people, as the detector counts."""
LEAST_PERSON_SCORE = 0.3


def check(kind: str) -> None:
    """Whether a map of that kind can be made from a photo. No torch.

    Raises:
        UserError: it cannot, or a library is missing.
    """
    if kind not in NEEDED:
        raise UserError(
            f"--control {kind}: there is no way to make such a map from a photo here, only {', '.join(NEEDED)}.\n"
            f"Make it elsewhere and give it as it is: --control {kind}-map=FILE"
        )
    if kind == "pose" and importlib.util.find_spec("scipy") is None:
        raise UserError("--control pose finds joints with SciPy, which is missing: pip install 'praxino[control]'")


def load(name: str, folder: str, device: Any) -> tuple[Any, Any]:
    """The image processor and the network of one of the models in `NEEDED`, from a folder in transformers' layout."""
    import transformers

    if name == "depth":
        return load_depth(folder, device)
    processor, network = {
        "pose": ("VitPoseImageProcessorPil", "VitPoseForPoseEstimation"),
        "person": ("RTDetrImageProcessorPil", "RTDetrForObjectDetection"),
    }[name]
    reader = getattr(transformers, processor).from_pretrained(folder, local_files_only=True)
    model = getattr(transformers, network).from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return reader, model.eval().to(device)


def load_depth(folder: str, device: Any) -> tuple[Any, Any]:
    """The image processor and the network of a depth-estimation model in the layout of transformers."""
    from transformers import AutoImageProcessor, AutoModelForDepthEstimation

    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    network = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return processor, network.eval().to(device)


def make(kind: str, picture: np.ndarray, models: Mapping[str, tuple[Any, Any]]) -> np.ndarray:
    """The map of an RGB picture (H, W, 3) uint8, of the same shape.

    Args:
        kind: one of `NEEDED`.
        picture: the photo.
        models: what `load` gave, by name; those that the kind needs.

    Raises:
        UserError: nobody is seen in a photo of which the pose is wanted.
    """
    if kind == "canny":
        return canny(picture)
    if kind == "depth":
        return depth(picture, models["depth"])
    return pose(picture, models["pose"], models["person"])


def canny(picture: np.ndarray) -> np.ndarray:
    """The edges of an RGB picture (H, W, 3) uint8: white on black, of the same shape."""
    edges = _canny.edges(picture, *CANNY_THRESHOLDS)
    return np.repeat(edges[:, :, None], 3, axis=2) * np.uint8(255)


def depth(picture: np.ndarray, model: tuple[Any, Any]) -> np.ndarray:
    """How near everything in an RGB picture (H, W, 3) uint8 is: white is nearest, of the same shape."""
    import torch
    from PIL import Image

    processor, network = model
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt").to(network.device)
    with torch.no_grad():
        predicted = network(**inputs).predicted_depth[:, None].float()
    resized = torch.nn.functional.interpolate(predicted, picture.shape[:2], mode="bicubic", align_corners=False)[0, 0]
    near = (resized - resized.min()) / (resized.max() - resized.min()).clamp(min=1e-6)
    return np.repeat((near * 255).byte().cpu().numpy()[:, :, None], 3, axis=2)


def pose(picture: np.ndarray, model: tuple[Any, Any], detector: tuple[Any, Any]) -> np.ndarray:
    """The skeletons of all the people in an RGB picture (H, W, 3) uint8, in OpenPose's colours, of the same shape."""
    boxes = people(picture, detector)
    if not len(boxes):
        raise UserError("--control pose: nobody is seen in the photo; give another, or a ready map: pose-map=FILE")
    return skeleton.draw(joints(picture, boxes, model), picture.shape[1], picture.shape[0])


def people(picture: np.ndarray, detector: tuple[Any, Any]) -> np.ndarray:
    """Where people are, (N, 4) in pixels: left, top, width, height."""
    import torch
    from PIL import Image

    processor, network = detector
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt").to(network.device)
    with torch.no_grad():
        seen = network(**inputs)
    found = processor.post_process_object_detection(
        seen, target_sizes=[picture.shape[:2]], threshold=LEAST_PERSON_SCORE
    )[0]
    boxes = found["boxes"][found["labels"] == PERSON].cpu().numpy()
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def joints(picture: np.ndarray, boxes: np.ndarray, model: tuple[Any, Any]) -> list[np.ndarray]:
    """COCO's joints of each of the people in `boxes`, (17, 3): x, y in pixels, and a score."""
    import torch
    from PIL import Image

    processor, network = model
    inputs = processor(images=Image.fromarray(picture), boxes=[boxes], return_tensors="pt").to(network.device)
    with torch.no_grad():
        seen = network(**inputs)
    found = processor.post_process_pose_estimation(seen, boxes=[boxes])[0]
    return [
        torch.cat([person["keypoints"].float(), person["scores"].float()[:, None]], dim=1).cpu().numpy()
        for person in found
    ]
