"""Checkpoints on disk: diffusers folders in the stock pipelines, and single files with what lies beside them."""

from __future__ import annotations

import dataclasses
import importlib
import json
import shutil
import warnings
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.flux import pipeline_flux_controlnet
from diffusers.pipelines.flux.pipeline_flux import FluxPipeline
from safetensors.torch import save_file

from praxino.errors import ModelError
from praxino.families.flux import FAMILY, convert, identify, latents, load, loop, text
from praxino.families.flux import run as flux_run
from praxino.families.flux.controlnet import Control, residuals
from praxino.families.flux.controlnet import load as load_controlnet
from praxino.families.flux.miniature import TRANSFORMER
from praxino.families.flux.variants import UNION_MODES
from praxino.sampling import schedules
from praxino.sampling.noise import SeededNoise

REFERENCE = Path(__file__).parents[1] / "reference" / "flux"
PROMPT, NEGATIVE = "a red cat running", "a blue dog falling"
STEPS, SIDE, TOKENS = 3, 64, 16


@pytest.fixture(scope="module")
def miniature(tmp_path_factory):
    def made(like: str) -> Path:
        path = tmp_path_factory.mktemp("flux") / like
        FAMILY.miniature(path, like)
        return path

    return made


@pytest.fixture(scope="module")
def folder(miniature) -> Path:
    return miniature("flux-dev")


def parts_at(path: Path) -> load.Parts:
    variant = FAMILY.identify(path)
    assert variant is not None
    return FAMILY.load(path, variant, "float32", "cpu")


@pytest.mark.parametrize(
    ("like", "name"),
    [
        ("flux-dev", "FluxPipeline"), ("flux-schnell", "FluxPipeline"), ("flux-fill", "FluxFillPipeline"),
        ("flux-canny", "FluxControlPipeline"), ("flux-kontext", "FluxKontextPipeline"),
    ],
)  # fmt: skip
def test_miniatures_load_in_the_stock_pipelines(miniature, like, name):
    path = miniature(like)
    stock = getattr(importlib.import_module("diffusers"), name)
    pipeline = stock.from_pretrained(path)
    assert json.loads((path / "model_index.json").read_text())["_class_name"] == name
    own = parts_at(path).drawing().transformer.state_dict()
    theirs = pipeline.transformer.state_dict()
    assert own.keys() == theirs.keys()
    assert all(torch.equal(own[key], theirs[key]) for key in own)


@pytest.mark.parametrize("true_guidance", [1.0, 2.0])
def test_words_are_drawn_as_the_stock_pipeline_draws_them(folder, true_guidance):
    """In float32 and on the same levels the two agree; their differences are in bfloat16 and around the loop."""
    pipeline = FluxPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    networks = parts_at(folder).drawing()
    tokens = latents.draw(SeededNoise(8), 16, SIDE, SIDE).float()
    expected = pipeline(
        prompt=PROMPT, negative_prompt=NEGATIVE, true_cfg_scale=true_guidance, height=SIDE, width=SIDE,
        num_inference_steps=STEPS, guidance_scale=3.5, latents=tokens, max_sequence_length=TOKENS, output_type="latent",
    ).images  # fmt: skip
    sigmas = tuple(pipeline.scheduler.sigmas[:-1].tolist())
    with torch.no_grad():
        start = loop.Start(
            tokens=tokens,
            positions=latents.positions(SIDE, SIDE),
            text=text.embed(networks, PROMPT, TOKENS),
            negative=text.embed(networks, NEGATIVE, TOKENS) if true_guidance > 1 else None,
        )
    *_, state = loop.denoise(
        networks.transformer, start, loop.Plan(sigmas, 3.5, true_guidance, "euler"), SeededNoise(8)
    )
    torch.testing.assert_close(state.tensors["latents"], expected, rtol=0, atol=1e-5)


def controlnet(folder: Path, **config) -> Path:
    """A ControlNet with random weights, its zero layers too."""
    from diffusers.models.controlnets.controlnet_flux import FluxControlNetModel

    own = {key: value for key, value in TRANSFORMER.items() if key != "out_channels"}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`FluxPosEmbed` is deprecated", FutureWarning)
        torch.manual_seed(9)
        network = FluxControlNetModel(**{**own, "in_channels": 64, "num_layers": 1, "num_single_layers": 1, **config})
        for name, weight in network.named_parameters():
            if name.startswith("controlnet_") or "input_hint" in name:
                weight.data.normal_(std=0.05)
    network.save_pretrained(folder)
    return folder


KINDS = {
    "plain": {"guidance_embeds": True},
    "union": {"guidance_embeds": True, "num_mode": 7},
    "without guidance": {},
    "of pixels": {"conditioning_embedding_channels": 16, "patch_size": 2, "num_single_layers": 0},
    "many blocks": {"num_layers": 2, "num_single_layers": 2},
}


@pytest.mark.parametrize("kind", KINDS)
def test_controlnets_are_run_as_the_stock_pipeline_runs_them(folder, tmp_path, monkeypatch, kind):
    path = controlnet(tmp_path, **KINDS[kind])
    network = load_controlnet(path, torch.float32, torch.device("cpu"))
    networks = parts_at(folder).drawing()
    stock = FluxPipeline.from_pretrained(folder)
    pipeline = pipeline_flux_controlnet.FluxControlNetPipeline(**stock.components, controlnet=network)
    pipeline.set_progress_bar_config(disable=True)
    monkeypatch.setattr(
        pipeline_flux_controlnet, "retrieve_latents", lambda encoded, generator: encoded.latent_dist.mode()
    )
    tokens = latents.draw(SeededNoise(8), 16, SIDE, SIDE).float()
    pixels = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    union = {"control_mode": UNION_MODES["depth"]} if kind == "union" else {}
    expected = pipeline(
        prompt=PROMPT, control_image=pixels, controlnet_conditioning_scale=0.7, height=SIDE, width=SIDE, **union,
        num_inference_steps=STEPS, guidance_scale=3.5, latents=tokens, max_sequence_length=TOKENS, output_type="latent",
    ).images  # fmt: skip
    with torch.no_grad():
        seen = pixels if kind == "of pixels" else latents.encode(networks.vae, pixels)
        start = loop.Start(
            tokens, latents.positions(SIDE, SIDE), text.embed(networks, PROMPT, TOKENS), None,
            controls=(Control(network, seen, "depth", 0.7),),
        )  # fmt: skip
    sigmas = tuple(pipeline.scheduler.sigmas[:-1].tolist())
    *_, state = loop.denoise(networks.transformer, start, loop.Plan(sigmas, 3.5, 1.0, "euler"), SeededNoise(8))
    torch.testing.assert_close(state.tensors["latents"], expected, rtol=0, atol=1e-5)
    plain = dataclasses.replace(start, controls=())
    *_, bare = loop.denoise(networks.transformer, plain, loop.Plan(sigmas, 3.5, 1.0, "euler"), SeededNoise(8))
    assert not torch.allclose(bare.tensors["latents"], expected, atol=1e-3)


def test_controlnets_of_unequal_depth_are_added_up(folder, tmp_path):
    networks = parts_at(folder).drawing()
    found = [
        load_controlnet(controlnet(tmp_path / str(count), num_layers=count), torch.float32, torch.device("cpu"))
        for count in (1, 2)
    ]
    x = torch.randn(1, 16, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        words = text.embed(networks, PROMPT, TOKENS)
        given = {
            "encoder_hidden_states": words.states, "pooled_projections": words.pooled, "timestep": torch.tensor([0.5]),
            "img_ids": latents.positions(SIDE, SIDE), "txt_ids": torch.zeros(TOKENS, 3),
        }  # fmt: skip
        controls = [Control(network, x, "canny", scale) for network, scale in zip(found, (0.5, 2.0), strict=True)]

        def added(chosen):
            return residuals(chosen, networks.transformer, x, given, torch.tensor([3.5]))

        both, one, other = added(controls), added(controls[:1]), added(controls[1:])
    for name in both:
        assert len(both[name]) == 2
        for index, tensor in enumerate(both[name]):
            assert torch.equal(tensor, one[name][index] + other[name][index])
    assert added([]) == {}


def test_no_controlnet_is_a_model_error(folder):
    with pytest.raises(ModelError, match="no readable ControlNet"):
        load_controlnet(folder, torch.float32, torch.device("cpu"))


def authors_layers(hidden: int) -> dict[str, tuple[int, int]]:
    """Rows and columns of the miniature's layers in the authors' names."""
    layers = {
        "img_in": (hidden, 64), "txt_in": (hidden, 32), "final_layer.linear": (64, hidden),
        "final_layer.adaLN_modulation.1": (2 * hidden, hidden),
        **{f"{name}.in_layer": (hidden, size) for name, size in
           (("time_in", 256), ("vector_in", 16), ("guidance_in", 256))},
        **{f"{name}.out_layer": (hidden, hidden) for name in ("time_in", "vector_in", "guidance_in")},
    }  # fmt: skip
    for block in range(2):
        for stream in ("img", "txt"):
            layers |= {
                f"double_blocks.{block}.{stream}_{name}": shape
                for name, shape in (
                    ("attn.qkv", (3 * hidden, hidden)), ("attn.proj", (hidden, hidden)),
                    ("mlp.0", (4 * hidden, hidden)), ("mlp.2", (hidden, 4 * hidden)),
                    ("mod.lin", (6 * hidden, hidden)),
                )
            }  # fmt: skip
        layers |= {
            f"single_blocks.{block}.linear1": (7 * hidden, hidden),
            f"single_blocks.{block}.linear2": (hidden, 5 * hidden),
            f"single_blocks.{block}.modulation.lin": (3 * hidden, hidden),
        }
    return layers


def authors_file(path: Path, prefix: str = "") -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    tensors = {}
    for layer, shape in authors_layers(64).items():
        tensors[f"{layer}.weight"] = torch.randn(shape, generator=generator) / 10
        tensors[f"{layer}.bias"] = torch.randn(shape[0], generator=generator) / 10
    norms = [f"double_blocks.{b}.{s}_attn.norm" for b in range(2) for s in ("img", "txt")]
    for name in (*norms, "single_blocks.0.norm", "single_blocks.1.norm"):
        for kind in ("query", "key"):
            tensors[f"{name}.{kind}_norm.scale"] = torch.rand(32, generator=generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({prefix + name: tensor for name, tensor in tensors.items()}, path)
    return tensors


@pytest.fixture
def beside(folder, tmp_path) -> Path:
    """A folder with the networks that a transformer alone needs, the VAE in the authors' file."""
    home = tmp_path / "home"
    for name in load.ENCODERS:
        shutil.copytree(folder / name, home / name)
    shutil.copy(REFERENCE / "vae.safetensors", home / "ae.safetensors")
    return home


@pytest.mark.parametrize("prefix", ["", identify.PREFIX])
def test_a_single_file_draws_with_what_lies_beside_it(beside, prefix):
    tensors = authors_file(beside / "flux1-kontext-dev.safetensors", prefix)
    for path in (beside, beside / "flux1-kontext-dev.safetensors"):
        parts = parts_at(path)
        assert parts.variant.name == "flux-kontext"
        found = dict(parts.drawing().transformer.config)
        expected = {**TRANSFORMER, "in_channels": 64, "guidance_embeds": True}
        assert {key: found[key] for key in expected} == expected
        state = parts.drawing().transformer.state_dict()
        converted = convert.transformer(dict(tensors))
        assert state.keys() == converted.keys()
        assert all(torch.equal(state[key], converted[key]) for key in state)
        q, k, v, mlp = tensors["single_blocks.1.linear1.weight"].split((64, 64, 64, 256))
        named = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
        for name, rows in zip(named, (q, k, v, mlp), strict=True):
            assert torch.equal(state[f"single_transformer_blocks.1.{name}.weight"], rows)
    with torch.no_grad():
        picture = flux_run.encoded(parts.drawing(), torch.zeros(1, 3, 64, 64))
    assert picture.shape == (1, 16, 64)


def test_the_other_networks_may_lie_where_the_card_says(beside, tmp_path):
    authors_file(tmp_path / "mine" / "model.safetensors")
    card = {"family": "flux", "variant": "mine", "components": "../home"}
    (tmp_path / "mine" / "praxino.json").write_text(json.dumps(card))
    assert parts_at(tmp_path / "mine").drawing().vae.config.latent_channels == 16


def test_a_transformer_alone_says_what_is_missing(tmp_path):
    authors_file(tmp_path / "flux1-dev.safetensors")
    with pytest.raises(ModelError, match=r"no text_encoder, text_encoder_2, tokenizer, tokenizer_2, vae \(or ae"):
        parts_at(tmp_path)


def test_published_shapes_give_the_published_configs():
    hidden = 3072
    shapes = {f"{layer}.weight": shape for layer, shape in authors_layers(hidden).items()}
    shapes |= {
        "img_in.weight": (hidden, 384),
        "txt_in.weight": (hidden, 4096),
        "vector_in.in_layer.weight": (hidden, 768),
    }
    shapes |= {f"double_blocks.{i}.img_attn.norm.query_norm.scale": (128,) for i in range(19)}
    shapes |= {f"single_blocks.{i}.linear1.weight": (7 * hidden, hidden) for i in range(38)}
    del shapes["guidance_in.in_layer.weight"]
    assert convert.transformer_config(shapes) == {
        "in_channels": 384, "out_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
        "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "guidance_embeds": False,
        "axes_dims_rope": (16, 56, 56),
    }  # fmt: skip
    widths = (128, 256, 512, 512)
    vae = {
        f"encoder.down.{i}.block.{j}.conv2.weight": (width, width, 3, 3)
        for i, width in enumerate(widths)
        for j in (0, 1)
    }
    config = convert.vae_config({**vae, "decoder.conv_in.weight": (512, 16, 3, 3)})
    assert (config["block_out_channels"], config["layers_per_block"], config["latent_channels"]) == (widths, 2, 16)
    assert (config["scaling_factor"], config["shift_factor"]) == (0.3611, 0.1159)
    assert schedules.flux(1, 4080) == (1.0,)
