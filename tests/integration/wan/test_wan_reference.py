"""Against the authors' own code: its arrays are in tests/reference/wan. Each point fails on the stock behaviour."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from diffusers.schedulers import DPMSolverMultistepScheduler, UniPCMultistepScheduler

from praxino.families import Shape
from praxino.families.wan import FAMILY, load, loop
from praxino.families.wan.variants import PUBLISHED
from praxino.recipe import GuidancePhase
from praxino.request import Request
from praxino.sampling import schedules
from praxino.sampling.noise import SeededNoise

SHIFTS = {"wan21_t2v": 5.0, "wan21_i2v": 3.0}
SOLVERS = {"unipc": ("unipc", schedules.UNIPC_START), "dpmpp": ("dpm++-2m", 1.0)}
CASES = [(solver, name) for solver in SOLVERS for name in SHIFTS]


def relative(given: torch.Tensor, wanted: np.ndarray) -> float:
    target = torch.from_numpy(wanted)
    return float((given - target).norm() / target.norm())


def padded(text: np.ndarray) -> torch.Tensor:
    return torch.nn.functional.pad(torch.from_numpy(text), (0, 0, 0, 512 - len(text)))[None]


def start_of(arrays, name: str) -> loop.Start:
    more = {}
    if name == "wan21_i2v":
        more = {
            "channels": torch.from_numpy(arrays["y"])[None],
            "inputs": {"encoder_hidden_states_image": torch.from_numpy(arrays["clip_fea"])},
        }
    return loop.Start(
        torch.from_numpy(arrays["x"])[None], padded(arrays["context"]), padded(arrays["context_null"]), **more
    )


@pytest.mark.parametrize("name", SHIFTS)
def test_one_forward_in_the_authors_names_is_the_authors(arrays, original, name) -> None:
    (transformer,) = load.load_original(original(name), torch.float32)
    start, t = start_of(arrays, name), int(arrays[f"fwd_t_{name}"][0])
    with torch.no_grad():
        v = loop.velocity(transformer, start.latents, start, (t + 0.5) / 1000)
    assert relative(v[0], arrays[f"fwd_{name}"]) < 1e-5


@pytest.mark.parametrize(("solver", "name"), CASES)
def test_noise_levels_and_timesteps_are_the_authors(arrays, solver, name) -> None:
    _, begin = SOLVERS[solver]
    sigmas = schedules.shifted(8, SHIFTS[name], begin)
    assert np.array_equal(np.float32([*sigmas, 0]), arrays[f"sigmas_{solver}_{name}"])
    assert [int(1000 * sigma) for sigma in sigmas] == arrays[f"timesteps_{solver}_{name}"].tolist()


@pytest.mark.parametrize(("solver", "stock"), [
    ("unipc", UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)),
    ("dpmpp", DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=5.0)),
])  # fmt: skip
def test_diffusers_own_grid_is_another(arrays, solver, stock) -> None:
    stock.set_timesteps(8)
    assert np.abs(stock.sigmas.numpy() - arrays[f"sigmas_{solver}_wan21_t2v"]).max() > 1e-4


@pytest.mark.parametrize("name", SHIFTS)
def test_in_bfloat16_a_forward_is_nearer_to_the_authors_than_diffusers_is(arrays, original, name) -> None:
    t = int(arrays[f"fwd_t_{name}"][0])
    start = start_of(arrays, name)
    (ours,) = load.load_original(original(name), torch.bfloat16)
    (stock,) = load.load_original(original(name), torch.float32)
    for part, module in stock.named_modules():
        if not {"time_embedder", "norm1", "norm2", "norm3"} & {*part.split(".")}:
            for own, weight in module.named_parameters(recurse=False):
                weight.data = weight.data if own == "scale_shift_table" else weight.data.bfloat16()
    joined = start.latents if start.channels is None else torch.cat((start.latents, start.channels), dim=1)
    with torch.no_grad():
        given = loop.velocity(ours, start.latents, start, (t + 0.5) / 1000)
        theirs = stock(
            hidden_states=joined.bfloat16(), timestep=torch.tensor([t]), encoder_hidden_states=start.text.bfloat16(),
            **{key: value.bfloat16() for key, value in start.inputs.items()},
        ).sample.float()  # fmt: skip
    assert relative(given[0], arrays[f"fwd_{name}"]) < 0.0035
    assert relative(theirs[0], arrays[f"fwd_{name}"]) > 0.005


@pytest.mark.parametrize(("solver", "name"), CASES)
def test_sampling_is_the_authors_at_every_recorded_step(arrays, original, solver, name) -> None:
    transformers = load.load_original(original(name), torch.float32)
    scheduler, begin = SOLVERS[solver]
    sigmas = schedules.shifted(8, SHIFTS[name], begin)
    plan = loop.Plan(sigmas, (GuidancePhase(1.0, 5.0),), scheduler)
    states = list(loop.denoise(transformers, start_of(arrays, name), plan, SeededNoise(0)))
    for wanted, step in zip(arrays[f"sample_{solver}_{name}"], (1, 4, 8), strict=True):
        assert relative(states[step].tensors["latents"][0], wanted) < 1e-5, step


@pytest.mark.parametrize(("variant", "size", "shift"), [
    ("wan2.1-t2v-1.3b", (832, 480), 5), ("wan2.1-t2v-14b", (1280, 720), 5),
    ("wan2.1-i2v-14b-480p", (832, 480), 3), ("wan2.1-i2v-14b-720p", (1280, 720), 5),
    ("wan2.1-i2v-14b-720p", (832, 464), 3), ("wan2.1-i2v-14b-480p", (1280, 720), 5),
    ("wan2.1-flf2v-14b", (1280, 720), 16), ("wan2.1-vace-14b", (1280, 720), 16),
    ("wan2.2-t2v-a14b", (1280, 720), 12), ("wan2.2-i2v-a14b", (1280, 720), 5), ("wan2.2-i2v-a14b", (832, 480), 5),
    ("wan2.2-ti2v-5b", (1280, 704), 5),
])  # fmt: skip
def test_each_variant_is_shifted_as_its_authors_do(variant, size, shift) -> None:
    chosen = PUBLISHED[variant]
    sampling = FAMILY.plan(Request(last="b.png", first="a.png"), chosen, Shape(*size, 81, 16.0), "image-to-video")
    t = 0.9990000128746033 * (1 - np.arange(chosen.steps) / chosen.steps)
    np.testing.assert_allclose(sampling.sigmas, shift * t / (1 + (shift - 1) * t), rtol=1e-12)


def test_the_two_transformers_have_their_guidance_and_their_boundary() -> None:
    for name, boundary, low, high in (("wan2.2-t2v-a14b", 0.875, 3.0, 4.0), ("wan2.2-i2v-a14b", 0.9, 3.5, 3.5)):
        variant = PUBLISHED[name]
        assert variant.options["boundary"] == boundary
        phases = variant.guidance_phases
        scales = [phases[loop.guidance.phase_index(tuple(p.start for p in phases), s)].scale for s in (1, boundary)]
        assert scales == [high, high]
        below = np.nextafter(boundary, 0)
        assert phases[loop.guidance.phase_index(tuple(p.start for p in phases), below)].scale == low


def test_negative_prompts_steps_and_lengths_are_the_authors() -> None:
    long = PUBLISHED["wan2.1-t2v-14b"].negative_prompt
    assert hashlib.sha256(long.encode()).hexdigest().startswith("ce96e0324e4b54ce")
    assert PUBLISHED["wan2.1-i2v-14b-480p"].negative_prompt == "镜头晃动，" + long
    assert PUBLISHED["wan2.1-flf2v-14b"].negative_prompt == "镜头切换，镜头晃动，" + long
    assert PUBLISHED["wan2.2-i2v-a14b"].negative_prompt == PUBLISHED["wan2.2-ti2v-5b"].negative_prompt == long
    steps = {name: variant.steps for name, variant in PUBLISHED.items()}
    assert {name for name, count in steps.items() if count == 40} == {
        "wan2.1-i2v-14b-480p", "wan2.1-i2v-14b-720p", "wan2.2-t2v-a14b", "wan2.2-i2v-a14b",
    }  # fmt: skip
    assert set(steps.values()) == {40, 50}
    own = {(v.num_frames, v.fps) for name, v in PUBLISHED.items() if name != "wan2.2-ti2v-5b"}
    assert own == {(81, 16.0)}
    small = PUBLISHED["wan2.2-ti2v-5b"]
    assert (small.width, small.height, small.num_frames, small.fps) == (1280, 704, 121, 24.0)
