"""LoRAs over networks: every naming alike, laid as if merged, and taken off without a trace."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from praxino.errors import ModelError
from praxino.families.flux import convert, latents, load, loop, lora
from praxino.families.flux.text import Text
from praxino.recipe import Lora

REFERENCE = Path(__file__).parents[1] / "reference" / "flux"
CONTROL_LORA = REFERENCE / "control_lora.safetensors"
RANK = 3
SCALE = 0.7


def weights() -> dict[str, torch.Tensor]:
    return {name: tensor.float() for name, tensor in load_file(REFERENCE / "transformer_dev.safetensors").items()}


def transformer(tensors: dict[str, torch.Tensor]) -> FluxTransformer2DModel:
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    config = {**convert.transformer_config(shapes), "axes_dims_rope": (8, 8, 8)}
    made = load.filled(FluxTransformer2DModel, config, convert.transformer(dict(tensors)), torch.float32)
    return made.requires_grad_(False).eval()


@pytest.fixture
def networks() -> load.Networks:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        clip = CLIPTextModel(CLIPTextConfig(
            vocab_size=20, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
            bos_token_id=18, eos_token_id=19, pad_token_id=19,
        )).eval().requires_grad_(False)  # fmt: skip
    missing = None
    return load.Networks(transformer(weights()), missing, clip, missing, missing, missing, torch.device("cpu"))  # pyright: ignore


def forward(network) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    words = Text(torch.randn(1, 5, 40, generator=generator), torch.randn(1, 24, generator=generator))
    start = loop.Start(torch.randn(1, 12, 64, generator=generator), latents.positions(64, 48), words, None)
    return loop.velocity(network, start.tokens, start, words, (0.6, 3.0))


def pooled(clip) -> torch.Tensor:
    return clip(input_ids=torch.tensor([[18, 3, 4, 5, 19]])).pooler_output


def low_rank(layer_shapes: dict[str, tuple[int, int]]) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    generator = torch.Generator().manual_seed(5)
    return {
        layer: (torch.randn(RANK, columns, generator=generator) / 5, torch.randn(rows, RANK, generator=generator) / 5)
        for layer, (rows, columns) in layer_shapes.items()
    }


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """A and B for every linear layer, by the authors' names."""
    linear = {name.removesuffix(".weight"): tensor for name, tensor in weights().items() if tensor.ndim == 2}
    return low_rank({layer: (tensor.shape[0], tensor.shape[1]) for layer, tensor in linear.items()})


def kohya(pairs, alpha: float) -> dict[str, torch.Tensor]:
    tensors = {}
    for layer, (down, up) in pairs.items():
        name = "lora_unet_" + layer.replace(".", "_")
        tensors |= {
            f"{name}.lora_down.weight": down,
            f"{name}.lora_up.weight": up,
            f"{name}.alpha": torch.tensor(alpha),
        }
    return tensors


def comfyui(pairs, alpha: float) -> dict[str, torch.Tensor]:
    tensors = {}
    for layer, (down, up) in pairs.items():
        name = f"diffusion_model.{layer}"
        tensors |= {f"{name}.lora_A.weight": down, f"{name}.lora_B.weight": up * alpha / RANK}
    return tensors


Made = tuple[dict[str, torch.Tensor], torch.Tensor]
"""What a file holds of a layer, and the change at scale 1 that it means, float64."""
SPECIAL_ALPHA = 2.0


def random(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randn(shape, generator=generator) / 3


def loha(weight: torch.Tensor) -> Made:
    rows, columns = weight.shape
    tensors = {
        "hada_w1_a": random(rows, RANK), "hada_w1_b": random(RANK, columns),
        "hada_w2_a": random(rows, RANK).flip(0), "hada_w2_b": random(RANK, columns).flip(1),
    }  # fmt: skip
    one, two, three, four = (tensor.double() for tensor in tensors.values())
    change = SPECIAL_ALPHA / RANK * (one @ two) * (three @ four)
    return {**tensors, "alpha": torch.tensor(SPECIAL_ALPHA)}, change


def lokr(weight: torch.Tensor) -> Made:
    rows, columns = weight.shape
    tensors = {
        "lokr_w1": random(2, 2), "lokr_w2_a": random(rows // 2, RANK), "lokr_w2_b": random(RANK, columns // 2),
    }  # fmt: skip
    one, two, three = (tensor.double() for tensor in tensors.values())
    return {**tensors, "alpha": torch.tensor(SPECIAL_ALPHA)}, SPECIAL_ALPHA / RANK * torch.kron(one, two @ three)


def dora(weight: torch.Tensor) -> Made:
    rows, columns = weight.shape
    down, up, lengths = random(RANK, columns), random(rows, RANK), 1 + random(rows, 1).abs()
    turned = weight.double() + SPECIAL_ALPHA / RANK * up.double() @ down.double()
    new = lengths.double() * turned / turned.norm(dim=1, keepdim=True)
    tensors = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": lengths}
    return {**tensors, "alpha": torch.tensor(SPECIAL_ALPHA)}, new - weight.double()


@pytest.fixture(scope="module", params=[loha, lokr, dora])
def special(request) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """A file that changes every linear layer, in LyCORIS' names of the authors' layers; and the weights it means."""
    tensors, merged = {}, weights()
    for name, weight in weights().items():
        if weight.ndim == 2 and name.endswith(".weight"):
            made, change = request.param(weight)
            layer = "lycoris_" + name.removesuffix(".weight").replace(".", "_")
            tensors |= {f"{layer}.{end}": tensor for end, tensor in made.items()}
            merged[name] = (weight.double() + SCALE * change).float()
    return tensors, merged


def test_loha_lokr_and_dora_are_the_merged_weights(networks, special, tmp_path):
    """Fused layers are cut by their rows, and the last modulation's halves change places."""
    tensors, merged = special
    kept = {name: weight.clone() for name, weight in networks.transformer.state_dict().items()}
    plain = forward(networks.transformer)
    found = laid(networks, tmp_path / "a.safetensors", tensors)
    for name, weight in transformer(merged).state_dict().items():
        torch.testing.assert_close(networks.transformer.state_dict()[name], weight, rtol=0, atol=2e-6)
    torch.testing.assert_close(found, forward(transformer(merged)), rtol=0, atol=2e-5)
    assert not torch.allclose(found, plain, atol=0.05)
    lora.apply(networks, ())
    assert all(torch.equal(weight, kept[name]) for name, weight in networks.transformer.state_dict().items())
    assert torch.equal(forward(networks.transformer), plain)
    assert torch.equal(laid(networks, tmp_path / "a.safetensors", tensors, scale=0.0), plain)


def test_two_of_them_add_up_as_changes_of_the_first_weights(networks, special, tmp_path):
    tensors, merged = special
    save_file(tensors, tmp_path / "a.safetensors")
    lora.apply(networks, (Lora(str(tmp_path / "a.safetensors"), SCALE, ""),) * 2)
    twice = {name: 2 * weight - weights()[name] for name, weight in merged.items()}
    torch.testing.assert_close(forward(networks.transformer), forward(transformer(twice)), rtol=0, atol=5e-5)


def test_what_is_incomplete_or_of_another_shape_changes_nothing(networks, special, tmp_path):
    plain = forward(networks.transformer)
    tensors = dict(special[0])
    first = next(name for name in tensors if name.endswith(("hada_w1_b", "lokr_w2_b", "lora_down.weight")))
    for wrong in ({k: v for k, v in tensors.items() if k != first}, {**tensors, first: tensors[first][:, :1]}):
        with pytest.raises(ModelError, match="does not fit"):
            laid(networks, tmp_path / "wrong.safetensors", wrong)
        assert torch.equal(forward(networks.transformer), plain)


def test_lengths_of_columns_cannot_be_shared_out_but_hold_for_a_whole_layer(networks, tmp_path):
    down, up = random(RANK, 48), random(144, RANK)
    for layer, rows in (("double_blocks.0.img_attn.qkv", 144), ("double_blocks.0.img_attn.proj", 48)):
        columns = weights()[f"{layer}.weight"].shape[1]
        rows = len(weights()[f"{layer}.weight"])
        down, up = random(RANK, columns), random(rows, RANK)
        name = f"diffusion_model.{layer}"
        file = {
            f"{name}.lora_A.weight": down,
            f"{name}.lora_B.weight": up,
            f"{name}.dora_scale": torch.ones(1, columns),
        }
        if layer.endswith("qkv"):
            with pytest.raises(ModelError, match="lengths of columns"):
                laid(networks, tmp_path / "a.safetensors", file)
        else:
            laid(networks, tmp_path / "a.safetensors", file, scale=1.0)
            weight = networks.transformer.transformer_blocks[0].attn.to_out[0].weight
            torch.testing.assert_close(weight.norm(dim=0), torch.ones(columns))


def laid(networks: load.Networks, path: Path, tensors: dict[str, torch.Tensor], scale=SCALE, blocks="") -> torch.Tensor:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
    lora.apply(networks, (Lora(str(path), scale, ""),), blocks)
    return forward(networks.transformer)


@pytest.mark.parametrize("named", [kohya, comfyui])
def test_a_lora_over_every_layer_is_the_merged_weights(networks, pairs, tmp_path, named):
    alpha = 2.0
    merged = weights()
    for layer, (down, up) in pairs.items():
        merged[f"{layer}.weight"] += SCALE * alpha / RANK * up @ down
    found = laid(networks, tmp_path / "a.safetensors", named(pairs, alpha))
    torch.testing.assert_close(found, forward(transformer(merged)), rtol=0, atol=2e-5)
    assert not torch.allclose(found, forward(transformer(weights())), atol=0.1)


def test_diffusers_names_are_laid_alike(networks, tmp_path):
    network = networks.transformer
    shapes = {
        name: (module.out_features, module.in_features)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear)
    }
    made = low_rank(shapes)
    tensors = {}
    for layer, (down, up) in made.items():
        tensors |= {f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up}
    found = laid(networks, tmp_path / "a.safetensors", tensors)
    lora.apply(networks, ())
    for layer, (down, up) in made.items():
        network.get_submodule(layer).weight.data += SCALE * up @ down
    torch.testing.assert_close(found, forward(network), rtol=0, atol=2e-5)


def test_a_scale_of_nothing_and_taking_off_leave_the_base_to_the_bit(networks, pairs, tmp_path):
    base, state = forward(networks.transformer), {**networks.transformer.state_dict()}
    words = pooled(networks.clip)
    tensors = {**kohya(pairs, 2.0), **clip_lora()}
    assert torch.equal(laid(networks, tmp_path / "a.safetensors", tensors, scale=0.0), base)
    assert not torch.equal(laid(networks, tmp_path / "a.safetensors", tensors), base)
    assert not torch.equal(pooled(networks.clip), words)
    lora.apply(networks, (Lora(str(CONTROL_LORA), 0.85, ""), Lora(str(tmp_path / "a.safetensors"), 1.0, "")))
    lora.apply(networks, (Lora(str(CONTROL_LORA), 0.0, ""),))
    assert torch.equal(forward(networks.transformer), base)
    lora.apply(networks, ())
    assert torch.equal(forward(networks.transformer), base)
    assert torch.equal(pooled(networks.clip), words)
    assert networks.transformer.state_dict().keys() == state.keys()
    assert all(networks.transformer.state_dict()[name].data_ptr() == state[name].data_ptr() for name in state)


def clip_lora() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(6)
    name = "lora_te1_text_model_encoder_layers_1_self_attn_v_proj"
    return {
        f"{name}.lora_down.weight": torch.randn(2, 16, generator=generator),
        f"{name}.lora_up.weight": torch.randn(16, 2, generator=generator),
        f"{name}.alpha": torch.tensor(1.0),
    }


def test_clips_layers_are_laid_as_if_merged(networks, tmp_path):
    tensors = clip_lora()
    laid(networks, tmp_path / "a.safetensors", tensors)
    found = pooled(networks.clip)
    lora.apply(networks, ())
    down, up, _ = tensors.values()
    networks.clip.encoder.layers[1].self_attn.v_proj.weight.data += SCALE * 0.5 * up @ down
    torch.testing.assert_close(found, pooled(networks.clip), rtol=0, atol=1e-5)


def test_several_are_added_up(networks, pairs, tmp_path):
    one = {layer: pair for layer, pair in pairs.items() if layer.startswith("double")}
    other = {layer: pair for layer, pair in pairs.items() if not layer.startswith("double")}
    both = laid(networks, tmp_path / "both.safetensors", kohya(pairs, 2.0))
    for name, part in (("one", one), ("other", other)):
        save_file(kohya(part, 2.0), tmp_path / f"{name}.safetensors")
    lora.apply(networks, tuple(Lora(str(tmp_path / f"{name}.safetensors"), SCALE, "") for name in ("one", "other")))
    assert torch.equal(forward(networks.transformer), both)


def test_a_lora_for_the_input_goes_with_one_that_widens_it(networks, pairs, tmp_path):
    """The widened input has a map's channels after those that the other LoRA knows; of those it sees nothing."""
    save_file(kohya({"img_in": pairs["img_in"]}, RANK), tmp_path / "a.safetensors")
    plain = Lora(str(tmp_path / "a.safetensors"), SCALE, "")
    x = torch.randn(1, 3, 64, generator=torch.Generator().manual_seed(7))
    lora.apply(networks, (plain,))
    added = networks.transformer.x_embedder(x) - transformer(weights()).x_embedder(x)
    lora.apply(networks, (Lora(str(CONTROL_LORA), 0.85, ""),))
    widened = torch.cat((x, torch.ones_like(x)), -1)
    before = networks.transformer.x_embedder(widened)
    lora.apply(networks, (plain, Lora(str(CONTROL_LORA), 0.85, "")))
    torch.testing.assert_close(networks.transformer.x_embedder(widened) - before, added, rtol=0, atol=1e-5)


def test_only_the_named_blocks_are_laid(networks, pairs, tmp_path):
    some = {layer: pair for layer, pair in pairs.items() if layer.startswith("single_blocks.1.")}
    expected = laid(networks, tmp_path / "some.safetensors", kohya(some, 2.0))
    found = laid(
        networks, tmp_path / "all.safetensors", kohya(pairs, 2.0), blocks="single_transformer_blocks.1.*, none"
    )
    assert torch.equal(found, expected)
    with pytest.raises(ModelError, match=r"no layer .* is named as in --lora-blocks nothing\.\*"):
        laid(networks, tmp_path / "all.safetensors", kohya(pairs, 2.0), blocks="nothing.*")


WIDE = "transformer.transformer_blocks.0.attn.to_q"
MISFITS = {
    "a layer that is not there": (
        {"lora_unet_double_blocks_7_img_mlp_0.lora_down.weight": (2, 48),
         "lora_unet_double_blocks_7_img_mlp_0.lora_up.weight": (192, 2)},
        "has no layer 'transformer_blocks.7.ff.net.0.proj'",
    ),
    "another width": ({f"{WIDE}.lora_A.weight": (2, 50), f"{WIDE}.lora_B.weight": (48, 2)}, "2x50, not 2x48"),
    "other rows": ({f"{WIDE}.lora_A.weight": (2, 48), f"{WIDE}.lora_B.weight": (50, 2)}, "50x2, not 48x2"),
    "half of it": ({f"{WIDE}.lora_A.weight": (2, 48)}, "not both of lora_A and lora_B"),
    "partly unknown": (
        {f"{WIDE}.lora_A.weight": (2, 48), f"{WIDE}.lora_B.weight": (48, 2), "lora_te2_x.lora_down.weight": (1, 1)},
        "1 of its 3 tensors belong to no layer of it:\nlora_te2_x.lora_down.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MISFITS)
def test_a_file_that_does_not_fit_is_refused_and_leaves_nothing(networks, pairs, tmp_path, name):
    shapes, words = MISFITS[name]
    base = forward(networks.transformer)
    save_file(kohya(pairs, 2.0), tmp_path / "good.safetensors")
    save_file({key: torch.ones(shape) for key, shape in shapes.items()}, tmp_path / "bad.safetensors")
    both = tuple(Lora(str(tmp_path / f"{name}.safetensors"), 1.0, "") for name in ("good", "bad"))
    with pytest.raises(ModelError, match=words.replace("(", r"\(")):
        lora.apply(networks, both)
    assert torch.equal(forward(networks.transformer), base)


def test_a_damaged_file_is_a_model_error(networks, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"half a file")
    with pytest.raises(ModelError, match="cannot read the LoRA"):
        lora.apply(networks, (Lora(str(tmp_path / "a.safetensors"), 1.0, ""),))


def test_what_is_laid_keeps_the_networks_number_format(networks, pairs, tmp_path):
    rough = dataclasses.replace(networks, transformer=networks.transformer.to(torch.bfloat16), laid=[])
    save_file(kohya(pairs, 2.0), tmp_path / "a.safetensors")
    lora.apply(rough, (Lora(str(tmp_path / "a.safetensors"), SCALE, ""),))
    seen = rough.transformer.x_embedder(torch.ones(1, 2, 64, dtype=torch.bfloat16))
    assert seen.dtype == torch.bfloat16
