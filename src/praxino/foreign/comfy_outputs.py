"""The node that saves what a workflow has drawn, and how it does. Knows nothing of what comes before it."""

from __future__ import annotations

from collections.abc import Sequence

from praxino.foreign.comfy_graph import Graph, Node
from praxino.foreign.comfy_walk import Walk

OUTPUTS = (
    "SaveImage",
    "SaveAnimatedWEBP",
    "SaveAnimatedPNG",
    "SaveWEBM",
    "SaveVideo",
    "VHS_VideoCombine",
    "PreviewImage",
)
"""Nodes that end a workflow, those that keep what they get first."""
_FORMATS = {"SaveAnimatedWEBP": "webp", "SaveAnimatedPNG": "png", "SaveWEBM": "webm", "SaveVideo": "mp4"}
_VIDEO_FORMATS = {
    "image/gif": "gif",
    "image/webp": "webp",
    "video/h264-mp4": "mp4",
    "video/av1-webm": "webm",
    "video/webm": "webm",
}
_CODECS = {"vp9": "vp9", "av1": "av1"}


def find(graph: Graph, samplers: Sequence[str]) -> Node | None:
    """The first node that saves something sampled; None when nothing does."""
    nodes = sorted(graph.nodes.values(), key=lambda node: OUTPUTS.index(node.kind) if node.kind in OUTPUTS else 99)
    for node in nodes:
        if node.kind in OUTPUTS and any(before.kind in samplers for before in graph.upstream(node)):
            return node
    return None


def read(walk: Walk, output: Node) -> None:
    """Format, frame rate and quality."""
    walk.used(output)
    if output.kind in _FORMATS:
        walk.draft.put("format", _FORMATS[output.kind], str(output))
    walk.put(output, "fps", "fps", float)
    if output.kind == "SaveAnimatedWEBP":
        if walk.value(output, "lossless") is True:
            walk.draft.put("lossy_quality", 100, str(output))
        else:
            walk.put(output, "quality", "lossy_quality", int)
    elif output.kind == "SaveWEBM" and (codec := _CODECS.get(walk.text(output, "codec"))):
        walk.draft.put("codec", codec, str(output))
    elif output.kind == "VHS_VideoCombine":
        walk.put(output, "frame_rate", "fps", float)
        format = walk.text(output, "format")
        if format in _VIDEO_FORMATS:
            walk.draft.put("format", _VIDEO_FORMATS[format], str(output))
        else:
            walk.draft.leave(f"format {format} of {output}", "there is no such format here")
    elif output.kind == "SaveVideo":
        maker = walk.source(output, "video")
        if maker is not None and maker.kind == "CreateVideo":
            walk.used(maker)
            walk.put(maker, "fps", "fps", float)
