"""From the body of an images request to a Request, and to what is cut out of the job's files. Knows no HTTP.

A model that draws pictures draws them in the format that was asked for. A model that only draws clips draws its clip;
the answer is the clip's first frame, or its last one where a picture was given to begin with. With `output_format`
"gif" the clip itself is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from praxino.engine.encoding import DEFAULT_QUALITY
from praxino.families import Variant
from praxino.request import Request
from praxino.server.openai import fields
from praxino.server.openai.errors import Refusal
from praxino.server.openai.models import LINKED

Format = Literal["png", "jpeg", "webp", "gif"]

FORMATS = ("png", "jpeg", "webp", "gif")
MAX_IMAGES = 10
MAX_PARTIAL_IMAGES = 3
_IGNORED = ("complexity", "input_fidelity", "moderation", "quality", "safety_identifier", "user")
"""What a local model has no counterpart for."""
_HOSTED_STYLES = ("vivid", "natural")
_OWN = (
    "background", "frame_count", "frame_duration_ms", "image", "mask", "model", "n", "output_compression",
    "output_format", "partial_images", "prompt", "response_format", "size", "stream",
)  # fmt: skip


@dataclass(frozen=True)
class Cut:
    """How a picture of the answer is made of a file of the job."""

    frame: Literal["file", "first", "last"]
    """file: the file is the picture; otherwise it is this frame of it."""
    format: Format
    quality: int
    """1 to 100, of a frame that is cut out."""


@dataclass(frozen=True)
class ImageOrder:
    """What an images request asks for."""

    request: Request
    cut: Cut
    as_links: bool
    """Whether the answer has links instead of base64."""
    stream: bool
    num_partial_images: int

    @property
    def background(self) -> Literal["opaque", "transparent"]:
        """What is behind what is drawn."""
        return "transparent" if self.request.transparent else "opaque"


def read_order(
    body: Mapping[str, Any], model: str, variant: Variant, images: Sequence[str] = (), mask: str = ""
) -> ImageOrder:
    """Read a body.

    Args:
        body: what was sent.
        model: the name of the model that it means.
        variant: that model.
        images: ids of the pictures to edit; further ones are references for the first.
        mask: id of what to draw anew in the first, white; "" for none.

    Raises:
        Refusal: a field is wrong.
        UserError: fields exclude each other, or are out of bounds.
    """
    format: Any = fields.choice(body, "output_format", FORMATS, "png")
    compression = _compression(body, format)
    asked = fields.text(body, "model")
    link = fields.choice(body, "response_format", ("url", "b64_json"), "url" if asked in LINKED else "b64_json")
    stream = fields.boolean(body, "stream")
    if stream and format == "gif":
        raise Refusal("stream", "A GIF cannot be streamed; leave out stream, or choose another output_format.")
    cut = _cut(format, compression, variant, bool(images))
    wish = {
        **fields.extras({name: value for name, value in body.items() if not _is_ignored(name, value)}, _OWN),
        **_gif_timing(body, format),
        **_background(body, format),
        "prompt": fields.required_text(body, "prompt"),
        "model": model,
        "n": fields.integer(body, "n", 1, MAX_IMAGES) or 1,
        "size": size_of(body),
        "format": "png" if cut.frame != "file" else format,
        "lossy_quality": compression if cut.frame == "file" else None,
        "image": images[0] if images else None,
        "reference": list(images[1:]),
        "mask": mask or None,
    }
    partial = fields.integer(body, "partial_images", 0, MAX_PARTIAL_IMAGES) or 0
    return ImageOrder(Request.from_json(wish), cut, link == "url", stream, partial)


def _is_ignored(name: str, value: Any) -> bool:
    return name in _IGNORED or (name == "style" and value in _HOSTED_STYLES)


def size_of(body: Mapping[str, Any]) -> str | None:
    """The size that was asked for; None, which is the model's own, for "auto" too. Raises Refusal."""
    size = fields.text(body, "size")
    return None if size in ("", "auto") else size


def _cut(format: Format, compression: int | None, variant: Variant, has_image: bool) -> Cut:
    quality = DEFAULT_QUALITY if compression is None else compression
    if variant.num_frames == 1 or format == "gif":
        return Cut("file", format, quality)
    return Cut("last" if has_image else "first", format, quality)


def _compression(body: Mapping[str, Any], format: Format) -> int | None:
    compression = fields.integer(body, "output_compression", 0, 100)
    if compression is None:
        return None
    if format in ("png", "gif"):
        raise Refusal("output_compression", f"output_compression is for jpeg and webp; the output is {format}.")
    return max(1, compression)


def _background(body: Mapping[str, Any], format: Format) -> dict[str, bool]:
    if fields.choice(body, "background", ("auto", "opaque", "transparent"), "auto") != "transparent":
        return {}
    if format == "jpeg":
        raise Refusal("background", "Nothing is transparent in a JPEG; choose png or webp as output_format.")
    return {"transparent": True}


def _gif_timing(body: Mapping[str, Any], format: Format) -> dict[str, Any]:
    frames = fields.integer(body, "frame_count", 2, 16)
    milliseconds = fields.integer(body, "frame_duration_ms", 20, 10_000)
    for name, value in (("frame_count", frames), ("frame_duration_ms", milliseconds)):
        if value is not None and format != "gif":
            raise Refusal(name, f"{name} is for GIFs; add output_format=gif.")
    timing = {} if frames is None else {"frames": frames}
    return timing if milliseconds is None else {**timing, "fps": 1000 / milliseconds}
