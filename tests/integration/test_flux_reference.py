"""Numbers of Black Forest Labs' own code (tests/reference/flux), step for step, through what production runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from diffusers.pipelines.flux.modeling_flux import ReduxImageEncoder
from safetensors.torch import load_file
from transformers import SiglipVisionConfig, SiglipVisionModel

from praxino.families import _canny
from praxino.families.flux import convert, latents, load, loop, lora, pictures, redux, run
from praxino.families.flux.text import Text
from praxino.families.flux.variants import PUBLISHED
from praxino.recipe import Lora
from praxino.sampling import schedules
from praxino.sampling.noise import SeededNoise

FOLDER = Path(__file__).parents[1] / "reference" / "flux"
WIDTH, HEIGHT, NUM_TOKENS = 128, 96, 48
TOLERANCE = 1e-5
"""Of the largest value. On one machine it is met by a tenth; machines differ in the last digit of exp and cos, which
the network takes of numbers in the thousands."""
SIGLIP = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 56, "patch_size": 14,
}  # fmt: skip


@cache
def arrays() -> dict[str, torch.Tensor]:
    with np.load(FOLDER / "io.npz") as file:
        return {name: torch.from_numpy(array) for name, array in file.items()}


def shapes(tensors: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


def transformer(name: str = "dev", dtype: torch.dtype = torch.float32, img_in: str = "") -> FluxTransformer2DModel:
    tensors = load_file(FOLDER / f"transformer_{name}.safetensors")
    if img_in:
        tensors["img_in.weight"] = arrays()[img_in]
    config = {**convert.transformer_config(shapes(tensors)), "axes_dims_rope": (8, 8, 8)}
    made = load.filled(FluxTransformer2DModel, config, convert.transformer(tensors), dtype)
    return made.requires_grad_(False).eval()


@cache
def vae() -> AutoencoderKL:
    tensors = load_file(FOLDER / "vae.safetensors")
    config = convert.vae_config(shapes(tensors))
    made = load.filled(AutoencoderKL, config, convert.vae(tensors, config), torch.float32)
    return made.requires_grad_(False).eval()


def networks(network: FluxTransformer2DModel) -> load.Networks:
    missing = None
    return load.Networks(network, vae(), missing, missing, missing, missing, torch.device("cpu"))  # pyright: ignore


def start_of(tokens: torch.Tensor, dtype: torch.dtype, text: torch.Tensor | None = None, **more) -> loop.Start:
    given = arrays()
    words = Text((given["txt"] if text is None else text).to(dtype), given["vec"].to(dtype))
    return loop.Start(tokens.to(dtype), latents.positions(WIDTH, HEIGHT), words, None, **more)


def drawn(network, start: loop.Start, sigmas: tuple[float, ...], guidance: float) -> torch.Tensor:
    plan = loop.Plan(sigmas, guidance, 1.0, "euler")
    *_, state = loop.denoise(network, start, plan, SeededNoise(0))
    return state.tensors["latents"]


def assert_near(found: torch.Tensor, name: str, tolerance: float = TOLERANCE) -> None:
    expected = arrays()[name]
    assert found.shape == expected.shape
    difference = (found.float() - expected).abs().max() / expected.abs().max()
    assert difference <= tolerance, f"{name}: {difference:.1e}"


BF16 = torch.bfloat16
BFLOAT16_TOLERANCE = 0.02
"""Of the largest value: the order in which kernels add alone makes about 0.005 a forward."""
DTYPES = pytest.mark.parametrize(
    ("suffix", "dtype", "tolerance"),
    [("fp32", torch.float32, TOLERANCE), ("bf16", BF16, BFLOAT16_TOLERANCE)],
)


def test_noise_is_packed_and_placed_as_the_authors_do():
    given = arrays()
    assert torch.equal(latents.pack(given["latent_noise"]), given["packed_noise"])
    assert torch.equal(latents.unpack(given["packed_noise"], WIDTH, HEIGHT), given["latent_noise"])
    assert torch.equal(latents.positions(WIDTH, HEIGHT)[None], given["img_ids"])


def test_noise_is_drawn_in_bfloat16_from_the_seed():
    tokens = latents.draw(SeededNoise(42), 16, WIDTH, HEIGHT)
    assert torch.equal(latents.unpack(tokens, WIDTH, HEIGHT).float(), arrays()["noise_bf16_seed42_96x128"])


@pytest.mark.parametrize(("name", "guidance"), [("dev", 3.5), ("schnell", 3.5)])
def test_one_forward(name: str, guidance: float):
    start = start_of(arrays()["packed_noise"], torch.float32)
    assert_near(loop.velocity(transformer(name), start.tokens, start, start.text, (0.625, guidance)), f"{name}_forward")


@DTYPES
def test_dev_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    start = start_of(arrays()["packed_noise"], dtype)
    found = drawn(transformer("dev", dtype), start, schedules.flux(8, NUM_TOKENS), 3.5)
    assert found.dtype == dtype
    assert_near(found, f"dev_sample_{suffix}", tolerance)


@DTYPES
def test_schnell_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    start = start_of(arrays()["packed_noise"], dtype)
    found = drawn(transformer("schnell", dtype), start, schedules.uniform(4), 1.0)
    assert_near(found, f"schnell_sample_{suffix}", tolerance)


@DTYPES
def test_fill_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    given = arrays()
    network = transformer("dev", dtype, "fill_img_in")
    mask = np.repeat(given["mask_u8"].numpy()[..., None], 3, axis=2)
    assert ((mask > 0) & (mask < 255)).any(), "the mask has soft edges"
    pixels = pictures.to_pixels(given["image_u8"].numpy())
    channels = run.fill_channels(networks(network), pixels, pictures.to_mask(mask))
    # a value on the edge between two bfloat16 may fall to either side
    assert (channels.float() - given["fill_img_cond"]).abs().max() <= 2**-8
    assert (channels.float() != given["fill_img_cond"]).float().mean() < 0.01
    start = start_of(given["packed_noise"], dtype, channels=given["fill_img_cond"].to(dtype))
    assert_near(drawn(network, start, schedules.flux(6, NUM_TOKENS), 30.0), f"fill_sample_{suffix}", tolerance)


@DTYPES
def test_control_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    given = arrays()
    network = transformer("dev", dtype, "control_img_in")
    resized = pictures.resized(given["control_u8"].numpy(), WIDTH, HEIGHT)
    channels = run.encoded(networks(network), pictures.to_pixels(resized))
    assert (channels.float() - given["control_img_cond"]).abs().max() <= 2**-8
    start = start_of(given["packed_noise"], dtype, channels=given["control_img_cond"].to(dtype))
    assert_near(drawn(network, start, schedules.flux(6, NUM_TOKENS), 10.0), f"control_sample_{suffix}", tolerance)


@DTYPES
def test_kontext_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    given = arrays()
    network = transformer("dev", dtype)
    resized = pictures.resized(given["image_u8"].numpy(), 96, 80)
    tokens = run.encoded(networks(network), pictures.to_pixels(resized))
    assert (tokens.float() - given["kontext_cond"]).abs().max() <= 2**-8
    positions = latents.positions(96, 80, index=1)
    assert torch.equal(positions[None], given["kontext_cond_ids"])
    beside = loop.Beside(given["kontext_cond"].to(dtype), positions)
    start = start_of(given["kontext_noise"], dtype, beside=beside)
    assert_near(drawn(network, start, schedules.flux(6, NUM_TOKENS), 2.5), f"kontext_sample_{suffix}", tolerance)


def test_kontext_takes_the_bucket_that_its_authors_code_takes():
    grid = PUBLISHED["flux-kontext"].grid
    for width, height, *chosen in arrays()["kontext_sizes"].tolist():
        assert [*grid.bucket(width, height)] == chosen[:2] == chosen[2:], (width, height)


@DTYPES
def test_redux_draws_what_its_authors_code_draws(suffix, dtype, tolerance):
    given = arrays()
    tensors = {name: tensor.float() for name, tensor in load_file(FOLDER / "redux.safetensors").items()}
    encoder = SiglipVisionModel(SiglipVisionConfig(**SIGLIP)).eval().requires_grad_(False)
    seen = {name.removeprefix("siglip."): tensor for name, tensor in tensors.items() if name.startswith("siglip.")}
    encoder.load_state_dict(seen, strict=True)
    embedder = ReduxImageEncoder(redux_dim=16, txt_in_features=40).requires_grad_(False)
    embedder.load_state_dict({name: tensor for name, tensor in tensors.items() if name.startswith("redux_")})
    own = Text(given["txt"], given["vec"])
    made = redux.with_pictures(redux.Redux(encoder, embedder), own, [(given["control_u8"].numpy(), 1.0)])
    assert_near(made.states.bfloat16().float(), "redux_txt", 2**-8)
    start = start_of(given["packed_noise"], dtype, given["redux_txt"])
    found = drawn(transformer("dev", dtype), start, schedules.flux(6, NUM_TOKENS), 2.5)
    assert_near(found, f"redux_sample_{suffix}", tolerance)


@DTYPES
def test_a_picture_is_noised_and_drawn_anew_as_the_authors_demo_does(suffix, dtype, tolerance):
    given = arrays()
    network = transformer("dev", dtype)
    picture = run.encoded(networks(network), pictures.to_pixels(given["image_u8"].numpy()))
    assert (picture.float() - given["image_to_image_init"]).abs().max() <= 2**-8
    sigmas = schedules.flux(8, NUM_TOKENS)[int((1 - 0.8) * 8) :]
    assert len(sigmas) == 7
    start = start_of(given["packed_noise"], dtype)
    start = run.noised(start, given["image_to_image_init"].to(dtype), None, sigmas[0])
    assert_near(drawn(network, start, sigmas, 3.5), f"image_to_image_sample_{suffix}", tolerance)


def test_a_control_lora_is_laid_as_the_authors_lay_it():
    given = arrays()
    parts = networks(transformer())
    before = loop.velocity(parts.transformer, given["packed_noise"], *_asked())
    lora.apply(parts, (Lora(str(FOLDER / "control_lora.safetensors"), 0.85, ""),))
    assert run.takes_map(parts.transformer)
    start, text, levels = _asked(channels=given["control_img_cond"])
    assert_near(loop.velocity(parts.transformer, given["packed_noise"], start, text, levels), "control_lora_forward")
    lora.apply(parts, ())
    assert torch.equal(loop.velocity(parts.transformer, given["packed_noise"], *_asked()), before)


def _asked(**more) -> tuple[loop.Start, Text, tuple[float, float]]:
    start = start_of(arrays()["packed_noise"], torch.float32, **more)
    return start, start.text, (0.625, 10.0)


def test_the_network_sees_timesteps_and_guidance_as_the_authors_does():
    seen: list[torch.Tensor] = []
    network = transformer("dev", BF16)
    network.time_text_embed.time_proj.register_forward_hook(lambda _, given, __: seen.append(given[0].clone()))
    start = start_of(arrays()["packed_noise"], BF16)
    sigmas = arrays()["schedule_50_4080"].tolist()[:-1]
    for sigma in sigmas:
        loop.velocity(network, start.tokens, start, start.text, (sigma, 3.5))
    assert [float(t) for t in seen[::2]] == arrays()["bf16_t1000_50_4080"].tolist()
    for guidance, thousand_fold in arrays()["bf16_guidance1000"].tolist():
        seen.clear()
        loop.velocity(network, start.tokens, start, start.text, (1.0, guidance))
        assert float(seen[1]) == thousand_fold


def test_pictures_are_encoded_to_the_posteriors_mean():
    tokens = latents.encode(vae(), pictures.to_pixels(arrays()["image_u8"].numpy()))
    assert_near(latents.unpack(tokens, WIDTH, HEIGHT), "vae_encode_image_mean")


def test_latents_are_decoded_and_cut_to_bytes_as_the_authors_do():
    given = arrays()
    assert_near(latents.decode(vae(), given["vae_in_latent"], torch.float32), "vae_decode")
    frames = latents.to_frames(torch.tanh(given["vae_decode"]))
    assert np.array_equal(frames, given["vae_decode_tanh_u8_trunc"].permute(0, 2, 3, 1).numpy())
    rough = latents.decode(vae(), given["vae_in_latent"], BF16)
    assert rough.dtype == torch.float32
    assert not torch.equal(rough, given["vae_decode"])
    assert_near(rough, "vae_decode", BFLOAT16_TOLERANCE)


def test_edges_are_opencvs_to_the_pixel():
    found = _canny.edges(arrays()["image_u8"].numpy(), 50, 200)
    assert np.array_equal(found, arrays()["canny_50_200"].numpy() > 0)
    assert 0.1 < found.mean() < 0.9


def test_the_settings_are_those_of_the_authors():
    told = json.loads((FOLDER / "defaults.json").read_text())
    found = {
        name: [variant.steps, variant.guidance_phases[0].scale, variant.max_text_tokens]
        for name, variant in PUBLISHED.items()
    }
    assert found == told
