"""Numbers of Lightricks' own code (tests/reference/ltx_video), step for step, through what production runs."""

from __future__ import annotations

import dataclasses
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.loaders.single_file_utils import convert_ltx_transformer_checkpoint_to_diffusers
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from safetensors.torch import load_file

from praxino.families import LoopState, _perturb
from praxino.families.ltx_video import conditioning, load, loop, positions, single_file
from praxino.families.ltx_video.header import read_header
from praxino.families.ltx_video.settings import Settings
from praxino.families.ltx_video.text import Embedded
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance, schedules
from praxino.sampling.noise import SeededNoise

FOLDER = Path(__file__).parents[1] / "reference" / "ltx_video"
WEIGHTS = FOLDER / "ltx_tiny_original_format_fp16.safetensors"
RUNS = json.loads((FOLDER / "runs.json").read_text())
MODES = {"AttentionValues": "attention-values"}
TOLERANCE = 1e-5
SHAPE = (4, 4, 5)


class RecordedNoise:
    """Draws that were recorded, in order."""

    def __init__(self, draws: np.ndarray) -> None:
        self._draws = [torch.from_numpy(draw) for draw in draws]
        self._index = 0

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        drawn = self._draws[self._index]
        self._index += 1
        assert drawn.shape == shape
        return drawn

    def state(self) -> torch.Tensor:
        return torch.tensor([self._index], dtype=torch.uint8)

    def restore(self, state: torch.Tensor) -> None:
        self._index = int(state)


@cache
def transformer() -> LTXVideoTransformer3DModel:
    header = read_header(WEIGHTS)
    assert header is not None
    weights = convert_ltx_transformer_checkpoint_to_diffusers(load_file(WEIGHTS))
    return load._filled(
        LTXVideoTransformer3DModel, single_file.transformer_config(header), weights, torch.float32
    ).eval()


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(array)


def embedded(name: str) -> Embedded:
    inputs = arrays("inputs")
    return Embedded(tensor(inputs[f"{name}_embeds"]), tensor(inputs[f"{name}_attention_mask"]))


def settings_of(run: dict) -> Settings:
    return Settings(num_layers=4, causal_rope=run["causal_temporal_positioning"])


def sigmas_of(run: dict) -> tuple[float, ...]:
    if "timesteps" in run:
        return schedules.explicit(run["timesteps"])
    if run["scheduler"] == "sd3":
        return schedules.sd3(run["num_inference_steps"], 80)
    return schedules.linear_quadratic(run["num_inference_steps"])


def plan_of(run: dict) -> loop.Plan:
    phase = GuidancePhase(
        start=1.0,
        scale=run["guidance_scale"],
        stg_scale=run["stg_scale"],
        stg_blocks=tuple(run.get("skip_block_list", ())),
        rescale=1.0 if run["rescaling_scale"] == 1 else 1 - run["rescaling_scale"],
    )
    return loop.Plan(
        sigmas=sigmas_of(run),
        phases=(phase,),
        guider=guidance.Guider(star=run.get("cfg_star_rescale", False)),
        stg_mode=MODES[run.get("skip_layer_strategy", "AttentionValues")],
        scheduler="euler-ancestral" if run.get("stochastic_sampling") else "euler",
        image_noise=run.get("image_cond_noise_scale", 0.0),
    )


def start_of(name: str) -> loop.Start:
    """What the loop begins with, made by production's own functions from the recorded noise and encoded picture."""
    run, recorded = RUNS[name], arrays(name)
    held = [
        conditioning.Held(tensor(recorded[f"cond_latents_{i}"]), item["frame"], item["strength"])
        for i, item in enumerate(run.get("items", ()))
    ]
    noise = tensor(recorded["initial_latents_bcfhw"])
    mixed = conditioning.mix(noise, held, settings_of(run), SeededNoise(0))
    coords = positions.in_seconds(mixed.coords, run["frame_rate"])
    return loop.Start(mixed.tokens, coords, mixed.strengths, embedded("prompt"), embedded("negative_prompt"))


def noise_of(name: str) -> RecordedNoise:
    recorded = arrays(name)
    return RecordedNoise(recorded.get("image_noise_per_step", recorded.get("step_noise", np.empty(0))))


def close(actual: torch.Tensor, expected: np.ndarray, what: str) -> None:
    error = float((actual - tensor(expected)).abs().max())
    assert error < TOLERANCE, f"{what}: off by {error:.2e}"


def close_to_scale(actual: torch.Tensor, expected: np.ndarray, what: str) -> None:
    """Guidance multiplies the recorded predictions' own rounding (8e-6, against float64) by up to five."""
    scale = float(np.abs(expected).max())
    close(actual / scale, expected / np.float32(scale), what)


@pytest.mark.parametrize("name", RUNS)
def test_the_start_is_the_originals(name: str) -> None:
    start, recorded = start_of(name), arrays(name)
    close(start.tokens, recorded["initial_tokens"], "tokens")
    close(start.coords, recorded["rope_coords"], "coordinates")
    np.testing.assert_allclose(sigmas_of(RUNS[name]), recorded["timesteps"], atol=3e-8, rtol=0)
    if start.strengths is not None:
        close(start.strengths, recorded["conditioning_mask"], "strengths")


@pytest.mark.parametrize("name", RUNS)
@torch.no_grad()
def test_each_guided_velocity_is_the_originals(name: str) -> None:
    start, recorded, plan = start_of(name), arrays(name), plan_of(RUNS[name])
    for index in range(len(plan.sigmas)):
        x = tensor(recorded["model_input_tokens"][index])
        v, _ = loop.guided_velocity(transformer(), x, start, plan, LoopState(index, {}))
        close_to_scale(v, recorded["guided_velocity"][index], f"step {index}")


@pytest.mark.parametrize("name", RUNS)
def test_the_whole_loop_is_the_originals(name: str) -> None:
    start, recorded, plan = start_of(name), arrays(name), plan_of(RUNS[name])
    states = list(loop.denoise(transformer(), start, plan, noise_of(name)))
    assert [state.step for state in states] == list(range(len(plan.sigmas) + 1))
    for state, expected in zip(states[1:], recorded["tokens_after_step"], strict=True):
        close(state.tensors["latents"], expected, f"after step {state.step}")
    close(positions.unpack(states[-1].tensors["latents"], SHAPE), recorded["final_latents_bcfhw"], "final latents")


@torch.no_grad()
def forward(timestep: np.ndarray) -> torch.Tensor:
    given = arrays("forward")
    return transformer()(
        hidden_states=tensor(given["tokens"]),
        encoder_hidden_states=tensor(given["encoder_hidden_states"]),
        timestep=tensor(timestep) * loop.TIMESTEP_SCALE,
        encoder_attention_mask=tensor(given["encoder_attention_mask"]),
        video_coords=tensor(given["rope_coords"]),
        return_dict=False,
    )[0]


@pytest.mark.parametrize("kind", ["global", "per_token"])
def test_one_forward_is_the_originals(kind: str) -> None:
    given = arrays("forward")
    close(forward(given[f"timestep_{kind}"]), given[f"out_{kind}"], kind)


@pytest.mark.parametrize(
    ("mode", "original"),
    [
        ("attention-values", "AttentionValues"),
        ("attention-skip", "AttentionSkip"),
        ("transformer-block", "TransformerBlock"),
    ],
)
def test_each_perturbation_is_the_originals_and_leaves_no_trace(mode: str, original: str) -> None:
    given = arrays("forward")
    with _perturb.perturbed(transformer().transformer_blocks, (1, 3), mode):
        perturbed = forward(given["timestep_global"])
    close(perturbed, given[f"out_skip_1_3_{original}"], mode)
    close(forward(given["timestep_global"]), given["out_global"], "afterwards")


def test_rotary_embeddings_are_the_originals() -> None:
    given = arrays("forward")
    cos, sin = transformer().rope(tensor(given["tokens"]), video_coords=tensor(given["rope_coords"]))
    close(cos, given["rope_cos"], "cos")
    close(sin, given["rope_sin"], "sin")


def test_a_seed_draws_the_originals_noise() -> None:
    tokens = SeededNoise(4242).draw((1, 80, 16))
    close(positions.unpack(tokens, SHAPE), arrays("a_cfg")["initial_latents_bcfhw"], "noise")


@torch.no_grad()
def test_guidance_changes_with_its_phases() -> None:
    """Each phase on its own, and the same phases one after another, predict the same; so does CFG-star."""
    start, x = start_of("b_stg_av"), tensor(arrays("b_stg_av")["initial_tokens"])
    phases = (
        GuidancePhase(start=1.0, scale=1.0),
        GuidancePhase(start=0.9, scale=6.0, stg_scale=4.0, stg_blocks=(1, 3), rescale=0.5),
        GuidancePhase(start=0.5, scale=1.0, stg_scale=1.0, stg_blocks=(2,)),
    )
    whole = loop.Plan((1.0, 0.9, 0.6, 0.5), phases, guidance.Guider(star=True), "attention-values", "euler", 0.0)
    seen = []
    for step, index in enumerate((0, 1, 1, 2)):
        alone = dataclasses.replace(whole, phases=(dataclasses.replace(phases[index], start=1.0),))
        v, _ = loop.guided_velocity(transformer(), x, start, whole, LoopState(step, {}))
        assert torch.equal(v, loop.guided_velocity(transformer(), x, start, alone, LoopState(step, {}))[0])
        without = dataclasses.replace(alone, guider=guidance.PLAIN)
        same = torch.equal(v, loop.guided_velocity(transformer(), x, start, without, LoopState(step, {}))[0])
        assert same is (phases[index].scale == 1)
        seen.append(v)
    assert len({float(v.sum()) for v in seen}) == 4
