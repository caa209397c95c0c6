"""ControlNets beside a denoiser: loading them, and the maps that they follow as a pipeline's arguments."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from praxino.errors import ModelError
from praxino.families._stock import annotate
from praxino.families._stock.checkpoint import read_json
from praxino.families._stock.pictures import fitted, of_role, resampled
from praxino.recipe import Recipe

if TYPE_CHECKING:
    from praxino.families._stock.arguments import Given
    from praxino.families._stock.load import Parts

PLAIN, UNION = "ControlNetModel", "ControlNetUnionModel"
SPARSE = "SparseControlNetModel"
QWEN, Z_IMAGE = "QwenImageControlNetModel", "ZImageControlNetModel"
CLASSES = {
    "SD3Transformer2DModel": ("SD3ControlNetModel",),
    "HunyuanDiT2DModel": ("HunyuanDiT2DControlNetModel",),
    "QwenImageTransformer2DModel": (QWEN,),
    "ZImageTransformer2DModel": (Z_IMAGE,),
    "UNetMotionModel": (PLAIN, SPARSE),
}
"""The classes of ControlNets by that of the denoiser that they are beside; other UNets have plain and union ones."""
FILES = {"ZImageTransformer2DModel": "praxino.families.z_image.controlnet:from_file"}
"""What reads a ControlNet that is a single file, by the denoiser's class; others are folders."""
INPAINT = "inpaint"
"""The kind of map that is the picture itself, of which the mask says what is drawn anew."""
UNION_MODES = {"pose": 0, "depth": 1, "scribble": 2, "canny": 3, "normal": 4, "segmentation": 5, "tile": 6}
"""The input of a union ControlNet for each kind of map (xinsir/controlnet-union-sdxl-1.0)."""
CONTROLNET, ANNOTATOR = "controlnet:", "annotator:"
MAP_NAMES = ("control_image", "conditioning_frames", "control_video")
"""What pipelines call the maps; those that have no picture of their own call them `image`."""


def equip(parts: Parts, recipe: Recipe) -> None:
    """Load what the recipe's controls need, and let go of what they do not.

    Raises:
        ModelError: a companion is no ControlNet, or union and plain ones are mixed.
    """
    from praxino.families._stock.load import damaged, quiet

    wanted = {c.role: c.path for c in recipe.companions if c.role.startswith((CONTROLNET, ANNOTATOR))}
    loaded = {parts.kept[role][0]: parts.kept[role][1] for role in list(parts.kept) if role.startswith(CONTROLNET)}
    for role in [role for role in parts.kept if role.startswith((CONTROLNET, ANNOTATOR)) and role not in wanted]:
        del parts.kept[role]
    for role, path in wanted.items():
        if role.startswith(ANNOTATOR):
            if parts.kept.get(role, ("",))[0] != path:
                with quiet(), damaged(Path(path)):
                    parts.kept[role] = (path, annotate.load(role.removeprefix(ANNOTATOR), path, parts.device))
            continue
        with quiet():
            loaded[path] = loaded[path] if path in loaded else _load(Path(path), parts)
        parts.kept[role] = (path, loaded[path])
    kinds = {type(network).__name__ for _, network in networks(parts, recipe)}
    if len(kinds) > 1:
        raise ModelError("a union ControlNet cannot be used beside others; name it for each --control.")


def networks(parts: Parts, recipe: Recipe) -> list[tuple[str, Any]]:
    """The kind and the ControlNet of each of the recipe's controls, in their order; none where it names none."""
    roles = {companion.role for companion in recipe.companions}
    kinds = [condition.role.partition(":")[2] for condition in recipe.conditions if _is_control(condition.role)]
    kinds = [kind for kind in kinds if CONTROLNET + kind in roles]
    missing = [kind for kind in kinds if CONTROLNET + kind not in parts.kept]
    if missing:
        raise ModelError(f"no ControlNet is loaded for {missing[0]}.")
    return [(kind, parts.kept[CONTROLNET + kind][1]) for kind in kinds]


def is_union(found: list[tuple[str, Any]]) -> bool:
    """Whether they are all one ControlNet that is told what its maps are."""
    return bool(found) and type(found[0][1]).__name__ == UNION


def beside(found: list[tuple[str, Any]]) -> str:
    """What is added to a task to name the pipeline that has them; see `StockFamily.pipelines`."""
    if is_union(found):
        return "+union"
    if [kind for kind, _ in found] == [INPAINT]:
        return "+inpaint"
    return "+control" if found else ""


def component(found: list[tuple[str, Any]]) -> Any:
    """The ControlNets as a pipeline's `controlnet`.

    Raises:
        ModelError: they are several where one is to follow all maps.
    """
    nets = [network for _, network in found]
    if len(nets) == 1 or is_union(found):
        return nets[0]
    if type(nets[0]).__name__ != QWEN:
        return nets
    if any(network is not nets[0] for network in nets):
        raise ModelError("Qwen-Image follows several maps by one ControlNet; name the same for each --control.")
    from diffusers.models.controlnets.controlnet_qwenimage import QwenImageMultiControlNetModel

    return QwenImageMultiControlNetModel(nets[:1])


def arguments(given: Given) -> dict[str, Any]:
    """The maps that ControlNets follow, and their scales."""
    found = networks(given.parts, given.recipe)
    if not found:
        return {}
    drawn = maps(given)
    scales = [condition.strength for condition in given.recipe.conditions if _is_control(condition.role)]
    if is_union(found):
        modes = [_mode(kind) for kind, _ in found]
        return {"control_image": drawn, "control_mode": modes, "controlnet_conditioning_scale": scales}
    masked = of_role(given.recipe, given.pictures, "mask") if beside(found) == "+inpaint" else []
    if masked:
        covered = fitted(masked[0], given.recipe.width, given.recipe.height)
        return {"control_image": drawn[0], "control_mask": covered, "controlnet_conditioning_scale": scales[0]}
    name = next((name for name in MAP_NAMES if given.takes(name)), "image")
    if len(drawn) == 1:
        return {name: drawn[0], "controlnet_conditioning_scale": scales[0]}
    return {name: drawn, "controlnet_conditioning_scale": scales}


def maps(given: Given) -> list[Any]:
    """The map of each of the recipe's controls: a PIL picture, or a list of as many as a clip has frames."""
    found = []
    for condition, frames in zip(given.recipe.conditions, given.pictures, strict=True):
        if not _is_control(condition.role):
            continue
        if given.recipe.task.endswith("video"):
            clip = resampled(frames, given.recipe.num_frames)
            found.append([map_of(given, condition.role, frame[None]) for frame in clip])
        else:
            found.append(map_of(given, condition.role, frames))
    return found


def _is_control(role: str) -> bool:
    return role.startswith(("control:", "annotate:"))


def map_of(given: Given, role: str, frames: np.ndarray) -> Image.Image:
    """The map that the first of the frames is, or that is made of it, in the recipe's size."""
    use, _, kind = role.partition(":")
    picture = fitted(frames, given.recipe.width, given.recipe.height)
    if use == "control":
        return picture
    pixels = np.array(picture)
    models = {name: given.parts.kept[ANNOTATOR + name][1] for name in annotate.NEEDED[kind]}
    return Image.fromarray(annotate.make(kind, pixels, models))


def _mode(kind: str) -> int:
    if kind not in UNION_MODES:
        raise ModelError(f"a union ControlNet knows no {kind} maps, only {', '.join(UNION_MODES)}.")
    return UNION_MODES[kind]


def _load(folder: Path, parts: Parts) -> Any:
    from praxino.families._stock.load import damaged, diffusers_class, weights_variant

    denoiser = parts.base.components.get("transformer") or parts.base.components.get("unet")
    if folder.is_file() and type(denoiser).__name__ in FILES:
        with damaged(folder):
            network = diffusers_class(FILES[type(denoiser).__name__])(folder, denoiser, parts.dtype)
        return network.requires_grad_(False).eval().to(parts.device)
    name = _class_of(read_json(folder / "config.json"))
    wanted = CLASSES.get(type(denoiser).__name__, (PLAIN, UNION))
    if name not in wanted:
        raise ModelError(
            f"{folder} holds no ControlNet for this model in the layout of diffusers"
            + (f", but a {name}." if name else ".")
        )
    with damaged(folder):
        network = diffusers_class(name).from_pretrained(
            folder,
            dtype=parts.dtype,
            local_files_only=True,
            use_safetensors=True,
            variant=weights_variant(folder.glob("*.safetensors")),
        )
    return network.requires_grad_(False).eval().to(parts.device)


def _class_of(config: dict[str, Any]) -> str:
    """The class that a ControlNet's config.json is of, "" when it is none; early ones for UNets may name no class."""
    if "conditioning_embedding_out_channels" in config:
        sparse = "concat_conditioning_mask" in config
        return UNION if "num_control_type" in config else SPARSE if sparse else PLAIN
    return str(config.get("_class_name", ""))
