"""The Request: what a person wants, as they said it.

Every field is declared once, here; the command's flags, the JSON schema and the docs are read off the declarations.
Knows no family, no file and no network.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from praxino.errors import UserError
from praxino.plain import field_types, from_plain, to_plain
from praxino.recipe import QUALITIES

MAX_SEED = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""
MAX_PROMPT_CHARACTERS = 20_000

TASKS = (
    "text-to-video", "image-to-video", "video-to-video",
    "text-to-image", "image-to-image", "inpainting", "outpainting", "instruction-editing",
)  # fmt: skip
"""What a run can be. A picture or a clip that steers a run (control, reference) does not change its task."""


CAMERA = (
    "pan-left", "pan-right", "tilt-up", "tilt-down", "zoom-in", "zoom-out", "roll-left", "roll-right", "static",
)  # fmt: skip
"""How the camera moves. A pan turns it sideways, a tilt up or down, a roll about its own axis."""


@dataclass(frozen=True)
class Option:
    """The declaration of one Request field. Bounds are inclusive; unit as in "px" or "seconds"."""

    help: str
    group: str
    flags: tuple[str, ...] = ()
    """Command-line spellings, if not --field-name."""
    metavar: str = ""
    unit: str = ""
    min: float | None = None
    max: float | None = None
    choices: tuple[str, ...] = ()


def option(default: Any, help: str, group: str, **declaration: Any) -> Any:
    """A dataclass field that carries its `Option`."""
    return field(default=default, metadata={"option": Option(help, group, **declaration)})


@dataclass(frozen=True)
class Request:
    """What the user wants. None means: Praxino decides. See `options` for each field's unit, bounds and help."""

    prompt: str = option("", "what to draw", "what", metavar="PROMPT")
    model: str = option(
        "pocket", "a model's name or its folder", "what", flags=("-m", "--model"), metavar="NAME|FOLDER"
    )
    negative_prompt: str | None = option(None, "what not to draw", "what", flags=("--negative",), metavar="TEXT")

    rewrite: str | None = option(
        None, "have the chat model of PRAXINO_REWRITER say the prompt as training captions do", "what",
        choices=("normal", "master"),
    )  # fmt: skip

    style: str | None = option(
        None, "a look by its name (see praxino styles), or out of a file", "what", metavar="NAME|FILE.toml#NAME"
    )
    brand_colour: str | None = option(None, "the colour of a style that has one", "what", metavar="#RRGGBB")

    image: str | None = option(None, "picture to set in motion, or to change", "pictures", metavar="FILE")
    mask: str | None = option(
        None, "what of --image, or of --video, to draw anew: white is drawn", "pictures", metavar="FILE"
    )
    expand: str | None = option(
        None, "draw more around --image, as in left=256,right=256", "pictures", metavar="SIDE=PIXELS,...", unit="px"
    )
    control: tuple[str, ...] = option(
        (), "picture or clip whose edges, depth or pose to follow; canny-map=FILE takes it as it is", "pictures",
        metavar="KIND=FILE[:SCALE]",
    )  # fmt: skip
    reference: tuple[str, ...] = option(
        (), "picture whose look to take; may be given again", "pictures", metavar="FILE[:WEIGHT]"
    )
    reference_use: str | None = option(
        None, "what to take from --reference", "pictures", choices=("all", "style", "layout")
    )
    first: str | None = option(None, "first frame", "pictures", metavar="FILE")
    last: str | None = option(None, "last frame", "pictures", metavar="FILE")
    keyframes: tuple[str, ...] = option(
        (), "a frame to pass through, as in sun.png@16:0.8, or at a time, as in sun.png@1.5s; may be given again",
        "pictures", flags=("--keyframe",), metavar="FILE@FRAME[:STRENGTH]",
    )  # fmt: skip
    video: str | None = option(None, "clip to extend, or to change", "pictures", metavar="FILE")
    extend: Literal["forward", "backward"] | None = option(
        None, "which way to extend --video", "pictures", choices=("forward", "backward")
    )
    join: bool = option(
        False, "put what --extend draws after or before --video, which stays as it is, in one file", "pictures"
    )
    strength: float | None = option(
        None,
        "set in motion: how firmly pictures hold (1 keeps them); changed: how much is drawn anew (1 is all)",
        "pictures",
        min=0,
        max=1,
    )

    motion: str | None = option(None, "how freely a picture moves", "movement", choices=("stable", "dynamic"))
    motion_strength: float | None = option(None, "how much moves; 0 is nothing", "movement", min=0, max=1)
    motion_template: str | None = option(
        None,
        "a movement to follow: one of praxino motions, a .json of joints, or a clip of poses",
        "movement",
        metavar="NAME|FILE",
    )
    camera: tuple[str, ...] = option((), "how the camera moves; may be given again", "movement", choices=CAMERA)
    sound: bool | None = option(None, "draw the sound as well, where the model can", "movement")
    soundtrack: str | None = option(
        None, "sound to lay under the clip in place of any other, out of a sound file or a film", "movement",
        metavar="FILE",
    )  # fmt: skip

    size: str | None = option(None, "WIDTHxHEIGHT in pixels, or an aspect such as 16:9", "shape", metavar="SIZE")
    frames: int | None = option(None, "number of frames", "shape", min=1, max=10_000)
    seconds: float | None = option(None, "length of the clip", "shape", unit="seconds", min=0.01, max=3600)
    fps: float | None = option(None, "frames per second", "shape", min=0.1, max=240)

    upscale: str | None = option(
        None, "draw it larger in a second stage: a factor as in 2x, 2k (the longer side is 2048), or WIDTHxHEIGHT",
        "shape", metavar="SIZE", unit="px",
    )  # fmt: skip

    steps: int | None = option(None, "denoising steps", "sampling", min=1, max=1000)
    guidance: float | None = option(
        None, "guidance scale, classifier-free or as distilled into the model; 1 is off", "sampling", min=0, max=100
    )
    true_guidance: float | None = option(
        None, "classifier-free guidance scale of a model whose guidance is distilled; 1 is off", "sampling",
        min=1, max=100,
    )  # fmt: skip
    guider: str | None = option(
        None, "how predictions are combined: plain, with adaptive projection, or as --cfg-star", "sampling",
        choices=("cfg", "apg", "cfg-zero-star"),
    )  # fmt: skip
    rescale: float | None = option(
        None,
        "pull the guided prediction's deviation to the text's: 1 leaves it, 0 matches it",
        "sampling",
        min=0,
        max=1,
    )
    cfg_star: bool | None = option(None, "CFG-zero*: project the negative prediction first", "sampling")
    stg: float | None = option(None, "spatio-temporal skip guidance scale; 0 is off", "sampling", min=0, max=20)
    stg_blocks: tuple[int, ...] | None = option(
        None, "transformer blocks that STG skips, as in 19,20", "sampling", metavar="N,N,...", min=0, max=1000
    )
    stg_mode: str | None = option(
        None, "what STG leaves out of a block", "sampling",
        choices=("attention-values", "attention-skip", "transformer-block"),
    )  # fmt: skip
    scheduler: str | None = option(
        None, "sampler", "sampling",
        choices=(
            "euler", "euler-ancestral", "heun", "dpm++-2m", "dpm++-2m-karras", "dpm++-sde", "unipc", "ddim", "ddpm",
            "pndm", "lcm",
        ),
    )  # fmt: skip
    schedule: str | None = option(
        None, "how the sigmas are spaced", "sampling", choices=("sd3", "linear-quadratic", "uniform")
    )
    sigmas: tuple[float, ...] | None = option(
        None, "the noise levels themselves, falling from at most 1, as in 1,0.9,0.5", "sampling",
        metavar="S,S,...", min=0, max=1,
    )  # fmt: skip
    seed: int | None = option(
        None, "where the noise comes from; drawn and told when not given", "sampling", min=0, max=MAX_SEED
    )
    n: int = option(1, "samples, drawn from seed, seed + 1, ...", "sampling", flags=("-n", "--n"), min=1, max=256)
    lora: tuple[str, ...] = option(
        (), "LoRA weights to lay over the model; may be given again", "what", metavar="FILE[:SCALE]"
    )
    lora_blocks: str | None = option(
        None, "lay LoRAs over these blocks only: names as in the model, with *", "what", metavar="PATTERN,..."
    )
    embedding: tuple[str, ...] = option(
        (), "textual inversion; the prompt names its TOKEN; may be given again", "what", metavar="FILE[:TOKEN]"
    )
    spatial_base: str | None = option(
        None, "an image checkpoint to lay the model's temporal layers over", "what", metavar="NAME|FILE"
    )
    controlnet: tuple[str, ...] = option(
        (), "the ControlNet for each --control, if not the model's own", "what", metavar="NAME|FOLDER"
    )
    ip_adapter: str | None = option(
        None, "the IP-Adapter that reads --reference, if not the model's own", "what", metavar="NAME|FILE"
    )
    quality: Literal["exact", "near", "fast"] = option(
        "exact", "exact: the pixels as the model's authors draw them; near, fast: sooner, and about the same",
        "sampling", choices=QUALITIES,
    )  # fmt: skip
    dtype: str | None = option(
        None, "number format of the networks", "sampling", choices=("float32", "bfloat16", "float16")
    )

    format: str | None = option(
        None, "file format (by default the output's extension, else GIF)", "file",
        choices=("gif", "webp", "avif", "png", "mp4", "webm", "jpeg", "svg", "frames"),
    )  # fmt: skip
    gif: str | None = option(None, "GIF quality", "file", choices=("small", "good", "best"))
    lossy_quality: int | None = option(None, "quality of lossy formats", "file", min=1, max=100)
    codec: str | None = option(None, "video codec of MP4 and WebM", "file", choices=("h264", "av1", "vp9"))
    loop: int | None = option(None, "times the animation plays; 0 is for ever", "file", min=0, max=65_535)
    grid: bool = option(False, "put the n samples side by side in one file", "file")
    sheet: bool = option(False, "put the frames side by side in one still picture", "file")
    transparent: bool | None = option(None, "make the ground see-through (PNG, WebP, AVIF, GIF, SVG)", "file")
    matting: str | None = option(
        None, "what --transparent takes away: the plain ground, or all but what rembg finds", "file",
        choices=("ground", "rembg"),
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, declared in options().items():
            _check(self, name, declared)
        if len(self.prompt) > MAX_PROMPT_CHARACTERS:
            raise UserError(
                f"the prompt has {len(self.prompt):,} characters; "
                f"at most {MAX_PROMPT_CHARACTERS:,} are allowed. Shorten it."
            )
        if any("\ud800" <= character <= "\udfff" for character in self.prompt):
            raise UserError("the prompt holds half of a surrogate pair, which is no character; write it as UTF-8 text.")
        for one, other in EXCLUSIVE:
            if _given(self, one) and _given(self, other):
                raise UserError(f"{flag(one)} and {flag(other)} exclude each other; give one of them.")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, only the fields that differ from their defaults."""
        return {
            f.name: to_plain(getattr(self, f.name))
            for f in dataclasses.fields(self)
            if getattr(self, f.name) != f.default
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """Read a Request from plain JSON values. A number as `quality` is read as `lossy_quality`, its later name.

        Raises:
            UserError: a field is unknown, of the wrong type or out of bounds.
        """
        if isinstance(data, Mapping) and type(data.get("quality")) is int:
            data = {"lossy_quality": data["quality"], **{key: data[key] for key in data if key != "quality"}}
        try:
            return from_plain(cls, data)
        except ValueError as problem:
            raise UserError(f"not a request: {problem}") from problem


EXCLUSIVE = (
    ("image", "first"),
    ("frames", "seconds"),
    ("schedule", "sigmas"),
    ("steps", "sigmas"),
    ("grid", "sheet"),
    ("image", "video"),
    ("first", "video"),
    ("mask", "expand"),
    ("guider", "cfg_star"),
    ("sound", "soundtrack"),
)
"""Pairs of fields that cannot be given together."""


def overlaid(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a Request with others in place of them, and without those that exclude one of these."""
    excluded = {a for pair in EXCLUSIVE for a, b in (pair, pair[::-1]) if b in over}
    return {**{name: value for name, value in base.items() if name not in excluded}, **over}


@cache
def options() -> dict[str, Option]:
    """The declaration of every field, in order."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(Request)}


def flag(name: str) -> str:
    """How a field is spelled on the command line."""
    spelled = options()[name].flags
    return spelled[-1] if spelled else "--" + name.replace("_", "-")


def json_schema() -> dict[str, Any]:
    """The Request as JSON Schema (draft 2020-12)."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Request",
        "type": "object",
        "additionalProperties": False,
        "properties": {f.name: _property_schema(f) for f in dataclasses.fields(Request)},
    }


def _property_schema(f: dataclasses.Field[Any]) -> dict[str, Any]:
    declared = options()[f.name]
    kind, item, optional = shape(f.name)
    names = {str: "string", int: "integer", float: "number", bool: "boolean"}
    value: dict[str, Any] = {"type": names[kind]}
    if declared.min is not None:
        value |= {"minimum": declared.min, "maximum": declared.max}
    if declared.choices:
        value["enum"] = list(declared.choices)
    if item:
        value = {"type": "array", "items": value}
    if optional:
        value = {"anyOf": [value, {"type": "null"}]}
    unit = f" ({declared.unit})" if declared.unit else ""
    return {**value, "description": declared.help + unit, "default": to_plain(f.default)}


@cache
def shape(name: str) -> tuple[type, bool, bool]:
    """A field's scalar type, whether it is a list of those, and whether it may be None."""
    kind = field_types(Request)[name]
    optional = False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        (kind,) = [k for k in typing.get_args(kind) if k is not type(None)]
        optional = True
    if typing.get_origin(kind) is tuple:
        return typing.get_args(kind)[0], True, optional
    if typing.get_origin(kind) is Literal:
        return str, False, optional
    return kind, False, optional


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


def _given(request: Request, name: str) -> bool:
    return getattr(request, name) not in (None, (), False)


def _check(request: Request, name: str, declared: Option) -> None:
    value = getattr(request, name)
    if value is None:
        return
    kind, is_list, _ = shape(name)
    if is_list and not isinstance(value, tuple):
        raise UserError(f"{flag(name)} must be a list, got {value!r}.")
    for item in _items(value):
        _check_item(item, kind, name, declared)


def _items(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, tuple) else (value,)


def _check_item(value: Any, kind: type, name: str, declared: Option) -> None:
    named = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}[kind]
    fits = isinstance(value, int | float) if kind is float else isinstance(value, kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        raise UserError(f"{flag(name)} must be {named}, got {value!r}.")
    if declared.choices and value not in declared.choices:
        raise UserError(f"{flag(name)} is {value!r}; allowed are {', '.join(declared.choices)}.")
    if declared.min is None or declared.max is None:
        return
    if not math.isfinite(value) or not declared.min <= value <= declared.max:
        unit = f" {declared.unit}" if declared.unit else ""
        raise UserError(
            f"{flag(name)} is {value}; allowed is {_number(declared.min)} to {_number(declared.max)}{unit}."
        )
