"""Miniatures of the stock families that draw clips, and a way to draw with them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save

from praxino.families import Family, LoopState, Shape, Variant
from praxino.families.animatediff.miniature import make_adapter, make_sparse
from praxino.families.stable_diffusion import miniature
from praxino.recipe import Companion, Condition, Encoding, Lora, Media, Recipe
from praxino.request import Request

SEED = 7
UNET = {
    **miniature.UNET,
    "down_block_types": ("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",) * 2,
    "up_block_types": ("UpBlock2D",) * 2 + ("CrossAttnUpBlock2D",) * 2,
    "block_out_channels": (16, 16, 16, 16),
}
"""Four blocks, as Stable Diffusion has: by them an adapter is told from one for SDXL."""
Given = tuple[str, np.ndarray, float, int]
"""A condition's role, its frames (F, H, W, 3) uint8, its strength and its frame."""


@dataclass(frozen=True)
class Model:
    """A miniature, loaded."""

    family: Family
    variant: Variant
    parts: Any
    folder: Path

    def recipe(self, task: str, given: Sequence[Given] = (), **wish: Any) -> Recipe:
        """The recipe of a wish; `loras` and `companions` are taken as they are."""
        loras, companions = wish.pop("loras", ()), wish.pop("companions", None)
        num_frames = wish.pop("num_frames", self.variant.num_frames)
        request = Request(**{"prompt": "a red cat", **wish})
        shape = Shape(self.variant.width, self.variant.height, num_frames, self.variant.fps)
        sampling = self.family.plan(request, self.variant, shape, task)
        decided = {f.name: getattr(sampling, f.name) for f in dataclasses.fields(sampling) if f.name != "notes"}
        if companions is not None:
            decided["companions"] = tuple(Companion(role, str(path)) for role, path in companions)
        media = Media("given", "", "")
        return Recipe(
            family=self.family.name, variant=self.variant.name, model="miniature", revision="", task=task,
            prompt=request.prompt, caption=request.prompt, width=shape.width, height=shape.height,
            num_frames=num_frames, fps=shape.fps, guidance=sampling.guidance_phases[0].scale, seed=SEED, n=1,
            dtype="float32",
            conditions=tuple(Condition(frame, strength, media, role) for role, _, strength, frame in given),
            loras=tuple(Lora(str(path), scale, "") for path, scale in loras),
            encoding=Encoding("gif", 0, "good", 90, "none", False, False), **decided,
        )  # fmt: skip

    def draw(self, task: str, given: Sequence[Given] = (), **wish: Any) -> np.ndarray:
        """Equip and draw: (F, H, W, 3) uint8."""
        return self.follow(self.recipe(task, given, **wish), given)[-1].tensors["frames"].numpy()

    def follow(self, recipe: Recipe, given: Sequence[Given] = (), saved: LoopState | None = None) -> list[LoopState]:
        """All states of a run, or of one that goes on."""
        parts = self.family.equip(self.parts, recipe)
        return list(self.family.denoise(recipe, parts, [frames for _, frames, *_ in given], SEED, saved))

    def check_going_on(self, task: str, given: Sequence[Given] = (), **wish: Any) -> None:
        """What is left of a run after any of its steps gives the same frames, bit for bit."""
        recipe = self.recipe(task, given, **wish)
        straight = self.follow(recipe, given)
        assert [state.step for state in straight] == list(range(recipe.steps + 1))
        for state in straight[:-1]:
            tensors = {name: tensor.contiguous() for name, tensor in state.tensors.items()}
            resumed = self.follow(recipe, given, LoopState(state.step, load(save(tensors))))
            assert [later.step for later in resumed] == list(range(state.step, recipe.steps + 1))
            assert torch.equal(resumed[-1].tensors["frames"], straight[-1].tensors["frames"])

    def by_hand(self, kind: Any, **components: Any) -> Callable[..., np.ndarray]:
        """A pipeline of that class, or diffusers' of that name, loaded by itself and called with the same seed.

        Its weights are frozen, as torch takes other kernels for those that want gradients, which round otherwise.
        """
        kind = getattr(diffusers, kind) if isinstance(kind, str) else kind
        pipeline = kind.from_pretrained(self.folder, **components)
        pipeline.set_progress_bar_config(disable=True)
        for network in pipeline.components.values():
            if isinstance(network, torch.nn.Module):
                network.requires_grad_(False)

        def call(**arguments: Any) -> np.ndarray:
            shared = {"num_inference_steps": self.variant.steps, "output_type": "pil"}
            generator = torch.Generator().manual_seed(SEED)
            drawn = pipeline(**{**shared, **arguments}, generator=generator).frames[0]
            return np.stack([np.array(frame) for frame in drawn])

        call.pipeline = pipeline  # pyright: ignore[reportFunctionMemberAccess]
        return call


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Model]:
    @cache
    def loaded(name: str, like: str | None = None) -> Model:
        folder = tmp_path_factory.mktemp(name) / "miniature"
        family = import_module(f"praxino.families.{name}").FAMILY
        family.miniature(folder, *([] if like is None else [like]))
        variant = family.identify(folder)
        assert variant is not None
        return Model(family, variant, family.load(folder, variant, "float32", "cpu"), folder)

    return loaded


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A base, another base, adapters over them, ControlNets: each saved once."""
    home = tmp_path_factory.mktemp("parts")

    @cache
    def base(seed: int = 0) -> Path:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            pipeline = miniature.make_pipeline(home / f"words{seed}", filling=False)
            pipeline.unet = diffusers.UNet2DConditionModel(**UNET)
            pipeline.save_pretrained(home / f"base{seed}")
        return home / f"base{seed}"

    @cache
    def made(name: str) -> Path:
        if name.startswith("base"):
            return base(int(name[4:] or 0))
        unet = diffusers.UNet2DConditionModel.from_pretrained(base() / "unet")
        with torch.random.fork_rng([]):
            torch.manual_seed(len(name))
            _part(name, unet).save_pretrained(home / name)
        return home / name

    return made


def _part(name: str, unet: Any) -> Any:
    if name.startswith("adapter"):
        return make_adapter(unet, middle=name == "adapter-v2")
    if name.startswith("sparse"):
        return make_sparse(unet, pictures=name == "sparse-rgb")
    network = diffusers.ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 8, 8, 8))
    for weight in network.parameters():
        torch.nn.init.normal_(weight, std=0.1)
    return network


@pytest.fixture(scope="session")
def clip() -> np.ndarray:
    """A disc that wanders over a gradient, (24, 64, 64, 3) uint8."""
    time, y, x = np.mgrid[0:24, 0:64, 0:64]
    channels = [x * 4, y * 4, (np.hypot(x - 20 - time, y - 20 - time) < 14) * 255]
    return np.stack(channels, -1).astype(np.uint8)


def pil(frames: np.ndarray, size: tuple[int, int]) -> list[Image.Image]:
    """Square frames as a pipeline is given them by hand."""
    return [Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS) for frame in frames]
