"""Numbers of Genmo's own code (tests/reference/mochi) through what runs here, and where stock diffusers differs."""

from __future__ import annotations

import dataclasses
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, MochiPipeline
from diffusers.models.autoencoders.autoencoder_kl_mochi import AutoencoderKLMochi
from diffusers.models.transformers.transformer_mochi import MochiTransformer3DModel
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families import LoopState, Shape
from praxino.families._stock import tiny
from praxino.families.mochi import FAMILY, convert, latents, load, loop, text
from praxino.families.mochi.identify import identify
from praxino.families.mochi.plan import plan
from praxino.families.mochi.text import Embedded
from praxino.families.mochi.variants import PREVIEW
from praxino.recipe import GuidancePhase
from praxino.request import Request
from praxino.sampling import guidance, schedules
from praxino.sampling.noise import SeededNoise
from praxino.weights import catalog, originals

FOLDER = Path(__file__).parents[1] / "reference" / "mochi"
TOLERANCE = 1e-5
SIGMA = 0.37
KEPT_STEPS = (1, 5, 8)
pytestmark = pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning")


@cache
def reference() -> dict[str, torch.Tensor]:
    with np.load(FOLDER / "ref.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file.files}


@cache
def transformer(kind: torch.dtype = torch.float32) -> MochiTransformer3DModel:
    tensors = load_file(FOLDER / "dit.safetensors")
    config = convert.transformer_config({name: tuple(tensor.shape) for name, tensor in tensors.items()})
    return load._filled(MochiTransformer3DModel, config, convert.transformer(tensors), kind).eval()


def texts() -> tuple[Embedded, Embedded]:
    given = reference()
    return Embedded(given["y_feat"], given["y_mask"]), Embedded(given["null_feat"], given["null_mask"])


def plan_of(phases: tuple[GuidancePhase, ...], dtype: torch.dtype = torch.float32, **fields) -> loop.Plan:
    sigmas = schedules.linear_quadratic(8)
    return loop.Plan(sigmas, phases, guidance.PLAIN, "attention-values", "euler", dtype, **fields)


def sampled(plan: loop.Plan, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    text, negative = texts()
    start = loop.Start(reference()["z"], text, negative)
    return [state.tensors["latents"] for state in loop.denoise(transformer(dtype), start, plan, SeededNoise(0))]


def worst(given: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest difference, as a share of the peak."""
    return float((given - wanted).abs().max() / wanted.abs().max())


def relative(given: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((given - wanted).norm() / wanted.norm())


@torch.no_grad()
def test_one_forward_agrees_with_and_without_words():
    text, negative = texts()
    for words, name in ((text, "fwd_cond"), (negative, "fwd_null")):
        v = loop.velocity(transformer(), reference()["z"], words, SIGMA, torch.float32)
        assert worst(-v, reference()[name]) < TOLERANCE


def test_every_kept_step_of_sampling_agrees():
    assert np.allclose([*schedules.linear_quadratic(8), 0], reference()["sigmas_default"], atol=1e-7)
    states = sampled(plan_of((GuidancePhase(1.0, 6.0),)))
    assert len(states) == 9
    for step, wanted in zip(KEPT_STEPS, reference()["sample_default"], strict=True):
        assert worst(states[step], wanted) < TOLERANCE


def test_the_published_default_is_the_authors():
    assert set(reference()["cfg_default"].tolist()) == {6.0}
    sampling = plan(Request(prompt="a cat"), PREVIEW, Shape(848, 480, 163, 30.0))
    assert [phase.scale for phase in sampling.guidance_phases] == [6.0]
    assert (sampling.steps, PREVIEW.num_frames, PREVIEW.fps) == (64, 163, 30)
    quadratic = 0.025 / 32 - 2 * (32 - 1.6) / 32**2, (32 - 1.6) / (32 * 32**2)
    at_40 = quadratic[1] * 40**2 + quadratic[0] * 40 + quadratic[1] * 32**2
    assert sampling.sigmas[16] == pytest.approx(1 - 16 * 0.025 / 32, abs=1e-12)
    assert sampling.sigmas[40] == pytest.approx(1 - at_40, abs=1e-12)


@torch.no_grad()
def test_guidance_follows_its_schedule():
    """The authors' cfg_schedule, six and then four and a half, against their own loop written out."""
    text, negative = texts()
    sigmas = [*schedules.linear_quadratic(8), 0.0]
    z = reference()["z"]
    for index, scale in enumerate([6.0] * 4 + [4.5] * 4):
        cond, uncond = (
            transformer()(
                hidden_states=z,
                encoder_hidden_states=words.states,
                timestep=torch.tensor([(1 - sigmas[index]) * 1000]),
                encoder_attention_mask=words.mask,
            ).sample
            for words in (text, negative)
        )
        z = z + (sigmas[index] - sigmas[index + 1]) * (uncond + scale * (cond - uncond))
    phases = (GuidancePhase(1.0, 6.0), GuidancePhase(float(np.nextafter(sigmas[3], 0)), 4.5))
    assert worst(sampled(plan_of(phases))[-1], z) < TOLERANCE
    assert worst(sampled(plan_of((GuidancePhase(1.0, 6.0),)))[-1], z) > 1e-3


class Spy(torch.nn.Module):
    """A transformer that keeps what it is called with."""

    def __init__(self, inner: torch.nn.Module) -> None:
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, **given):
        self.calls.append(given)
        return self.inner(**given)


def test_in_half_precision_moments_latents_and_frequencies_stay_in_float32():
    kind = torch.bfloat16
    network = transformer(kind)
    assert network.pos_frequencies.dtype == torch.float32 and network.proj_out.weight.dtype == kind
    assert torch.equal(network.pos_frequencies, transformer().pos_frequencies)
    spy = Spy(network)
    text, negative = texts()
    start = loop.Start(reference()["z"], text, negative)
    states = list(loop.denoise(spy, start, plan_of((GuidancePhase(1.0, 6.0),), kind), SeededNoise(0)))
    assert all(state.tensors["latents"].dtype == torch.float32 for state in states)
    assert all(call["hidden_states"].dtype == call["timestep"].dtype == torch.float32 for call in spy.calls)
    moments = [float(call["timestep"]) for call in spy.calls[::2]]
    assert moments == pytest.approx([(1 - sigma) * 1000 for sigma in schedules.linear_quadratic(8)], abs=1e-3)
    assert [float(torch.tensor(moment).bfloat16()) for moment in moments] != moments


@torch.no_grad()
def stock(kind: torch.dtype) -> torch.Tensor:
    """What MochiPipeline makes of the same noise, words, steps and weights."""
    network = MochiTransformer3DModel.from_config(transformer().config).eval()
    network.load_state_dict(transformer().state_dict())
    scheduler = FlowMatchEulerDiscreteScheduler(invert_sigmas=True)
    pipeline = MochiPipeline(scheduler, None, None, None, network.to(kind))
    pipeline.set_progress_bar_config(disable=True)
    text, negative = texts()
    return pipeline(
        height=64, width=96, num_frames=13, num_inference_steps=8, guidance_scale=6.0,
        latents=reference()["z"].to(kind), output_type="latent",
        prompt_embeds=text.states.to(kind), prompt_attention_mask=text.mask,
        negative_prompt_embeds=negative.states.to(kind), negative_prompt_attention_mask=negative.mask,
    ).frames.float()  # fmt: skip


def test_in_half_precision_it_is_nearer_to_the_authors_than_stock():
    wanted = reference()["sample_default"][-1]
    own = relative(sampled(plan_of((GuidancePhase(1.0, 6.0),), torch.bfloat16), torch.bfloat16)[-1], wanted)
    theirs = relative(stock(torch.bfloat16), wanted)
    assert own < theirs / 3


def vae(with_encoder: bool = True) -> AutoencoderKLMochi:
    names = ("encoder", "decoder") if with_encoder else ("decoder",)
    drawn = {name: {key: torch.from_numpy(value) for key, value in weights(name).items()} for name in names}
    shapes = {name: {key: tuple(tensor.shape) for key, tensor in tensors.items()} for name, tensors in drawn.items()}
    config = convert.vae_config(shapes.get("encoder"), shapes["decoder"])
    tensors = convert.decoder(drawn["decoder"]) | (convert.encoder(drawn["encoder"]) if with_encoder else {})
    without = () if with_encoder else ("encoder",)
    return load._filled(AutoencoderKLMochi, config, tensors, torch.float32, without=without).eval()


def weights(network: str) -> dict[str, np.ndarray]:
    sys.path.insert(0, str(FOLDER))
    try:
        from vae_weights import weights as drawn
    finally:
        sys.path.remove(str(FOLDER))
    return drawn(network)


@torch.no_grad()
def test_the_vae_is_genmos_number_for_number_where_stock_is_not():
    with np.load(FOLDER / "vae.npz") as file:
        given = {name: torch.from_numpy(file[name]) for name in file.files}
    network = vae()
    posterior = network.encode(given["pixels"]).latent_dist
    assert worst(posterior.mean, given["mean"]) < TOLERANCE
    assert worst(posterior.logvar, given["logvar"]) < TOLERANCE
    by_stock = network.decode(given["z"]).sample
    assert by_stock.shape == given["frames"].shape
    assert relative(by_stock[:, :, 0], given["frames"][:, :, 0]) > 0.1
    latents.decode_as_genmo(network)
    assert worst(network.decode(given["z"]).sample, given["frames"]) < TOLERANCE


@torch.no_grad()
def test_frames_are_normalised_latents_decoded_and_rounded_down():
    with np.load(FOLDER / "vae.npz") as file:
        z, frames = torch.from_numpy(file["z"]), file["frames"]
    network = vae(with_encoder=False)
    assert not hasattr(network, "encoder")
    latents.decode_as_genmo(network)
    mean, deviation = (
        torch.tensor(values).view(1, -1, 1, 1, 1)
        for values in (network.config.latents_mean, network.config.latents_std)
    )
    drawn = latents.decode(network, (z - mean) / deviation, torch.float32)
    exact = np.clip((frames[0].transpose(1, 2, 3, 0) + 1) / 2, 0, 1) * 255
    assert drawn.shape == (13, 16, 24, 3)
    assert (np.abs(drawn - np.floor(exact)) > 0).mean() < 1e-3


def test_genmos_own_files_load_and_are_found(tmp_path):
    (tmp_path / "dit.safetensors").write_bytes((FOLDER / "dit.safetensors").read_bytes())
    for name in ("encoder", "decoder"):
        save_file(
            {key: torch.from_numpy(value) for key, value in weights(name).items()}, tmp_path / f"{name}.safetensors"
        )
    variant = identify(tmp_path)
    assert variant is not None and variant.name == "mochi-1-preview" and variant.options["num_layers"] == 2
    assert identify(tmp_path / "encoder.safetensors") is None
    network, autoencoder = load.load_original(tmp_path, torch.float32)
    for name, tensor in transformer().state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    for name, tensor in vae().state_dict().items():
        assert torch.equal(autoencoder.state_dict()[name], tensor)


def test_genmos_own_files_draw_with_t5_beside_them(tmp_path):
    (tmp_path / "dit.safetensors").write_bytes((FOLDER / "dit.safetensors").read_bytes())
    decoder = {key: torch.from_numpy(value) for key, value in weights("decoder").items()}
    save_file(decoder, tmp_path / "decoder.safetensors")
    variant = FAMILY.identify(tmp_path)
    assert variant is not None
    with pytest.raises(ModelError, match="no text_encoder and no tokenizer"):
        FAMILY.load(tmp_path, variant, "float32", "cpu")
    tokenizer = tiny.byte_tokenizer(256)
    tokenizer.save_pretrained(tmp_path / "tokenizer")
    tiny.t5_encoder(len(tokenizer), 64).save_pretrained(tmp_path / "text_encoder")
    parts = FAMILY.load(tmp_path, variant, "bfloat16", "cpu")
    assert parts.transformer.pos_frequencies.dtype == torch.float32
    words = text.embed(parts.text_encoder, parts.tokenizer, "a cat", 16, parts.device)
    states = list(loop.denoise(
        parts.transformer, loop.Start(reference()["z"], words, None),
        dataclasses.replace(plan_of((GuidancePhase(1.0, 1.0),), torch.bfloat16), sigmas=(1.0, 0.5)), SeededNoise(0),
    ))  # fmt: skip
    assert latents.decode(parts.vae, states[-1].tensors["latents"], torch.bfloat16).shape == (13, 64, 96, 3)


def test_genmos_own_files_are_written_in_diffusers_layout(tmp_path):
    source = tmp_path / "genmo"
    source.mkdir()
    (source / "dit.safetensors").write_bytes((FOLDER / "dit.safetensors").read_bytes())
    for name in ("encoder", "decoder"):
        tensors = {key: torch.from_numpy(value) for key, value in weights(name).items()}
        save_file(tensors, source / f"{name}.safetensors")
    tokenizer = tiny.byte_tokenizer(256)
    tokenizer.save_pretrained(source / "tokenizer")
    tiny.t5_encoder(len(tokenizer), 64).save_pretrained(source / "text_encoder")
    assert originals.convert(source, tmp_path / "ours") == "Mochi"
    assert catalog.find(str(source)).variant.name == catalog.find(str(tmp_path / "ours")).variant.name
    stock = MochiPipeline.from_pretrained(tmp_path / "ours", local_files_only=True)
    assert stock.scheduler.config.invert_sigmas and stock.config.force_zeros_for_empty_prompt
    for found, wanted in ((stock.transformer, transformer()), (stock.vae, vae())):
        assert found.state_dict().keys() == wanted.state_dict().keys()
        assert all(torch.equal(tensor, found.state_dict()[name]) for name, tensor in wanted.state_dict().items())


@torch.no_grad()
def test_skip_guidance_agrees_with_float64_written_out():
    """CFG, STG over block 0 with each token's own value, and rescale; in float64, without the code under test."""
    text, negative = (dataclasses.replace(words, states=words.states.double()) for words in texts())
    network = MochiTransformer3DModel.from_config(transformer().config).double().eval()
    network.load_state_dict(transformer().state_dict())
    z, sigma = reference()["z"].double(), schedules.linear_quadratic(8)[3]

    def predicted(words: Embedded) -> torch.Tensor:
        return -network(z, words.states, torch.tensor([(1 - sigma) * 1000.0]), words.mask).sample

    def own_values(module, args, kwargs, output):
        hidden, words = kwargs["hidden_states"], kwargs["encoder_hidden_states"]
        linear = torch.nn.functional.linear
        video = linear(linear(hidden, module.to_v.weight), module.to_out[0].weight, module.to_out[0].bias)
        aside = linear(linear(words, module.add_v_proj.weight), module.to_add_out.weight, module.to_add_out.bias)
        return video, aside

    v_t, v_u = predicted(text), predicted(negative)
    hook = network.transformer_blocks[0].attn1.register_forward_hook(own_values, with_kwargs=True)
    v_p = predicted(text)
    hook.remove()
    v = v_u + 6 * (v_t - v_u) + 1.5 * (v_t - v_p)
    wanted = v * (0.3 * v_t.std() / v.std() + 0.7)
    phase = GuidancePhase(1.0, 6.0, stg_scale=1.5, stg_blocks=(0,), rescale=0.7)
    start = loop.Start(reference()["z"], *texts())
    found, _ = loop.guided_velocity(transformer(), reference()["z"], start, plan_of((phase,)), LoopState(3, {}))
    assert worst(found.double(), wanted) < TOLERANCE
    assert relative(v_p, v_t) > 1e-3
    skipped = dataclasses.replace(plan_of((phase,)), stg_mode="transformer-block")
    other, _ = loop.guided_velocity(transformer(), reference()["z"], start, skipped, LoopState(3, {}))
    assert relative(other, found) > 1e-3
