"""A family without networks: its latents are noise that fades at every step."""

from pathlib import Path

import numpy as np
import pytest

from praxino.errors import UserError
from praxino.families import Grid, LoopState, Sampling, Variant
from praxino.recipe import GuidancePhase
from praxino.weights import catalog


def variant(**fields):
    defaults = dict(
        name="toy",
        title="Toy",
        source="nowhere/toy",
        licence="Apache-2.0",
        tasks=("text-to-video", "image-to-video", "video-to-video"),
        grid=Grid(size_multiple=32, min_side=32, max_side=1024, frame_step=8, max_frames=97),
        width=128,
        height=64,
        num_frames=17,
        fps=8,
        steps=4,
        steering=("extend", "last-frame", "keyframes", "lora"),
        guidance_phases=(GuidancePhase(1.0, 3.0),),
    )
    return Variant(**{**defaults, **fields})


class ToyFamily:
    name = "toy"
    title = "Toy"

    def __init__(self, only: Variant):
        self.variant = only
        self.variants = {only.name: only}
        self.loads = 0
        self.steps_done = 0

    def identify(self, path: Path):
        return self.variant if (path / "toy.json").is_file() else None

    def plan(self, request, variant, shape, task):
        steps = request.steps or variant.steps
        sigmas = tuple(1 - i / steps for i in range(steps))
        return Sampling(steps, variant.guidance_phases, False, "none", "euler", "uniform", sigmas, "", {})

    def check_lora(self, path):
        raise UserError(f"{path} is not a LoRA")

    def load(self, path, variant, dtype, device):
        self.loads += 1
        return object()

    def equip(self, parts, recipe):
        return parts

    def denoise(self, recipe, parts, pictures, seed, state=None):
        import torch

        if state is None:
            generator = torch.Generator().manual_seed(seed)
            shape = (recipe.num_frames, recipe.height, recipe.width, 3)
            state = LoopState(0, {"latents": torch.rand(shape, generator=generator)})
        yield state
        while state.step < recipe.steps:
            self.steps_done += 1
            state = LoopState(state.step + 1, {"latents": state.tensors["latents"] * 0.9})
            yield state

    def decode(self, recipe, parts, state):
        return (state.tensors["latents"] * 255).byte().numpy()

    def preview(self, recipe, parts, state):
        return np.zeros((2, 2, 3), np.uint8)


@pytest.fixture
def make_variant():
    return variant


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """An installed toy model; returns its family."""
    folder = tmp_path / "toy-model"
    folder.mkdir()
    (folder / "toy.json").write_text("{}")
    family = ToyFamily(variant())
    entry = catalog.Entry("toy", family, family.variant, folder)
    monkeypatch.setattr(catalog, "find", lambda name: entry)
    family.entry = entry
    return family
