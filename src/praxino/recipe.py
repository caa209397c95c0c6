"""The Recipe: everything decided. Plain JSON both ways; it travels inside every file that Praxino writes.

Knows nothing of how it is resolved, run or embedded.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from praxino.errors import UserError
from praxino.plain import from_plain, to_plain

RECIPE_VERSION = 1
"""Raised whenever an older Praxino could no longer read, or would read differently, what this one writes."""

Format = Literal["gif", "webp", "avif", "png", "mp4", "webm", "jpeg", "svg", "frames"]
"""File formats; `png` is an APNG when there are several frames; `frames` is a folder of numbered PNGs."""

GifQuality = Literal["small", "good", "best"]
Codec = Literal["h264", "av1", "vp9", "none"]
Matting = Literal["none", "ground", "rembg"]
Sound = Literal["none", "drawn", "kept", "laid"]
Trim = Literal["end", "start", "evenly"]
Quality = Literal["exact", "near", "fast"]
"""How true the pixels are to those that the plain networks draw. exact: the same; near: of other number formats; fast:
of fewer computations as well."""
QUALITIES: tuple[Quality, ...] = ("exact", "near", "fast")


@dataclass(frozen=True)
class Media:
    """A picture or clip that a run is conditioned on."""

    source: str
    """Where it came from, as the user named it."""
    sha256: str
    """Of the decoded pixels: uint8 RGB bytes, frame after frame, as (F, H, W, 3)."""
    data: str
    """`data:image/png;base64,...` when it is embedded (single pictures always are), else "": `source` is read again."""


@dataclass(frozen=True)
class Condition:
    """A picture or a clip that a run is given, and what for."""

    frame: int
    """Of role "frame": index of the first pixel frame that it stands for, in what is drawn. Otherwise 0."""
    strength: float
    """frame: 1 keeps it as it is, 0 ignores it. image, video: the share of the noise levels that is run.
    control: the scale of its residuals. reference: its weight. mask: always 1."""
    media: Media
    role: str = "frame"
    """frame: the clip has to show it; image, video: it is changed; mask: white is drawn anew; reference: its look;
    control:KIND: a map of that kind (canny, depth, ...); annotate:KIND: that map is first made of it;
    motion: a clip whose movement is followed."""


@dataclass(frozen=True)
class Lora:
    """Low-rank weights laid over the checkpoint."""

    path: str
    scale: float
    sha256: str


@dataclass(frozen=True)
class Soundtrack:
    """A file whose sound is laid under a clip."""

    source: str
    """As the user named it: it is read again."""
    sha256: str
    """Of the file."""


@dataclass(frozen=True)
class Companion:
    """Another checkpoint that takes part in the run."""

    role: str
    """controlnet:KIND, annotator:KIND, ip-adapter, image-encoder, embedding:TOKEN, spatial-base, ..."""
    path: str
    """The name, folder or file that it is found under."""
    sha256: str = ""
    """Fingerprint of its files."""


@dataclass(frozen=True)
class Pieces:
    """How the frames are drawn where they are not what one run of the model makes."""

    num_frames: int = 0
    """What is drawn at once, on the model's grid; 0 is the recipe's own number, in one piece."""
    count: int = 1
    """Pieces, drawn one after another; each goes on from the one before."""
    overlap: int = 0
    """Frames that a piece is given of the one before: it shows them again, and they are kept once."""
    backward: bool = False
    """Each piece comes before the one drawn last, not after it."""
    trim: Trim = "end"
    """Where frames beyond the length are taken away."""

    @property
    def span(self) -> int:
        """Frames of all pieces together, before any is taken away."""
        return self.num_frames + (self.count - 1) * (self.num_frames - self.overlap)


@dataclass(frozen=True)
class Extended:
    """A clip that what is drawn goes on from: it is in the file as it was, frame by frame."""

    media: Media
    num_frames: int
    overlap: int
    """Its frames that are drawn again beside the seam; what is drawn of them is left out."""


@dataclass(frozen=True)
class GuidancePhase:
    """How predictions are combined from a sigma downwards, until the next phase begins."""

    start: float
    """The phase holds for steps whose sigma is at most this (the first phase starts at 1.0 or above)."""
    scale: float
    """Classifier-free guidance; 1 means one pass only."""
    stg_scale: float = 0.0
    """Spatio-temporal skip guidance; 0 means no perturbed pass."""
    stg_blocks: tuple[int, ...] = ()
    """Transformer blocks that the perturbed pass skips."""
    rescale: float = 1.0
    """1 leaves the guided prediction's standard deviation alone; 0 makes it the text prediction's."""


@dataclass(frozen=True)
class Encoding:
    """How the frames become a file."""

    format: Format
    loop: int
    """Times the animation plays; 0 is for ever. Formats without a loop count ignore it."""
    gif: GifQuality
    quality: int
    """1 to 100 for lossy formats; 100 is the best."""
    codec: Codec
    """For MP4 and WebM; "none" elsewhere."""
    grid: bool
    """The n samples side by side in one file."""
    sheet: bool
    """The frames side by side in one still picture."""
    matting: Matting = "none"
    """How the ground is made see-through. ground: what is of the border's colour; rembg: what that library finds."""


@dataclass(frozen=True)
class Recipe:
    """All that decides the pixels of a run, and the bytes of its file."""

    family: str
    variant: str
    model: str
    """The name or folder that the checkpoint is found under."""
    revision: str
    """Fingerprint of the checkpoint's files; a replay refuses another."""
    task: str
    prompt: str
    """What the user wrote."""
    caption: str
    """What the text encoder reads: the prompt itself, unless the variant reads a vocabulary."""
    negative_prompt: str
    width: int
    height: int
    num_frames: int
    """Of the clip in the file; see `pieces` where it is not drawn in one."""
    fps: float
    steps: int
    """Of each piece."""
    guidance: float
    """The guidance scale, the largest of its phases."""
    guidance_phases: tuple[GuidancePhase, ...]
    cfg_star: bool
    """Project the negative prediction on the text prediction first (CFG-zero*)."""
    stg_mode: str
    seed: int
    """Sample i is drawn from seed + i."""
    n: int
    scheduler: str
    """The sampler: euler, dpm++-2m, euler-ancestral."""
    schedule: str
    """Where the sigmas came from: sd3, linear-quadratic, uniform, explicit."""
    sigmas: tuple[float, ...]
    """The noise levels of the steps, falling, in (0, 1]; a final 0 is understood. Empty: the scheduler's own.
    Where a second stage refines the clip, its levels follow, and begin higher again."""
    dtype: str
    conditions: tuple[Condition, ...]
    loras: tuple[Lora, ...]
    options: Mapping[str, Any]
    """What only this family decides, plain JSON."""
    encoding: Encoding
    companions: tuple[Companion, ...] = ()
    parent: str = ""
    """The identity of what was edited to make this, or a file's SHA-256 where it has no recipe; it decides no pixel."""
    upscale: tuple[int, ...] = ()
    """Width and height that a second stage brings the clip to; empty without one."""
    sound: Sound = "none"
    """drawn: the family draws it with the frames; kept: it is that of the clip which is changed or extended; laid: it
    is the soundtrack."""
    soundtrack: tuple[Soundtrack, ...] = ()
    """Empty or one."""
    pieces: Pieces = Pieces()
    extends: tuple[Extended, ...] = ()
    """The clip that this one extends; empty or one."""
    plan: str = "exact"
    """What was done to the pixels so that the run fits into memory: exact (nothing, wherever the networks lay
    meanwhile), tiled (decoded in tiles) or float8 (that, and the denoiser's weights stored in 8 bits)."""
    quality: Quality = "exact"
    speed: tuple[str, ...] = ()
    """What near and fast change of the pixels beside `dtype`. quantised:FORMAT: products of the denoiser's large layers
    are made in it; reuse:CACHE/BOUND/FIRST, or without the name that of easy: after so many steps, those are left out
    that `praxino.accel.caches` says; unguided:COUNT: so many steps at the end have no guidance."""
    version: int = field(default=RECIPE_VERSION)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; fields that came later only where they decide something: older files stay the same."""
        return {name: value for name, value in to_plain(self).items() if name not in _LATER or value != _LATER[name]}

    @classmethod
    def from_json(cls, data: Any) -> Recipe:
        """Read a recipe that some Praxino wrote.

        Raises:
            UserError: it is of a newer version, or not a recipe.
        """
        version = data.get("version") if isinstance(data, dict) else None
        if isinstance(version, int) and version > RECIPE_VERSION:
            raise UserError(
                f"the recipe has version {version}; this Praxino reads up to {RECIPE_VERSION}.\n"
                "Upgrade it: pip install --upgrade praxino"
            )
        try:
            return from_plain(cls, data)
        except ValueError as problem:
            raise UserError(f"not a readable recipe: {problem}") from problem

    @property
    def drawn(self) -> Pieces:
        """The pieces, in full where they are left to the number of frames."""
        return self.pieces if self.pieces.num_frames else Pieces(self.num_frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in the file."""
        return (self.upscale[0], self.upscale[1]) if self.upscale else (self.width, self.height)

    def single(self, index: int) -> Recipe:
        """The recipe of sample `index` alone: it draws the same pixels."""
        return dataclasses.replace(
            self, n=1, seed=self.seed + index, encoding=dataclasses.replace(self.encoding, grid=False)
        )

    def identity(self) -> str:
        """Hex digest of all that decides the pixels (not the file's encoding): equal means equal pixels."""
        plain = self.to_json()
        del plain["encoding"], plain["parent"]
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


_LATER = {
    name: to_plain(Recipe.__dataclass_fields__[name].default)
    for name in ("upscale", "sound", "soundtrack", "pieces", "extends", "plan", "quality", "speed")
}
"""Fields that older recipes lack: at these values they decide nothing."""
