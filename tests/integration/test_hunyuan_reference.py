"""Numbers of Tencent's own code (tests/reference/hunyuan_video_i2v), step for step, through what production runs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from praxino.errors import ModelError
from praxino.families._hunyuan import convert, load, loop, lora, names, sizes
from praxino.families._hunyuan.settings import Kind
from praxino.families._hunyuan.text import Embedded
from praxino.families.hunyuan_video_i2v.variants import GRID
from praxino.recipe import GuidancePhase, Lora
from praxino.sampling import schedules
from praxino.sampling.noise import SeededNoise

FOLDER = Path(__file__).parents[1] / "reference" / "hunyuan_video_i2v"
TRANSFORMER = FOLDER / "transformer_token_replace.safetensors"
LORA = FOLDER / "lora_kohaya_weights.safetensors"
TOLERANCE = 1e-5
PHASES = (GuidancePhase(start=1.0, scale=6.0),)
STEPS = 4
RUNS = {"stable": 6000.0, "dynamic": 6000.0, "stable_g6016": 6016.0, "dynamic_cfg3": 6000.0}
"""What the transformer was told as its guidance in each run."""
SHIFTS = {"stable": 7.0, "dynamic": 17.0}


@cache
def arrays(name: str) -> dict[str, torch.Tensor]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return {key: torch.from_numpy(array) for key, array in file.items()}


def made(tensors: dict[str, torch.Tensor], kind: Kind, dtype: torch.dtype = torch.float32):
    """Tencent's tensors as production loads them. The turns of a head are not to be read off them."""
    config = convert.transformer_config({name: tuple(tensor.shape) for name, tensor in tensors.items()}, kind)
    told = json.loads((FOLDER / "config.json").read_text())[kind.replace("-", "_")]
    network = load.filled({**config, "rope_axes_dim": tuple(told["rope_dim_list"])}, tensors, dtype)
    for embedder in (network.time_text_embed, network.context_embedder.time_text_embed):
        as_recorded(embedder.time_proj.frequencies)
    return network.eval().requires_grad_(False)


def as_recorded(frequencies: torch.Tensor) -> None:
    """In two of 128 frequencies the recording machine rounded up; times a guidance of 6000 that is seen."""
    for place in (13, 44):
        frequencies[place] = torch.nextafter(frequencies[place], torch.tensor(1.0))


@pytest.fixture(scope="module")
def transformer():
    return made(load_file(TRANSFORMER), "token-replace")


def embedded(given: dict[str, torch.Tensor], prefix: str = "") -> Embedded:
    return Embedded(given[f"{prefix}text_states"], given[f"{prefix}text_mask"], given[f"{prefix}text_states_2"])


def near(found: torch.Tensor, expected: torch.Tensor, tolerance: float = TOLERANCE) -> bool:
    assert found.shape == expected.shape
    difference = (found.float() - expected).abs().max().item()
    return difference <= tolerance


def forward(network, given: dict[str, torch.Tensor]) -> torch.Tensor:
    return network(
        hidden_states=given["x"],
        timestep=given["timestep"],
        encoder_hidden_states=given["text_states"],
        encoder_attention_mask=given["text_mask"],
        pooled_projections=given["text_states_2"],
        guidance=given["guidance"],
        return_dict=False,
    )[0]


def test_one_forward(transformer):
    given = arrays("forward_token_replace")
    assert near(forward(transformer, given), given["out"])
    cosines, sines = transformer.rope(given["x"])
    assert near(cosines, given["freqs_cos"]) and near(sines, given["freqs_sin"])


def run_of(name: str, motion: str | None = None, **changed) -> tuple[loop.Start, loop.Plan]:
    given = arrays("sample_token_replace")
    motion = motion or name.partition("_")[0]
    guided = name.endswith("cfg3")
    begun = loop.begin(given["noise"], given["img_latents"], motion)
    start = loop.Start(begun, given["img_latents"], embedded(given), embedded(given, "neg_") if guided else None)
    numbers = {
        "sigmas": schedules.hunyuan(STEPS, SHIFTS[motion]),
        "guidance": RUNS[name],
        "true_guidance": 3.0 if guided else 1.0,
    }
    return start, loop.Plan(kind="token-replace", phases=PHASES, num_frames=17, **{**numbers, **changed})


@pytest.mark.parametrize("name", RUNS)
def test_every_step_of_a_run(transformer, name):
    given = arrays("sample_token_replace")
    start, plan = run_of(name)
    assert torch.equal(torch.tensor([*plan.sigmas, 0.0]), given[f"{name}_sigmas"])
    assert torch.equal(torch.tensor([sigma * 1000 for sigma in plan.sigmas]), given[f"{name}_timesteps"])
    first = loop.model_input(start.latents, start, plan)
    assert near(first, given[f"{name}_first_input"][:1], 1e-6)
    states = list(loop.denoise(transformer, start, plan, SeededNoise(0)))
    for step, state in enumerate(states[1:]):
        assert state.tensors["latents"].dtype == torch.float32
        assert near(state.tensors["latents"], given[f"{name}_latents"][step])


def test_every_prediction_of_a_run(transformer):
    given = arrays("sample_token_replace")
    start, plan = run_of("stable")
    for step, t in enumerate(plan.sigmas):
        x = start.latents if step == 0 else given["stable_latents"][step - 1]
        assert near(loop.velocity(transformer, x, start, plan, (start.text, t)), given["stable_pred"][step])


@pytest.mark.parametrize("scale", [1.0, 0.7])
def test_a_lora_of_tencents_trainer(transformer, scale):
    given = arrays("lora_token_replace")
    told = {**given, **{name: arrays("forward_token_replace")[name] for name in ("timestep", "guidance")}}
    laid: list[lora.TakeOff] = []
    assert near(forward(transformer, told), given["out_base"])
    before = forward(transformer, told)
    lora.apply(transformer, laid, (Lora(str(LORA), scale, ""),))
    assert near(forward(transformer, told), given[f"out_scale_{scale}"])
    assert len(laid) == 45, "31 layers, of which 4 are three and 2 are four in the network"
    lora.apply(transformer, laid, (Lora(str(LORA), 0.0, ""),))
    assert torch.equal(forward(transformer, told), before)
    lora.apply(transformer, laid, ())
    assert torch.equal(forward(transformer, told), before)


MERGED = {
    "merged_qkv": ("transformer_blocks.1.attn", ("to_q", "to_k", "to_v")),
    "merged_linear1": ("single_transformer_blocks.0", ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")),
    "merged_final_linear": ("", ("proj_out",)),
}


@pytest.mark.parametrize("name", MERGED)
def test_a_layer_with_a_lora_is_tencents_merged_weight(transformer, name):
    block, parts = MERGED[name]
    expected = arrays("lora_token_replace")[name]
    ones = torch.eye(expected.shape[1])
    layers = [transformer.get_submodule(".".join(filter(None, (block, part)))) for part in parts]
    laid: list[lora.TakeOff] = []
    lora.apply(transformer, laid, (Lora(str(LORA), 1.0, ""),))
    found = torch.cat([(layer(ones) - layer.bias).T for layer in layers])
    lora.apply(transformer, laid, ())
    assert near(found, expected, 1e-6)


def test_buckets_are_tencents():
    told = json.loads((FOLDER / "buckets.json").read_text())
    for name, listed in told["buckets_hw"].items():
        assert [[tall, wide] for wide, tall in sizes.NAMED[name]] == listed
    for case in told["cases"]:
        drawn = GRID.bucket(*case["image_wh"], case["res"])
        assert [*drawn[::-1]] == case["bucket_hw"], case
        size = sizes.resized(tuple(case["image_wh"]), drawn)
        assert [*size] == case["resized_wh"], case
        assert sizes.cropped(size, drawn) == (case["crop_left"], case["crop_top"]), case


def kohya() -> dict[str, torch.Tensor]:
    return load_file(LORA)


def with_lora(transformer, tensors: dict[str, torch.Tensor], file: Path, scale: float = 1.0) -> torch.Tensor:
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
    laid: list[lora.TakeOff] = []
    lora.apply(transformer, laid, (Lora(str(file), scale, ""),))
    found = forward(transformer, arrays("forward_token_replace"))
    lora.apply(transformer, laid, ())
    return found


def test_other_trainers_names_say_the_same_and_mean_their_alpha(transformer, tmp_path):
    file = tmp_path / "other.safetensors"
    expected = with_lora(transformer, kohya(), file)
    renamed = {name.replace("Hunyuan_video_I2V_lora_", "lora_unet_"): tensor for name, tensor in kohya().items()}
    assert torch.equal(with_lora(transformer, renamed, file), expected), "alpha is the rank"
    doubled = {name: tensor * 2 if name.endswith("alpha") else tensor for name, tensor in renamed.items()}
    assert torch.equal(with_lora(transformer, doubled, file, 0.5), expected)
    ignored = {name: tensor * 2 if name.endswith("alpha") else tensor for name, tensor in kohya().items()}
    assert torch.equal(with_lora(transformer, ignored, file), expected), "Tencent's loader pays it no heed"


def test_names_of_diffusers_say_the_same(transformer, tmp_path):
    expected = with_lora(transformer, kohya(), tmp_path / "one.safetensors")
    rows = {
        layer: module.out_features for layer, module in transformer.named_modules() if hasattr(module, "out_features")
    }
    renamed = {}
    for name, tensor in kohya().items():
        piece = names.piece_of(name)
        parts = tensor.split([rows[target] for target in piece.targets]) if piece.role == "B" else None
        for place, target in enumerate(piece.targets if piece.role != "alpha" else ()):
            renamed[f"transformer.{target}.lora_{piece.role}.weight"] = (
                tensor.clone() if parts is None else parts[place]
            )
    assert torch.equal(with_lora(transformer, renamed, tmp_path / "other.safetensors"), expected)


def test_chosen_blocks_alone_are_changed(transformer, tmp_path):
    some = {name: tensor for name, tensor in kohya().items() if "single_blocks_1" in name}
    expected = with_lora(transformer, some, tmp_path / "some.safetensors")
    laid: list[lora.TakeOff] = []
    lora.apply(transformer, laid, (Lora(str(LORA), 1.0, ""),), "single_transformer_blocks.1.*, nothing")
    assert torch.equal(forward(transformer, arrays("forward_token_replace")), expected)
    lora.apply(transformer, laid, ())
    with pytest.raises(ModelError, match="is named as in --lora-blocks nothing"):
        lora.apply(transformer, laid, (Lora(str(LORA), 1.0, ""),), "nothing")


WIDE = "transformer.transformer_blocks.0.attn.to_q"
MISFITS = {
    "has no layer 'transformer_blocks.7": {"double_blocks.7.img_mlp.fc1.lora_A.weight": (4, 64),
                                           "double_blocks.7.img_mlp.fc1.lora_B.weight": (256, 4)},
    r"\(lora_A\) is 4x60, not 4x64": {f"{WIDE}.lora_A.weight": (4, 60), f"{WIDE}.lora_B.weight": (64, 4)},
    r"\(lora_B\) is 60x4, not 64x4": {f"{WIDE}.lora_A.weight": (4, 64), f"{WIDE}.lora_B.weight": (60, 4)},
    "not both of lora_A and lora_B": {f"{WIDE}.lora_A.weight": (4, 64)},
    "belong to no layer": {f"{WIDE}.lora_A.weight": (4, 64), "odd.lora_B.weight": (64, 4)},
}  # fmt: skip


@pytest.mark.parametrize("words", MISFITS)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_laid(transformer, tmp_path, words):
    before = forward(transformer, arrays("forward_token_replace"))
    save_file({name: torch.ones(shape) for name, shape in MISFITS[words].items()}, tmp_path / "bad.safetensors")
    both = (Lora(str(LORA), 1.0, ""), Lora(str(tmp_path / "bad.safetensors"), 1.0, ""))
    with pytest.raises(ModelError, match=words):
        lora.apply(transformer, [], both)
    assert torch.equal(forward(transformer, arrays("forward_token_replace")), before)


def test_the_output_of_a_training_step(transformer):
    """Frames 1 and on, of what the loop asks the transformer for a clip that is half noise."""
    given = arrays("loss_token_replace")
    for sample in range(2):
        one = {name: array[sample : sample + 1] for name, array in given.items() if array.ndim > 0}
        t = float(one["t"])
        x = (1 - t) * one["x1"] + t * one["x0"]
        start = loop.Start(x, one["cond_latents"], embedded(one), None)
        plan = loop.Plan((t,), "token-replace", float(given["guidance"]), PHASES, num_frames=17)
        v = loop.velocity(transformer, x, start, plan, (start.text, t))[:, :, 1:]
        assert near(v, one["model_output"])
        loss = (v - (one["x0"] - one["x1"])[:, :, 1:]).square().mean()
        assert near(loss[None], one["loss_per_sample"], 1e-6)
