"""A ComfyUI workflow as a graph of nodes, from either of its two JSON forms. Knows nothing of what nodes do.

The API form is {id: {class_type, inputs}}; an input is a value, or a link as [id, output]. The editor's form has nodes
with widgets in order and links by number: the names of widgets are the nodes' own knowledge, given here for the
standard ones (ComfyUI nodes.py and comfy_extras/, the order of INPUT_TYPES).
"""

from __future__ import annotations

import graphlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from praxino.errors import UserError

MAX_NODES = 5000
_SAMPLING = ("steps", "cfg", "sampler_name", "scheduler")
_SIZE = ("width", "height")
_CLIP = (*_SIZE, "length", "batch_size")
WIDGETS: dict[str, tuple[str, ...]] = {
    "KSampler": ("seed", "", *_SAMPLING, "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "", *_SAMPLING),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "SamplerCustom": ("add_noise", "noise_seed", "", "cfg"),
    "RandomNoise": ("noise_seed", ""),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps", "sigma_max", "sigma_min", "rho"),
    "LTXVScheduler": ("steps", "max_shift", "base_shift", "stretch", "terminal"),
    "ManualSigmas": ("sigmas",),
    "CFGGuider": ("cfg",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": (*_SIZE, "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl", "empty_padding"),
    "FluxGuidance": ("guidance",),
    "LTXVConditioning": ("frame_rate",),
    "EmptyLatentImage": (*_SIZE, "batch_size"),
    "EmptySD3LatentImage": (*_SIZE, "batch_size"),
    "EmptyHunyuanLatentVideo": _CLIP,
    "EmptyMochiLatentVideo": _CLIP,
    "EmptyLTXVLatentVideo": _CLIP,
    "LTXVImgToVideo": (*_CLIP, "strength"),
    "WanImageToVideo": _CLIP,
    "WanFirstLastFrameToVideo": _CLIP,
    "HunyuanImageToVideo": (*_CLIP, "guidance_type"),
    "VAEEncodeForInpaint": ("grow_mask_by",),
    "InpaintModelConditioning": ("noise_mask",),
    "RepeatLatentBatch": ("amount",),
    "LoadImage": ("image", ""),
    "LoadImageMask": ("image", "channel", ""),
    "ControlNetLoader": ("control_net_name",),
    "SetUnionControlNetType": ("type",),
    "ControlNetApply": ("strength",),
    "ControlNetApplyAdvanced": ("strength", "start_percent", "end_percent"),
    "Canny": ("low_threshold", "high_threshold"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "VAELoader": ("vae_name",),
    "CreateVideo": ("fps",),
    "SaveAnimatedWEBP": ("filename_prefix", "fps", "lossless", "quality", "method"),
    "SaveAnimatedPNG": ("filename_prefix", "fps", "compress_level"),
    "SaveWEBM": ("filename_prefix", "codec", "fps", "crf"),
    "SaveVideo": ("filename_prefix", "format", "codec"),
    "PrimitiveNode": ("value", ""),
    "PrimitiveInt": ("value", ""),
    "PrimitiveFloat": ("value",),
    "PrimitiveString": ("value",),
    "PrimitiveStringMultiline": ("value",),
}
"""The widgets of nodes in the editor's order; "" is one of the editor alone (what to do with a seed, an upload)."""
_MUTED, _BYPASSED = 2, 4


@dataclass(frozen=True)
class Link:
    """Where an input comes from."""

    node: str
    output: int


@dataclass(frozen=True)
class Node:
    """One step of a workflow."""

    id: str
    kind: str
    inputs: Mapping[str, Any]
    """Values, and `Link`s."""

    def __str__(self) -> str:
        return f"{self.kind[:60]} (node {self.id[:40]})"

    def links(self) -> Iterator[tuple[str, Link]]:
        """The inputs that come from other nodes."""
        return ((name, value) for name, value in self.inputs.items() if isinstance(value, Link))


class Graph:
    """Nodes by id. No link leads nowhere or round in a circle."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        """Raises UserError when a link leads nowhere or in a circle, or there are too many nodes."""
        if len(nodes) > MAX_NODES:
            raise UserError(f"the workflow has {len(nodes):,} nodes; at most {MAX_NODES:,} are read.")
        self.nodes = {node.id: node for node in nodes}
        before: dict[str, list[str]] = {}
        for node in nodes:
            for name, link in node.links():
                if link.node not in self.nodes:
                    raise UserError(f"{node} takes its {name[:60]} from node {link.node[:60]}, which is not there.")
            before[node.id] = [link.node for _, link in node.links()]
        try:
            self.order = list(graphlib.TopologicalSorter(before).static_order())
        except graphlib.CycleError as problem:
            circle = ", ".join(dict.fromkeys(str(id)[:60] for id in problem.args[1][:6]))
            raise UserError(
                f"the workflow's nodes {circle} feed each other in a circle; it cannot be run."
            ) from problem

    def upstream(self, node: Node, names: Sequence[str] | None = None) -> list[Node]:
        """All nodes that feed a node, through the named inputs or through any; the nearest first."""
        found: dict[str, Node] = {}
        waiting = [link.node for name, link in node.links() if names is None or name in names]
        while waiting:
            waiting = [id for id in dict.fromkeys(waiting) if id not in found]
            found |= {id: self.nodes[id] for id in waiting}
            waiting = [link.node for id in waiting for _, link in self.nodes[id].links()]
        return list(found.values())


def read_graph(data: Any) -> Graph:
    """The graph of a workflow in either form.

    Raises:
        UserError: it is no workflow, or its links make no sense.
    """
    if isinstance(data, dict) and isinstance(data.get("prompt"), dict):
        data = data["prompt"]
    if isinstance(data, dict) and isinstance(data.get("nodes"), list):
        return Graph(list(_of_editor(data)))
    if not isinstance(data, dict) or not data or not all(_is_api_node(value) for value in data.values()):
        raise UserError('this JSON is no ComfyUI workflow: it has neither "nodes" nor steps with a "class_type".')
    return Graph([Node(id, value["class_type"], _of_api(value["inputs"])) for id, value in data.items()])


def _is_api_node(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("class_type"), str) and isinstance(value.get("inputs"), dict)
    )


def _of_api(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: Link(str(value[0]), value[1]) if _is_link(value) else value for name, value in inputs.items()}


def _is_link(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str | int)
        and type(value[1]) is int
        and (isinstance(value[0], str) or not isinstance(value[0], bool))
    )


def _of_editor(data: dict[str, Any]) -> Iterator[Node]:
    nodes = {str(node["id"]): node for node in data["nodes"] if isinstance(node, dict) and _is_scalar(node.get("id"))}
    if len(nodes) != len(data["nodes"]):
        raise UserError("the workflow has nodes without an id of their own; export it again from ComfyUI.")
    origins = dict(_origins(data.get("links")))
    for id, node in nodes.items():
        if node.get("mode") in (_MUTED, _BYPASSED):
            continue
        kind = str(node.get("type"))
        inputs = _widgets(kind, node.get("widgets_values"))
        for name, number in _slots(node):
            if (origin := _awake(origins.get(number), nodes, origins)) is not None:
                inputs[name] = origin
        yield Node(id, kind, inputs)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _origins(links: Any) -> Iterator[tuple[Any, Link]]:
    """The origin of each link by its number; links are lists, or objects in newer files."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if not isinstance(link, list) or len(link) < 3 or not all(_is_scalar(part) for part in link[:3]):
            raise UserError("the workflow has a link that is not [number, from node, output, ...]; export it again.")
        if not isinstance(link[2], int):
            raise UserError(f"the workflow's link {link[0]} has no number of an output; export it again.")
        yield link[0], Link(str(link[1]), link[2])


def _slots(node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names of a node's inputs that are linked, and the number of the link."""
    slots = node.get("inputs")
    for slot in slots if isinstance(slots, list) else []:
        if isinstance(slot, dict) and isinstance(slot.get("name"), str) and _is_scalar(slot.get("link")):
            yield slot["name"], slot["link"]


def _awake(origin: Link | None, nodes: dict[str, Any], origins: dict[Any, Link]) -> Link | None:
    """The origin behind bypassed nodes, which hand on their first input of the same type; None behind a muted one."""
    for _ in range(len(nodes) + 1):
        node = nodes.get(origin.node) if origin is not None else None
        if origin is None or node is None or node.get("mode") not in (_MUTED, _BYPASSED):
            return origin
        if node["mode"] == _MUTED:
            return None
        number = _handed_on(node, origin.output)
        origin = origins.get(number) if _is_scalar(number) else None
    raise UserError("the workflow's bypassed nodes feed each other in a circle; it cannot be run.")


def _handed_on(node: dict[str, Any], output: int) -> Any:
    outputs, inputs = node.get("outputs"), node.get("inputs")
    if not isinstance(outputs, list) or not isinstance(inputs, list) or not 0 <= output < len(outputs):
        return None
    wanted = outputs[output].get("type") if isinstance(outputs[output], dict) else None
    same = (slot for slot in inputs if isinstance(slot, dict) and slot.get("type") == wanted)
    return next(same, {}).get("link")


def _widgets(kind: str, values: Any) -> dict[str, Any]:
    if isinstance(values, dict):
        return dict(values)
    named = zip(WIDGETS.get(kind, ()), values if isinstance(values, list) else [], strict=False)
    return {name: value for name, value in named if name}
