"""The contract that every family fulfils, and how families are found.

A family is one architecture with its rules. Its module is importable without torch; torch and diffusers are imported
inside the functions that need them. Knows nothing of requests' files, of the engine, or of any one family.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from praxino.recipe import Companion, GuidancePhase, Quality, Recipe
from praxino.request import Request

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Grid:
    """The sizes and lengths that a variant can draw. Pixels and frames, bounds inclusive."""

    size_multiple: int
    """Width and height are multiples of this."""
    min_side: int
    max_side: int
    frame_step: int
    """num_frames = frame_step * k + 1."""
    max_frames: int
    sizes: tuple[tuple[int, int], ...] = ()
    """When given, only these (width, height) are drawn."""
    buckets: tuple[tuple[int, int], ...] = ()
    """When given, a picture that is changed, or set in motion, is drawn in the one of nearest width / height."""
    named: Mapping[str, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    """Other buckets by the name of a size, as in 480p."""

    fit: Literal["nearest", "floor", "cover"] = "nearest"
    """How an aspect becomes a size of about the variant's own area. nearest: of the sizes around, the likest; floor:
    both sides rounded down; cover: one side rounded down, the other all that the area then leaves, rounded down."""
    max_frames_of: Mapping[str, int] = field(default_factory=dict)
    """By task, where that draws fewer at once."""

    def of_task(self, task: str) -> Grid:
        """The same, with the length that a task draws."""
        return dataclasses.replace(self, max_frames=self.max_frames_of.get(task, self.max_frames))

    def enlarged(self) -> Mapping[tuple[int, int], tuple[int, int]]:
        """What a second stage makes of each size, where it makes one alone of some; empty where any will do."""
        return {}

    def fitted(self, across: float, down: float, area: int) -> tuple[int, int]:
        """The size of an aspect and at most an area, by `fit` "floor" or "cover" as Wan's authors do it.

        Wan-Video/Wan2.2 at 42bf4cf, wan/image2video.py (generate) and wan/utils/utils.py (best_output_size).
        """
        if self.fit == "floor":
            aspect = down / across
            return self._down(math.sqrt(area / aspect)), self._down(math.sqrt(area * aspect))
        ratio = across / down
        width = self._down(math.sqrt(area * ratio))
        height = self._down(area / math.sqrt(area * ratio))
        sizes = (self._down(area / height), height), (width, self._down(area / width))
        return min(sizes, key=lambda size: max(ratio / (size[0] / size[1]), size[0] / size[1] / ratio))

    def _down(self, side: float) -> int:
        most = self.max_side // self.size_multiple * self.size_multiple
        return max(self.size_multiple, min(most, int(side // self.size_multiple) * self.size_multiple))

    def bucket(self, width: int, height: int, named: str = "") -> tuple[int, int]:
        """The bucket of a picture's size, of those of that name; the smaller of two that are equally near."""
        buckets = self.named.get(named, self.buckets)
        return min(buckets, key=lambda size: (abs(width / height - size[0] / size[1]), size))


@dataclass(frozen=True)
class Network:
    """A published network as the headers of its files would tell of it, counted from its config."""

    parameters: int
    """All of its weights."""
    largest: int = 0
    """Weights of the largest tensor; of a VAE, which is never taken apart, not told."""
    matrices: int = 0
    """Of a denoiser: weights that are matrices and convolutions, not biases and norms."""
    width: int = 0
    """Of a denoiser: of its hidden states."""
    is_unet: bool = False
    kind: str = ""
    """Of a VAE, or a denoiser whose needs are known (praxino.accel.working): its class in diffusers."""
    decoder_channels: int = 128
    """Of a VAE: before the last layer of its decoder."""
    decoder_patch: int = 1
    """Of a VAE: a place of that layer becomes patch x patch pixels."""


@dataclass(frozen=True)
class Part:
    """What a published checkpoint has from another Hub repository."""

    source: str
    """The repository, with a file or folder of it or without; its main branch."""
    files: tuple[str, ...] = ()
    """Patterns of the files that are needed, as `Variant.files`."""


HOMES = ("home", "folder")
"""The options of a variant that is on this machine which say where: a family has one of them."""
PARTS = "parts"
"""The option of a variant that is on this machine which says where its parts lie: a path by each name."""


@dataclass(frozen=True)
class Variant:
    """A published checkpoint, with everything about it that is data."""

    name: str
    title: str
    source: str
    """Hub repository and file, or "" for what ships in the package."""
    licence: str
    tasks: tuple[str, ...]
    grid: Grid
    width: int
    height: int
    num_frames: int
    fps: float
    steps: int
    guidance_phases: tuple[GuidancePhase, ...]
    """The default guidance; one phase unless the authors change it on the way."""
    cfg_star: bool = False
    stg_mode: str = "attention-values"
    negative_prompt: str = ""
    scheduler: str = "euler"
    schedule: str = "uniform"
    sigmas: tuple[float, ...] = ()
    """The exact noise levels, for distilled checkpoints (schedule "explicit")."""
    dtype: str = "bfloat16"
    max_text_tokens: int = 256
    vocabulary: str = ""
    """Name of the vocabulary file in the folder, when the variant only knows certain words."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """What only this family reads."""
    steering: tuple[str, ...] = ()
    """What else can steer it: extend, last-frame, keyframes, control:KIND, reference, reference:style,
    reference:layout, lora, embedding, spatial-base, true-guidance, motion, motion-strength, motion-template, camera,
    sound, upscale, stg, apg, cfg-zero-star, video-mask. The engine refuses a request for what is not among them."""
    qualities: tuple[Quality, ...] = ()
    """Those beside exact that its family can draw it in; see `recipe.Quality`."""
    upscale: str = ""
    """What --upscale is where it is not given, as in 4x, for what only draws larger what it is shown."""
    needs: tuple[str, ...] = ()
    """Of its steering, what it cannot draw without: a map for a checkpoint that only draws after one."""
    revision: str = "main"
    """The Hub revision that these figures are of."""
    files: tuple[str, ...] = ()
    """Patterns of the Hub files that it needs, as in "unet/*.safetensors"; empty means all safe ones."""
    parts: Mapping[str, Part] = field(default_factory=dict)
    """What else it is put together from, by what its family calls it: fetched, verified and removed with it."""
    gated: bool = False
    """Whether the Hub asks for an account and an accepted licence."""
    restrictions: str = ""
    """What the licence forbids or asks for, in one line; shown before a download."""
    networks: Mapping[str, Network] = field(default_factory=dict)
    """By the component's folder, all that a run loads; empty where they were not counted."""
    file_formats: Mapping[str, str] = field(default_factory=dict)
    """By the component's folder, the number format of its published files where that is not `dtype`; "" for a network
    that comes with another model."""
    usual: bool = False
    """Whether the family's name stands for it, and not for the first of the family's checkpoints."""


@dataclass(frozen=True)
class Shape:
    """Width and height in pixels, number of frames, frames per second."""

    width: int
    height: int
    num_frames: int
    fps: float
    upscale: tuple[int, ...] = ()
    """Width and height that a second stage is to reach; empty without one. What cannot be is for `plan` to refuse."""


@dataclass(frozen=True)
class Sampling:
    """The family's part of a Recipe: fields of the same names, and notes. Companions come without fingerprints."""

    steps: int
    guidance_phases: tuple[GuidancePhase, ...]
    cfg_star: bool
    stg_mode: str
    scheduler: str
    schedule: str
    sigmas: tuple[float, ...]
    negative_prompt: str
    options: Mapping[str, Any]
    companions: tuple[Companion, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user should be told, one line each: a prompt that is read in part. No part of the Recipe."""


@dataclass
class LoopState:
    """All that a denoising loop needs to go on after `step` steps: what a checkpoint saves.

    `tensors` holds the latents under "latents" and whatever the sampler carries along (earlier predictions, the
    generator's state). All on the CPU or the run's device; saved as safetensors.
    """

    step: int
    tensors: dict[str, torch.Tensor]


class Family(Protocol):
    """One architecture. `name` is its module's with hyphens, and dots where a version has them."""

    name: str
    title: str

    @property
    def variants(self) -> Mapping[str, Variant]:
        """The published checkpoints by name."""
        ...

    def identify(self, path: Path) -> Variant | None:
        """Which variant lies in a folder or single file, read from its configs and headers alone (no torch).

        None when the path holds no checkpoint of this family. A checkpoint of this family that is none of the published
        ones yields a variant made for it.
        """
        ...

    def plan(self, request: Request, variant: Variant, shape: Shape, task: str) -> Sampling:
        """Decide how to sample. No torch, no weights.

        `request.guider` is None or "apg": plain guidance and CFG-zero* come as `request.cfg_star` False and True.

        Raises:
            UserError: the request asks for something the variant cannot do.
        """
        ...

    def check_lora(self, path: Path) -> float | None:
        """Refuse a file that holds no LoRA, by its header alone (no torch). Raises UserError.

        Returns the scale that its authors lay it on with, None where that is 1.
        """
        ...

    def load(self, path: Path, variant: Variant, dtype: str, device: str) -> Any:
        """Load the networks: whatever `run` wants as `parts`. Raises ModelError when the files are damaged."""
        ...

    def equip(self, parts: Any, recipe: Recipe) -> Any:
        """Put the recipe's LoRAs and companions on `parts`, in place of any before.

        Without any, `parts` is bit for bit as it was loaded. Raises ModelError when a LoRA's key matches nothing.
        """
        ...

    def denoise(
        self, recipe: Recipe, parts: Any, pictures: list[np.ndarray], seed: int, state: LoopState | None = None
    ) -> Iterator[LoopState]:
        """Yield the state before the first step (step 0) and after every step; go on from `state` when given.

        `pictures[i]` is (F, H, W, 3) uint8 RGB: the decoded media of `recipe.conditions[i]`, not yet resized. A clip
        that is changed or followed comes from the engine in the new one's time, with a frame for each that is drawn.
        A family whose pipeline decodes on its own may leave "frames" (F, H, W, 3) uint8 in the last state.
        """
        ...

    def decode(self, recipe: Recipe, parts: Any, state: LoopState) -> np.ndarray:
        """The final state as frames, (F, H, W, 3) uint8; of the size `recipe.upscale` where that is given."""
        ...

    def preview(self, recipe: Recipe, parts: Any, state: LoopState) -> np.ndarray:
        """A small, cheap picture of what is coming, (h, w, 3) uint8."""
        ...

    def miniature(self, folder: Path, like: str | None = None) -> None:
        """Write the same pipeline with tiny random weights and a tokenizer made on the spot.

        `like` names a published variant, where one miniature cannot do what all of them do.
        """
        ...


@runtime_checkable
class DecodesInChunks(Protocol):
    """A family whose decoder goes through time: it also has this method, and some frames before it has all."""

    def decode_chunks(self, recipe: Recipe, parts: Any, state: LoopState) -> Iterator[np.ndarray]:
        """What `decode` gives, from the first frame to the last, some at a time: each (f, H, W, 3) uint8."""
        ...


@runtime_checkable
class DrawsSound(Protocol):
    """A family that draws sound: it also has this method, and variants whose `steering` has "sound"."""

    def sound(self, recipe: Recipe, parts: Any, state: LoopState) -> tuple[np.ndarray, int]:
        """The sound of the final state: samples (C, N) float32 in [-1, 1], and their rate a second. See `decode`.

        Called after `decode`, when `recipe.sound` is "drawn".
        """
        ...


def downloads(family: Family) -> list[Variant]:
    """A family's checkpoints that can be fetched; first the one that the family's name stands for."""
    return sorted((variant for variant in family.variants.values() if variant.source), key=lambda one: not one.usual)


@cache
def families() -> dict[str, Family]:
    """Every family by name: the modules of this package, then the entry points of the group `praxino.families`."""
    found: dict[str, Family] = {}
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            family = importlib.import_module(f"{__name__}.{module.name}").FAMILY
            found[family.name] = family
    for entry in entry_points(group="praxino.families"):
        family = entry.load()
        found[family.name] = family
    return found
