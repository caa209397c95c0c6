"""The family's own networks against those of diffusers and transformers, over the same weights, packed and plain."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from transformers import T5Config, T5EncoderModel

from praxino.families.ltx_video import FAMILY, load, miniature, single_file
from praxino.families.ltx_video.family import POCKET
from praxino.families.ltx_video.header import Header
from praxino.families.ltx_video.networks import network
from praxino.families.ltx_video.networks.autoencoder import Autoencoder
from praxino.families.ltx_video.networks.packed import Packable
from praxino.families.ltx_video.networks.text_encoder import TextEncoder
from praxino.families.ltx_video.networks.transformer import KEPT_LEVELS, KEPT_SCENES, Transformer

CLOSE = {"atol": 2e-5, "rtol": 2e-5}
"""Sums are added in another order: some digits of float32's seven."""


def tiny_config(generation: str) -> dict:
    """The structure of a release, a sixteenth as wide."""
    base, channels = 8, 16
    shapes = {
        "vae.encoder.conv_in.conv.weight": (base, 48, 3, 3, 3),
        "vae.decoder.conv_in.conv.weight": (4 * base, channels, 3, 3, 3),
    }
    if generation != "0.9":
        shapes["vae.decoder.last_time_embedder.timestep_embedder.linear_1.weight"] = (2 * base, 256)
        shapes["vae.decoder.conv_in.conv.weight"] = (8 * base, channels, 3, 3, 3)
        conv_out = 16 * base if generation == "0.9.5" else 4 * base
        shapes["vae.encoder.conv_out.conv.weight"] = (channels + 1, conv_out, 3, 3, 3)
    return single_file.vae_config(Header(shapes, {}))


def own(kind, stock):
    """The own network over the weights of another."""
    config = stock.config if isinstance(stock.config, dict) else stock.config.to_dict()
    found = kind.read_config(config)
    assert found is not None
    return kind.filled(found, stock.state_dict()).requires_grad_(False).eval()


def seeded(kind, *args, **config):
    torch.manual_seed(3)
    network = kind(*args, **config).eval().requires_grad_(False)
    for name, parameter in network.named_parameters():
        if "per_channel_scale" in name:  # zeros until trained
            parameter.normal_()
    return network


def is_packed(network) -> bool:
    return any(isinstance(module, Packable) and module._product is not None for module in network.modules())


@pytest.fixture(params=["plain", "packed", "large"])
def packs(request, monkeypatch) -> str:
    if request.param == "large":
        monkeypatch.setattr(network, "MOST_PARAMETERS", 0)
    return request.param


@pytest.mark.parametrize("config", [miniature.VAE, "0.9", "0.9.1", "0.9.5"], ids=["miniature", "0.9", "0.9.1", "0.9.5"])
@torch.no_grad()
def test_the_autoencoder_of_every_release(config, packs) -> None:
    config = tiny_config(config) if isinstance(config, str) else config
    stock = seeded(AutoencoderKLLTXVideo, **config)
    mine = own(Autoencoder, stock)
    if packs != "plain":
        mine.prepare()
    pixels, latents = torch.rand(1, 3, 9, 64, 64) * 2 - 1, torch.randn(1, 16, 2, 2, 3)
    given, expected = mine.encode(pixels).latent_dist, stock.encode(pixels).latent_dist
    torch.testing.assert_close(given.mean, expected.mean, **CLOSE)
    torch.testing.assert_close(given.std, expected.std, **CLOSE)
    timestep = torch.tensor([0.05]) if config.get("timestep_conditioning") else None
    drawn = []
    for autoencoder in (mine, stock):
        torch.manual_seed(1)  # some decoders add noise
        drawn.append(autoencoder.decode(latents, timestep).sample)
    torch.testing.assert_close(*drawn, **CLOSE)
    assert packs == "large" or is_packed(mine) is (packs == "packed")


def scene(stock, batch: int, levels: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    mask = torch.ones(batch, 7)
    mask[:, 4:] = 0
    return {
        "hidden_states": torch.randn(batch, 30, stock.config.in_channels),
        "encoder_hidden_states": torch.randn(batch, 7, stock.config.caption_channels),
        "timestep": levels.expand(batch, -1),
        "encoder_attention_mask": mask,
        "video_coords": torch.rand(batch, 3, 30) * 40,
    }


LEVELS = {"one level": torch.tensor([[625.0]]), "held tokens": torch.tensor([[0.0] * 10 + [300.0] * 20])}


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
@pytest.mark.parametrize(
    "changed", [{}, {"attention_head_dim": 20}, {"attention_bias": False}], ids=["usual", "width 40", "no biases"]
)
@torch.no_grad()
def test_the_transformer(changed, levels, packs) -> None:
    config = {**miniature.TRANSFORMER, **changed}
    config["cross_attention_dim"] = config["num_attention_heads"] * config["attention_head_dim"]
    stock = seeded(LTXVideoTransformer3DModel, **config)
    mine = own(Transformer, stock)
    if packs != "plain":
        mine.prepare()
    for batch in (1, 2):
        given = scene(stock, batch, levels)
        torch.testing.assert_close(mine(**given)[0], stock(**given, return_dict=False)[0], **CLOSE)
    assert is_packed(mine) is (packs != "plain")


@pytest.mark.parametrize("kind", ["relu", "gated-gelu"])
@torch.no_grad()
def test_the_text_encoder(kind, packs) -> None:
    config = {**miniature.TEXT_ENCODER, "feed_forward_proj": kind}
    stock = seeded(T5EncoderModel, T5Config(vocab_size=50, **config))
    mine = own(TextEncoder, stock)
    if packs != "plain":
        mine.prepare()
    ids, mask = torch.randint(50, (2, 40)), torch.ones(2, 40, dtype=torch.long)
    mask[1, 12:] = 0
    given, expected = mine(ids, mask)[0], stock(input_ids=ids, attention_mask=mask)[0]
    torch.testing.assert_close(given[0], expected[0], **CLOSE)
    torch.testing.assert_close(given[1, :12], expected[1, :12], **CLOSE)


def pocket() -> load.Parts:
    return load.load(POCKET, FAMILY.variants["pocket"], "float32", "cpu")


@torch.no_grad()
def test_a_step_and_a_decoding_of_the_bundled_model() -> None:
    parts = pocket()
    transformer = LTXVideoTransformer3DModel.from_pretrained(POCKET / "transformer", torch_dtype=torch.float32)
    given = scene(transformer, 1, LEVELS["one level"])
    torch.testing.assert_close(
        parts.transformer(**given)[0], transformer(**given, return_dict=False)[0], atol=2e-5, rtol=1e-5
    )
    vae = AutoencoderKLLTXVideo.from_pretrained(POCKET / "vae", torch_dtype=torch.float32)
    latents = torch.randn(1, 144, 5, 4, 4)
    torch.testing.assert_close(parts.vae.decode(latents).sample, vae.decode(latents).sample, atol=2e-5, rtol=1e-5)


@torch.no_grad()
def test_products_in_bfloat16_for_a_while() -> None:
    parts = pocket()
    transformer = LTXVideoTransformer3DModel.from_pretrained(POCKET / "transformer", torch_dtype=torch.float32)
    given = scene(transformer, 1, LEVELS["one level"])
    exact, expected = parts.transformer(**given)[0], transformer(**given, return_dict=False)[0]
    with parts.transformer.narrowed():
        near = parts.transformer(**given)[0]
        assert torch.equal(parts.transformer(**given)[0], near)
    off = ((near - expected).norm() / expected.norm()).item()
    assert 1e-4 < off < 0.02
    assert torch.equal(parts.transformer(**given)[0], exact)
    for other in (parts.vae, parts.text_encoder):
        with pytest.raises(RuntimeError, match="no layer can multiply in bfloat16"), other.narrowed():
            pass


@torch.no_grad()
def test_levels_and_scenes_of_the_last_calls_alone_are_kept() -> None:
    stock = seeded(LTXVideoTransformer3DModel, **miniature.TRANSFORMER)
    mine = own(Transformer, stock)
    for level in range(KEPT_LEVELS + 3):
        given = scene(stock, 1, torch.tensor([[float(level)]]))
        for _ in range(2):
            torch.testing.assert_close(mine(**given)[0], stock(**given, return_dict=False)[0], **CLOSE)
    assert list(mine._levels) == [float(level) for level in range(3, KEPT_LEVELS + 3)]
    assert len(mine._scenes) == KEPT_SCENES


@pytest.mark.parametrize("words", [7, 0], ids=["no padding", "no words"])
@torch.no_grad()
def test_a_text_without_padding_and_one_of_nothing_else(words) -> None:
    stock = seeded(LTXVideoTransformer3DModel, **miniature.TRANSFORMER)
    given = scene(stock, 1, LEVELS["one level"])
    given["encoder_attention_mask"] = torch.zeros(1, 7)
    given["encoder_attention_mask"][:, :words] = 1
    torch.testing.assert_close(own(Transformer, stock)(**given)[0], stock(**given, return_dict=False)[0], **CLOSE)


@pytest.mark.parametrize("narrows", [False, True], ids=["float32", "bfloat16"])
@torch.no_grad()
def test_one_two_and_four_threads_give_the_same_bits(narrows) -> None:
    parts, answers, before = pocket(), [], torch.get_num_threads()
    latents, ids, mask = torch.randn(1, 144, 5, 4, 4), torch.arange(20)[None], torch.ones(1, 20, dtype=torch.long)
    try:
        for count in (1, 2, 4):
            torch.set_num_threads(count)
            with parts.transformer.narrowed() if narrows else nullcontext():
                predicted = parts.transformer(**scene(parts.transformer, 1, LEVELS["held tokens"]))[0]
            read = parts.text_encoder(ids, mask)[0]
            answers.append((predicted, parts.vae.decode(latents).sample, read))
    finally:
        torch.set_num_threads(before)
    for other in answers[1:]:
        assert all(map(torch.equal, answers[0], other))


@pytest.mark.parametrize("change", [{"qk_norm": "layer_norm"}, {"patch_size": 2}, {"norm_elementwise_affine": True}])
def test_a_config_of_something_else_is_left_to_diffusers(change) -> None:
    assert Transformer.read_config({**miniature.TRANSFORMER, **change}) is None


def test_stock_networks_share_the_weights_and_are_made_once() -> None:
    parts = pocket()
    both = load.with_stock(parts)
    name = "transformer_blocks.0.ff.net.2.weight"
    assert isinstance(both.transformer, LTXVideoTransformer3DModel)
    assert both.transformer.get_parameter(name).data_ptr() == parts.transformer.get_parameter(name).data_ptr()
    assert load.with_stock(parts).transformer is both.transformer
    assert load.with_stock(both).vae is both.vae


HEAVY = ("diffusers", "transformers", "peft", "scipy", "accelerate", "torch._dynamo", "torch._inductor", "av")
DRAWS = """
import sys
from praxino.cli.outcome import run
assert run([{prompt!r}, "-q", "--no-history", "--local", "-o", sys.argv[1], {more}]) == 0
print(sorted(name for name in {heavy!r} if name in sys.modules))
"""


@pytest.mark.parametrize("given", ["words", "a picture"])
def test_the_bundled_model_draws_without_the_libraries_that_are_slow_to_import(tmp_path, given) -> None:
    out, more = tmp_path / "out.gif", ""
    if given == "a picture":
        from PIL import Image

        Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
        more = f'"--image", {str(tmp_path / "red.png")!r}'
    script = DRAWS.format(prompt="a cat bouncing", more=more, heavy=HEAVY)
    ran = subprocess.run([sys.executable, "-c", script, str(out)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[]"
    assert out.stat().st_size > 1000
