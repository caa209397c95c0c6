"""The pictures that a workflow starts from or is steered by, and its sizes. Knows nodes with pictures and latents."""

from __future__ import annotations

import re

from praxino.foreign.comfy_graph import Node
from praxino.foreign.comfy_walk import Walk
from praxino.foreign.settings import scaled_name

EMPTY = (
    "EmptyLatentImage",
    "EmptySD3LatentImage",
    "EmptyHunyuanLatentVideo",
    "EmptyMochiLatentVideo",
    "EmptyLTXVLatentVideo",
)
ENCODED = ("VAEEncode", "VAEEncodeTiled", "VAEEncodeForInpaint", "InpaintModelConditioning")
MOVED = {
    "LTXVImgToVideo": {"image": "image"},
    "WanImageToVideo": {"start_image": "image"},
    "HunyuanImageToVideo": {"start_image": "image"},
    "WanFirstLastFrameToVideo": {"start_image": "first", "end_image": "last"},
}
"""Nodes that set pictures in motion: their inputs, and the fields that these are here."""
_CONTROLS = ("ControlNetApply", "ControlNetApplyAdvanced", "ControlNetApplySD3")
_KINDS = {
    **{"openpose": "pose", "seg": "segmentation", "grayscale": "gray", "normalbae": "normal"},
    **{kind: kind for kind in ("canny", "depth", "pose", "scribble", "normal", "tile", "segmentation", "blur", "gray")},
    **{kind: kind for kind in ("lineart", "softedge", "mlsd")},
}
"""Kinds of maps by the words that ControlNets are named with."""


def read_latent(walk: Walk, sampler: Node) -> None:
    """Sizes, counts, the picture that is changed, and how much of it is drawn anew."""
    before = walk.graph.upstream(sampler, ("latent_image",))
    for node in before:
        if node.kind == "RepeatLatentBatch":
            walk.used(node)
            walk.put(node, "amount", "n", int)
        elif node.kind == "SetLatentNoiseMask":
            walk.used(node)
            _put_mask(walk, node)
    begin = next((node for node in before if node.kind in (*EMPTY, *ENCODED, *MOVED)), None)
    changed = begin is not None and begin.kind in ENCODED
    if begin is not None:
        walk.used(begin)
        if changed:
            _read_encoded(walk, begin)
        else:
            _read_begin(walk, begin)
    _put_strength(walk, sampler, changed)


def _read_begin(walk: Walk, node: Node) -> None:
    width, height = (walk.number(node, name, int) for name in ("width", "height"))
    if width is not None and height is not None and min(width, height) > 0:
        walk.draft.put("size", f"{width}x{height}", f"size of {node}")
    batch = walk.number(node, "batch_size", int)
    if batch is not None and batch > 1:
        walk.draft.put("n", batch, f"batch_size of {node}")
    walk.put(node, "length", "frames", int)
    for name, field in MOVED.get(node.kind, {}).items():
        _put_picture(walk, node, name, field)
    if "image" in walk.draft.fields:
        walk.put(node, "strength", "strength", float)


def _read_encoded(walk: Walk, node: Node) -> None:
    _put_picture(walk, node, "pixels", "image")
    if "mask" in node.inputs:
        _put_mask(walk, node)


def _put_strength(walk: Walk, sampler: Node, changed: bool) -> None:
    sigmas = walk.source(sampler, "sigmas")
    told = sampler if sigmas is None else sigmas
    strength = walk.number(told, "denoise", float)
    if strength is None or (strength == 1 and not changed):
        return
    if changed:
        walk.draft.put("strength", strength, f"denoise of {told}")
    else:
        walk.draft.leave(f"denoise {strength:g} of {told}", "there is no picture that it could be of")


def _put_picture(walk: Walk, node: Node, name: str, field: str) -> None:
    """The file that an input comes from goes into `field`."""
    origins = walk.graph.upstream(node, (name,))
    loader = next((origin for origin in origins if origin.kind == "LoadImage"), None)
    if loader is None:
        if origins:
            walk.draft.leave(f"{name} of {node}", f"it comes from {origins[-1]}, not from a file")
            walk.draft.missing = field
        return
    walk.used(loader)
    walk.draft.put(field, walk.file(loader, "image"), f"picture of {loader}")


def _put_mask(walk: Walk, node: Node) -> None:
    origins = walk.graph.upstream(node, ("mask",))
    loader = next((origin for origin in origins if origin.kind in ("LoadImageMask", "LoadImage")), None)
    if loader is None:
        return
    walk.used(loader)
    channel = walk.text(loader, "channel") if loader.kind == "LoadImageMask" else "alpha"
    if channel == "alpha":
        file = walk.file(loader, "image")
        walk.draft.leave(
            f"mask of {node}", f"it is the transparency of {file}; give a picture, white is drawn: --mask FILE"
        )
        walk.draft.missing = "mask"
    else:
        walk.draft.put("mask", walk.file(loader, "image"), f"mask of {loader}")


def read_conditioning(walk: Walk, node: Node) -> None:
    """What a node on the way of a text adds to it: a picture that steers or is changed, or a frame rate."""
    if node.kind in _CONTROLS and not walk.is_used(node):
        walk.used(node)
        _read_control(walk, node)
    elif node.kind == "ReferenceLatent":
        walk.used(node)
        encoder = next((n for n in walk.graph.upstream(node, ("latent",)) if n.kind in ENCODED), None)
        if encoder is not None:
            walk.used(encoder)
            _put_picture(walk, encoder, "pixels", "image")
    elif node.kind == "LTXVConditioning":
        walk.used(node)
        walk.put(node, "frame_rate", "fps", float)


def _read_control(walk: Walk, node: Node) -> None:
    origins = walk.graph.upstream(node, ("image",))
    loader = next((origin for origin in origins if origin.kind == "LoadImage"), None)
    edges = next((origin for origin in origins if origin.kind == "Canny"), None)
    kind = "canny" if edges is not None else _kind_of_map(walk, node)
    if loader is None or not kind:
        walk.draft.leave(str(node), "say what its picture shows: --control KIND-map=FILE:SCALE")
        return
    walk.used(loader)
    strength = walk.number(node, "strength", float)
    picture = scaled_name(walk.file(loader, "image"), 1.0 if strength is None else strength)
    control = f"{kind}={picture}" if edges is not None else f"{kind}-map={picture}"
    if edges is not None:
        walk.used(edges)
    walk.draft.put("control", (*walk.draft.fields.get("control", ()), control), f"control of {node}")
    part = [walk.number(node, name, float) for name in ("start_percent", "end_percent")]
    if part not in ([None, None], [0.0, 1.0]):
        walk.draft.leave(
            f"start_percent and end_percent of {node}", "a control holds from the first step to the last here"
        )


def _kind_of_map(walk: Walk, node: Node) -> str:
    """The one kind that the ControlNet's name, or its node for the type, has a word for; else ""."""
    origins = walk.graph.upstream(node, ("control_net",))
    typed = [walk.text(origin, "type") for origin in origins if origin.kind == "SetUnionControlNetType"]
    named = [walk.file(origin, "control_net_name") for origin in origins if origin.kind == "ControlNetLoader"]
    for text in (*typed, *named):
        words = re.split(r"[^a-z0-9]+", text.lower())
        kinds = {_KINDS[word] for word in words if word in _KINDS}
        if len(kinds) == 1:
            return kinds.pop()
    return ""
