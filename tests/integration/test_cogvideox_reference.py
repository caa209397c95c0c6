"""Numbers of the authors' own code (tests/reference/cogvideox) through what runs here, and where stock differs."""

from __future__ import annotations

import copy
import dataclasses
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import CogVideoXDDIMScheduler
from safetensors.torch import load_file, save_file

from praxino.families import LoopState
from praxino.families.cogvideox import convert, load, loop, positions, schedule
from praxino.families.cogvideox.identify import identify
from praxino.families.cogvideox.variants import PUBLISHED, SETTINGS_5B
from praxino.recipe import GuidancePhase
from praxino.sampling import guidance

FOLDER = Path(__file__).parents[1] / "reference" / "cogvideox"
TOLERANCE = 1e-5
KINDS = ("2b", "5b")
SHIFT = {"2b": 3.0, "5b": 1.0}
STEPS = 10
SHAPE = (3, 8, 12)
"""Latent frames, rows and columns."""
SAMPLE = {"sample_width": 12, "sample_height": 8, "sample_frames": 9}


class RecordedNoise:
    """The noise that was used; what is drawn and not used is no number, so that using it shows."""

    def __init__(self, used: torch.Tensor) -> None:
        unused = torch.full_like(used[0], math.nan)
        self._draws = [used[0], *(draw for noise in used[1:] for draw in (unused, noise))]
        self._index = 0

    def draw(self, shape: tuple[int, ...]) -> torch.Tensor:
        drawn = self._draws[self._index]
        self._index += 1
        assert tuple(drawn.shape) == shape
        return drawn

    def spent(self) -> bool:
        return self._index == len(self._draws)

    def state(self) -> torch.Tensor:
        return torch.tensor([self._index], dtype=torch.uint8)

    def restore(self, state: torch.Tensor) -> None:
        self._index = int(state)


@cache
def reference() -> dict[str, torch.Tensor]:
    with np.load(FOLDER / "io.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@cache
def transformer(kind: str, dtype: torch.dtype = torch.float32):
    tensors = load_file(FOLDER / f"transformer_{kind}.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    config = {**convert.transformer_config(shapes, 10), **SAMPLE}
    network = load.filled(config, convert.transformer(tensors, config), torch.float32).to(dtype).eval()
    network.norm_out.norm.eps = SETTINGS_5B.output_epsilon
    return network


def start_of(kind: str, dtype: torch.dtype = torch.float32) -> loop.Start:
    text = reference()["ctx"].to(dtype)
    rotary = positions.rotary(transformer(kind).config, SHAPE, torch.device("cpu"))
    return loop.Start(reference()["latent_noise"], text, torch.zeros_like(text), None, rotary)


def plan_of(kind: str, num_steps: int = STEPS, **fields) -> loop.Plan:
    given = {
        "levels": schedule.levels(num_steps, SHIFT[kind], "authors"),
        "first_step": 0,
        "phases": (GuidancePhase(1.0, 6.0),),
        "dynamic": True,
        "guider": guidance.PLAIN,
        "stg_mode": "attention-values",
        "scheduler": "dpm++-sde",
    }
    return loop.Plan(**{**given, **fields})


def sampled(kind: str, plan: loop.Plan | None = None, start: loop.Start | None = None, dtype=torch.float32):
    noise = RecordedNoise(reference()[f"{kind}_noises"])
    states = list(loop.denoise(transformer(kind, dtype), start or start_of(kind, dtype), plan or plan_of(kind), noise))
    return [state.tensors["latents"] for state in states], noise


def worst(given: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((given - wanted).abs().max())


def share_of_peak(given: torch.Tensor, wanted: torch.Tensor) -> float:
    return worst(given, wanted) / float(wanted.abs().max())


def relative(given: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((given - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_one_forward_agrees(kind):
    start, wanted = start_of(kind), reference()[f"{kind}_forward_t719"]
    found = loop.velocity(transformer(kind), start.latents, start, (start.text,), 719)
    assert worst(found, wanted) < TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_one_forward_with_the_epsilon_of_stock_diffusers_does_not(kind):
    network, start = copy.deepcopy(transformer(kind)), start_of(kind)
    network.norm_out.norm.eps = 1e-5
    found = loop.velocity(network, start.latents, start, (start.text,), 719)
    assert worst(found, reference()[f"{kind}_forward_t719"]) > 2 * TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
def test_ten_steps_of_sampling_agree_noise_for_noise(kind):
    """Peaks are near 10. The recorded numbers are rounded themselves, by 1.6e-5 and 1.9e-5: ours are by less."""
    states, noise = sampled(kind)
    wanted = reference()[f"{kind}_sample10_fp32"]
    assert share_of_peak(states[-1], wanted) < TOLERANCE / 4
    assert noise.spent()
    exact = sampled_in_float64(kind)
    assert worst(states[-1].double(), exact) < worst(wanted.double(), exact) < 2 * TOLERANCE


@pytest.mark.parametrize("kind", KINDS)
def test_every_step_agrees_with_the_authors_sampler_written_out_in_float64(kind):
    """VPSDEDPMPP2MSampler, DynamicCFG and DiscreteDenoiser step for step, over the same network."""
    states, _ = sampled(kind)
    exact = authors_sampler(kind, transformer(kind))
    for state, wanted in zip(states[1:], exact, strict=True):
        assert share_of_peak(state.double(), wanted) < TOLERANCE


def sampled_in_float64(kind: str) -> torch.Tensor:
    network = load.filled(dict(transformer(kind).config), dict(transformer(kind).state_dict()), torch.float64).eval()
    network.norm_out.norm.eps = SETTINGS_5B.output_epsilon
    return authors_sampler(kind, network)[-1]


@torch.no_grad()
def authors_sampler(kind: str, network: Any) -> list[torch.Tensor]:
    """The latents after every step, all but the network in float64."""
    start, dtype = start_of(kind), next(network.parameters()).dtype
    roots = [*reference()[f"sat_alpha_sqrt_{kind}_{STEPS}"].double().tolist(), 1.0]
    quantised = reference()[f"sat_alpha_sqrt_quantised_{kind}_{STEPS}"].double()
    timesteps = np.linspace(999, 0, STEPS, endpoint=False).astype(int)
    x, before, found = start.latents.double(), None, []
    for index, timestep in enumerate(timesteps.tolist()):
        given = {"hidden_states": x.to(dtype), "timestep": torch.tensor([timestep]), "image_rotary_emb": start.rotary}
        v_t, v_u = (
            network(**given, encoder_hidden_states=words.to(dtype)).sample.double()
            for words in (start.text, start.negative)
        )
        a = quantised[index]
        x0_t, x0_u = (a * x - (1 - a**2) ** 0.5 * v for v in (v_t, v_u))
        scale = 1 + 6 * (1 - math.cos(math.pi * ((STEPS - timestep) / STEPS) ** 5)) / 2
        x0 = x0_u + scale * (x0_t - x0_u)
        x, before = authors_step(roots, index, x, x0, before, reference()[f"{kind}_noises"].double()), x0
        found.append(x)
    return found


def authors_step(roots, index, x, x0, before, noises):
    if index == STEPS - 1:
        return x0
    a, b = roots[index], roots[index + 1]
    lamb, lamb_next = (0.5 * math.log(r**2 / (1 - r**2)) if r else -math.inf for r in (a, b))
    h = lamb_next - lamb
    kept = ((1 - b**2) / (1 - a**2)) ** 0.5 * math.exp(-h)
    pulled = math.expm1(-2 * h) * b
    spread = (1 - b**2) ** 0.5 * (1 - math.exp(-2 * h)) ** 0.5
    if before is not None:
        earlier = roots[index - 1]
        r = (lamb - (0.5 * math.log(earlier**2 / (1 - earlier**2)) if earlier else -math.inf)) / h
        x0 = (1 + 1 / (2 * r)) * x0 - 1 / (2 * r) * before
    return kept * x - pulled * x0 + spread * noises[index]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_steps", [10, 50])
def test_levels_are_the_authors(kind, num_steps):
    found = schedule.levels(num_steps, SHIFT[kind], "authors")
    assert np.allclose(found.alphas[:-1], reference()[f"sat_alpha_sqrt_{kind}_{num_steps}"], rtol=0, atol=1e-7)
    quantised = reference()[f"sat_alpha_sqrt_quantised_{kind}_{num_steps}"]
    assert np.allclose(found.denoising, quantised, rtol=0, atol=1e-7)
    assert found.alphas[0] == 0 and found.alphas[-1] == 1


def test_guidance_is_dynamic_step_for_step():
    found = [schedule.dynamic_scale(6.0, t, 50) for t in schedule.levels(50, 1.0, "authors").timesteps]
    assert np.allclose(found, reference()["dyncfg_scale_50"], rtol=0, atol=1e-9)
    assert max(found) - min(found) > 5


@pytest.mark.parametrize("num_steps", [28, 50])
def test_levels_are_not_those_of_stock_schedulers(num_steps):
    """Steps that do not divide 1000 are spaced otherwise altogether; the others are rescaled after they are picked."""
    found = schedule.levels(num_steps, 1.0, "authors")
    scheduler = stock_scheduler()
    scheduler.set_timesteps(num_steps)
    theirs = scheduler.alphas_cumprod[scheduler.timesteps].sqrt()
    assert np.abs(np.array(found.alphas[:-1]) - theirs.numpy()).max() > 5e-4
    assert found.timesteps == tuple(np.linspace(999, 0, num_steps, endpoint=False).astype(int).tolist())
    table = scheduler.alphas_cumprod.sqrt().numpy()
    nearest = [table[np.abs(table - alpha).argmin()] for alpha in found.alphas[:-1]]
    assert np.allclose(found.denoising, nearest, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("num_steps", "shift"), [(28, 1.0), (50, 3.0)])
def test_trailing_levels_are_those_of_stock_schedulers(num_steps, shift):
    scheduler = stock_scheduler(snr_shift_scale=shift)
    scheduler.set_timesteps(num_steps)
    found = schedule.levels(num_steps, shift, "trailing")
    assert found.timesteps == tuple(scheduler.timesteps.tolist())
    theirs = scheduler.alphas_cumprod[scheduler.timesteps].sqrt()
    assert np.allclose(found.alphas[:-1], theirs, rtol=0, atol=1e-6)


SCHEDULER: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "clip_sample": False,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "set_alpha_to_one": True,
    "timestep_spacing": "trailing",
}
"""scheduler_config.json of the published checkpoints."""


def stock_scheduler(snr_shift_scale: float = 1.0) -> CogVideoXDDIMScheduler:
    return CogVideoXDDIMScheduler(**SCHEDULER, snr_shift_scale=snr_shift_scale)


@torch.no_grad()
def test_the_stock_scheduler_draws_something_else():
    network, start, scheduler = transformer("5b"), start_of("5b"), stock_scheduler()
    scheduler.set_timesteps(STEPS)
    latents = start.latents
    for timestep in scheduler.timesteps:
        given = {"hidden_states": latents, "timestep": timestep[None], "image_rotary_emb": start.rotary}
        v_t, v_u = (network(**given, encoder_hidden_states=words).sample for words in (start.text, start.negative))
        v = v_u + schedule.dynamic_scale(6.0, int(timestep), STEPS) * (v_t - v_u)
        latents = scheduler.step(v, timestep, latents, return_dict=False)[0]
    assert relative(latents, reference()["5b_sample10_fp32"]) > 0.3


def test_zeros_for_no_words_and_dynamic_guidance_are_what_agrees():
    wanted = reference()["5b_sample10_fp32"]
    start = start_of("5b")
    with_words = dataclasses.replace(
        start, negative=torch.randn(start.text.shape, generator=torch.Generator().manual_seed(1))
    )
    assert relative(sampled("5b", start=with_words)[0][-1], wanted) > 0.02
    assert relative(sampled("5b", plan_of("5b", dynamic=False))[0][-1], wanted) > 0.02


def test_latents_stay_in_float32_in_half_precision():
    wanted = reference()["5b_sample10_fp32"]
    states, _ = sampled("5b", dtype=torch.bfloat16)
    assert all(state.dtype == torch.float32 for state in states)
    own = relative(states[-1], wanted)

    plan, start = plan_of("5b"), start_of("5b", torch.bfloat16)
    noise = RecordedNoise(reference()["5b_noises"])
    state = next(loop.denoise(transformer("5b", torch.bfloat16), start, plan, noise))
    for _ in range(STEPS):
        state = loop.advance(transformer("5b", torch.bfloat16), start, plan, noise, state)
        state.tensors["latents"] = state.tensors["latents"].bfloat16().float()
    assert own < relative(state.tensors["latents"], wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_the_authors_own_file_is_found_and_loads(kind, tmp_path):
    tensors = load_file(FOLDER / f"transformer_{kind}.safetensors")
    prefixed = {f"model.diffusion_model.{name}": tensor for name, tensor in tensors.items()}
    save_file(prefixed, tmp_path / "transformer.safetensors")
    variant = identify(tmp_path / "transformer.safetensors")
    assert variant is not None and variant.name == f"cogvideox-{kind}" and variant.options["num_layers"] == 2
    network = load.load_original(tmp_path, 10, torch.float32)
    for name, tensor in transformer(kind).state_dict().items():
        if name != "patch_embed.pos_embedding":
            assert torch.equal(network.state_dict()[name], tensor)


def test_every_kind_of_the_authors_files_has_its_config():
    """The image-to-video and 1.5 kinds, by the shapes that the constructor values of config.json give."""
    shapes = {name: tuple(tensor.shape) for name, tensor in load_file(FOLDER / "transformer_5b.safetensors").items()}
    beside = {**shapes, "mixins.patch_embed.proj.weight": (64, 128), "mixins.pos_embed.pos_embedding": (1, 82, 64)}
    config = convert.transformer_config(beside, 226)
    assert config["in_channels"] == 32 and config["use_learned_positional_embeddings"]
    wide = {
        **shapes, "mixins.patch_embed.proj.weight": (64, 256), "mixins.final_layer.linear.weight": (128, 64),
        "ofs_embed.0.weight": (32, 32),
    }  # fmt: skip
    config = convert.transformer_config(wide, 224)
    assert (config["patch_size_t"], config["in_channels"], config["ofs_embed_dim"]) == (2, 32, 32)
    assert config["use_rotary_positional_embeddings"] and not config["use_learned_positional_embeddings"]


@torch.no_grad()
@pytest.mark.parametrize("mode", ["attention-values", "attention-skip", "transformer-block"])
def test_skip_guidance_agrees_with_float64_written_out(mode):
    """Dynamic CFG, STG over block 0 and rescale; in float64, without the code under test."""
    network = load.filled(dict(transformer("5b").config), dict(transformer("5b").state_dict()), torch.float64).eval()
    network.norm_out.norm.eps = SETTINGS_5B.output_epsilon
    start, plan, index = start_of("5b"), plan_of("5b"), 4
    timestep = plan.levels.timesteps[index]

    def predicted(words: torch.Tensor) -> torch.Tensor:
        return network(
            hidden_states=start.latents.double(), encoder_hidden_states=words.double(),
            timestep=torch.tensor([timestep]), image_rotary_emb=start.rotary,
        ).sample  # fmt: skip

    def linear(tokens, layer):
        return torch.nn.functional.linear(tokens, layer.weight, layer.bias)

    def in_place_of_attention(module, args, kwargs, output):
        both = kwargs["hidden_states"], kwargs["encoder_hidden_states"]
        if mode == "attention-values":
            both = tuple(linear(tokens, module.to_v) for tokens in both)
        return tuple(linear(tokens, module.to_out[0]) for tokens in both)

    def in_place_of_block(module, args, kwargs, output):
        return kwargs["hidden_states"], kwargs["encoder_hidden_states"]

    block = network.transformer_blocks[0]
    v_t, v_u = predicted(start.text), predicted(start.negative)
    whole = mode == "transformer-block"
    hooked, hook = (block, in_place_of_block) if whole else (block.attn1, in_place_of_attention)
    handle = hooked.register_forward_hook(hook, with_kwargs=True)
    v_p = predicted(start.text)
    handle.remove()
    scale = 1 + 6 * (1 - math.cos(math.pi * ((STEPS - timestep) / STEPS) ** 5)) / 2
    v = v_u + scale * (v_t - v_u) + 1.5 * (v_t - v_p)
    wanted = v * (0.3 * v_t.std() / v.std() + 0.7)
    phase = GuidancePhase(1.0, 6.0, stg_scale=1.5, stg_blocks=(0,), rescale=0.7)
    guided = dataclasses.replace(plan, phases=(phase,), stg_mode=mode)
    found, _ = loop.guided_velocity(transformer("5b"), start.latents, start, guided, LoopState(index, {}))
    assert share_of_peak(found.double(), wanted) < TOLERANCE
    assert relative(v_p, v_t) > 1e-3


def test_published_numbers_are_the_authors():
    names = {
        name: (v.steps, v.guidance_phases[0].scale, v.num_frames, v.fps, v.max_text_tokens)
        for name, v in PUBLISHED.items()
    }
    assert names["cogvideox-2b"] == (50, 6.0, 49, 8.0, 226)
    assert names["cogvideox-1.5-5b-i2v"] == (50, 6.0, 81, 16.0, 224)
    assert PUBLISHED["cogvideox-2b"].options["shift_scale"] == 3.0
    assert PUBLISHED["cogvideox-5b"].options["shift_scale"] == 1.0
