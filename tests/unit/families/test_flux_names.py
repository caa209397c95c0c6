"""The names of LoRA files, against diffusers' own conversions where those are right."""

from pathlib import Path

import pytest
import torch
from diffusers.loaders import lora_conversion_utils as theirs
from diffusers.loaders.single_file_utils import convert_flux_transformer_checkpoint_to_diffusers
from safetensors import safe_open

from praxino.errors import UserError
from praxino.families.flux import convert
from praxino.families.flux.names import DOUBLE, OUTER, SINGLE, piece_of, read_names

REFERENCE = Path(__file__).parents[2] / "reference" / "flux"
HIDDEN, MLP = 3072, 12288
ROWS = {
    "attn_qkv": 3 * HIDDEN,
    "mlp_0": MLP,
    "mod_lin": 6 * HIDDEN,
    "linear1": 3 * HIDDEN + MLP,
    "modulation_lin": 3 * HIDDEN,
}


def rows(layer: str) -> int:
    return next((count for ending, count in ROWS.items() if layer.endswith(ending)), HIDDEN)


def is_linear(layer: str) -> bool:
    return not layer.endswith("_norm")


LAYERS = [
    *(f"double_blocks_{i}_{layer}" for i in (0, 18) for layer in DOUBLE if is_linear(layer)),
    *(f"single_blocks_{i}_{layer}" for i in (0, 37) for layer in SINGLE if is_linear(layer)),
]


def test_kohyas_names_lead_where_diffusers_leads_them():
    given = {}
    for layer in LAYERS:
        given[f"lora_unet_{layer}.lora_down.weight"] = torch.ones(1, 2)
        given[f"lora_unet_{layer}.lora_up.weight"] = torch.ones(rows(layer), 1)
        given[f"lora_unet_{layer}.alpha"] = torch.tensor(1.0)
    pieces = read_names(given, Path("given"))
    found = {target for piece in pieces.values() for target in piece.targets}
    converted = theirs._convert_kohya_flux_lora_to_diffusers(given)
    expected = {name.removeprefix("transformer.").rpartition(".lora_")[0] for name in converted}
    assert found == expected
    assert len(found) == 2 * (14 + 6)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    ("prefix", "down"),
    [
        ("diffusion_model.", "lora_down"),
        ("base_model.model.", "lora_A"),
        ("", "lora_A"),
        ("model.diffusion_model.", "lora_A"),
    ],
)
def test_comfyuis_names_with_dots_are_kohyas(layer, prefix, down):
    block, _, inner = layer.replace("blocks_", "blocks.").partition(".")
    number, _, inner = inner.partition("_")
    dotted = f"{block}.{number}." + inner.replace("_", ".")
    own = piece_of(f"lora_unet_{layer}.lora_down.weight")
    assert own is not None
    assert piece_of(f"{prefix}{dotted}.{down}.weight") == own


def test_diffusers_names_are_their_own(flux_layers):
    for prefix in ("transformer.", "lora_transformer_", "base_model.model."):
        for layer in flux_layers:
            written = layer.replace(".", "_") if prefix.endswith("_") else layer
            piece = piece_of(f"{prefix}{written}.lora_A.weight")
            assert piece is not None, layer
            assert (piece.targets, piece.role, piece.swapped) == ((layer,), "A", False)


@pytest.fixture(scope="module")
def flux_layers() -> list[str]:
    from diffusers.models.transformers.transformer_flux import FluxTransformer2DModel

    with torch.device("meta"):
        network = FluxTransformer2DModel(num_layers=2, num_single_layers=2, guidance_embeds=True)
    return [name for name, module in network.named_modules() if isinstance(module, torch.nn.Linear)]


def test_every_layer_has_the_authors_name_for_it(flux_layers):
    named = [
        *(f"transformer_blocks.{i}.{target}" for i in (0, 1) for targets in DOUBLE.values() for target in targets),
        *(
            f"single_transformer_blocks.{i}.{target}"
            for i in (0, 1)
            for targets in SINGLE.values()
            for target in targets
        ),
        *(target for targets in OUTER.values() for target in targets),
    ]
    assert {name for name in named if ".norm_" not in name} == set(flux_layers)


def test_the_authors_control_lora_is_read_to_its_last_tensor():
    with safe_open(REFERENCE / "control_lora.safetensors", "np") as file:
        pieces = read_names(file.keys(), Path("given"))
    assert {piece.role for piece in pieces.values()} == {"A", "B", "bias", "norm"}
    assert len(pieces) == 120
    swapped = {name for name, piece in pieces.items() if piece.swapped}
    assert swapped == {f"final_layer.adaLN_modulation.1.lora_{end}" for end in ("A.weight", "B.weight", "B.bias")}


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("lora_te1_text_model_encoder_layers_3_self_attn_q_proj.lora_down.weight", "encoder.layers.3.self_attn.q_proj"),
        ("text_encoder.text_model.encoder.layers.0.mlp.fc2.lora_B.weight", "encoder.layers.0.mlp.fc2"),
        ("text_encoders.clip_l.transformer.text_model.encoder.layers.11.self_attn.out_proj.lora_up.weight",
         "encoder.layers.11.self_attn.out_proj"),
    ],
)  # fmt: skip
def test_clips_layers_are_found(name, target):
    piece = piece_of(name)
    assert piece is not None
    assert (piece.network, piece.targets) == ("clip", (target,))


@pytest.mark.parametrize(
    "name",
    [
        "lora_te2_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight",
        "unet.down_blocks.0.attn.to_q.lora_A.weight",
        "transformer.transformer_blocks.0.attn.to_q.lora_A.bias",
        "transformer.transformer_blocks.0.attn.to_z.lora_A.weight",
        "transformer.blocks.0.attn.to_q.lora_A.weight",
        "lora_unet_double_blocks_0_img_attn_qkv.lokr_w3",
        "lora_unet_double_blocks_0_img_attn_qkw.dora_scale",
        "double_blocks.0.processor.qkv_lora1.down.weight",
        "transformer.transformer_blocks.0.attn.norm_q.lora_A.weight",
        "double_blocks.0.img_attn.qkv.scale",
        "double_blocks.x.img_attn.qkv.lora_A.weight",
    ],
)
def test_what_belongs_nowhere_is_named(name):
    assert piece_of(name) is None
    known = "transformer.x_embedder.lora_A.weight"
    with pytest.raises(UserError, match="1 of its 2 tensors belong to no layer") as refused:
        read_names([known, name], Path("given"))
    assert name in str(refused.value)


def test_a_file_without_lora_weights_is_none():
    with pytest.raises(UserError, match="no lora_A"):
        read_names(["double_blocks.0.img_attn.norm.query_norm.scale"], Path("given"))


def test_single_files_are_converted_as_diffusers_does_at_its_one_width():
    """The conversion cuts rows only, so a network of the published width is told by one column."""
    generator = torch.Generator().manual_seed(0)
    tensors = {
        f"{layer}.{kind}": torch.randn(*((count, 1) if kind == "weight" else (count,)), generator=generator)
        for layer, count in _published_layers().items()
        for kind in ("weight", "bias")
    }
    for stream in ("img", "txt"):
        for norm in ("query", "key"):
            tensors[f"double_blocks.0.{stream}_attn.norm.{norm}_norm.scale"] = torch.randn(128, generator=generator)
    for norm in ("query", "key"):
        tensors[f"single_blocks.0.norm.{norm}_norm.scale"] = torch.randn(128, generator=generator)
    expected = convert_flux_transformer_checkpoint_to_diffusers(dict(tensors))
    found = convert.transformer(dict(tensors))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def _published_layers() -> dict[str, int]:
    outer = ["img_in", "txt_in", "final_layer.linear"]
    embedders = [f"{name}.{layer}_layer" for name in ("time_in", "vector_in", "guidance_in") for layer in ("in", "out")]
    double = {f"{s}_{layer}": n for s in ("img", "txt") for layer, n in (
        ("attn.qkv", 3 * HIDDEN), ("attn.proj", HIDDEN), ("mlp.0", MLP), ("mlp.2", HIDDEN), ("mod.lin", 6 * HIDDEN),
    )}  # fmt: skip
    single = {"linear1": 3 * HIDDEN + MLP, "linear2": HIDDEN, "modulation.lin": 3 * HIDDEN}
    return {
        **dict.fromkeys((*outer, *embedders), HIDDEN),
        "final_layer.adaLN_modulation.1": 2 * HIDDEN,
        **{f"double_blocks.0.{layer}": count for layer, count in double.items()},
        **{f"single_blocks.0.{layer}": count for layer, count in single.items()},
    }


def test_a_lora_for_another_family_is_told_as_one(tmp_path: Path) -> None:
    names = ["diffusion_model.layers.0.attention.to_q.lora_A.weight"]
    with pytest.raises(UserError, match=r"is no LoRA for FLUX\.1.*\n.*to_q.*\nIt looks like one for Z-Image"):
        read_names(names, tmp_path / "ink.safetensors")
