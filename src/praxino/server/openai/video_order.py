"""From the body of a videos request to a Request, and from an old job to its remix. Knows no HTTP.

Sizes and seconds are those that a model draws: an exact size or none, seconds to the nearest length on the model's grid
(the answer tells it); whatever lies outside is refused with what is allowed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from praxino.families import Variant
from praxino.request import Request, overlaid
from praxino.server.inputs import Upload
from praxino.server.openai import fields
from praxino.server.openai.errors import Refusal
from praxino.server.openai.image_order import size_of

REMIX_STRENGTH = 0.5
"""How firmly a remix holds to the old clip: half. It means the same to models that hold and to those that redraw."""
_OWN = ("input_reference", "model", "prompt", "seconds", "size", "user")


def read_order(body: Mapping[str, Any], model: str, uploads: Mapping[str, Upload]) -> Request:
    """Read a body.

    Args:
        body: what was sent, with uploads' ids in place of files.
        model: the name of the model that it means.
        uploads: those uploads by id.

    Raises:
        Refusal: a field is wrong.
        UserError: fields exclude each other, or are out of bounds.
    """
    wish = {
        **fields.extras(body, _OWN),
        "prompt": fields.required_text(body, "prompt"),
        "model": model,
        "size": size_of(body),
        "seconds": _seconds(body),
        "format": "mp4",
        **_reference(body.get("input_reference"), uploads),
    }
    return Request.from_json(wish)


def remixed(old: Mapping[str, Any], body: Mapping[str, Any], variant: Variant, seed: int, clip: str) -> Request:
    """The request of a remix: the old one with a new prompt, from the same noise.

    Args:
        old: the old job's request, as JSON.
        body: what was sent: the prompt, and fields to be other than before.
        variant: the model that is to draw it.
        seed: what the old clip was drawn from.
        clip: id of an upload that holds the old clip; it is begun from where the model changes clips.
    """
    changed = fields.extras(body, ("prompt",))
    based: dict[str, Any] = {}
    if "video-to-video" in variant.tasks:
        based = {"video": clip, "strength": REMIX_STRENGTH}
    fresh = {**based, "seed": seed, **changed, "prompt": fields.required_text(body, "prompt")}
    return Request.from_json(overlaid({name: value for name, value in old.items() if name != "extend"}, fresh))


def _seconds(body: Mapping[str, Any]) -> float | None:
    value = body.get("seconds")
    if value in (None, ""):
        return None
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError):
        message = f"Invalid value for 'seconds': {str(value)[:60]!r}; it must be a number."
        raise Refusal("seconds", message) from None


def _reference(sent: Any, uploads: Mapping[str, Upload]) -> dict[str, str]:
    """The picture or clip to begin with: a file, an id, a URL, or {"file_id"} or {"image_url"}."""
    if isinstance(sent, dict):
        sent = sent.get("image_url") or sent.get("file_id")
    if sent in (None, ""):
        return {}
    if not isinstance(sent, str):
        raise Refusal("input_reference", 'input_reference must be a file, {"image_url": URL} or {"file_id": ID}.')
    is_clip = sent in uploads and uploads[sent].extension == "video"
    return {"video" if is_clip else "image": sent}
