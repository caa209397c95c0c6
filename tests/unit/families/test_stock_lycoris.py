"""LoHa, LoKr and DoRA beside what peft makes of the same numbers."""

from __future__ import annotations

from typing import Any

import peft
import pytest
import torch

from praxino.families._stock import lycoris

ALPHA, RANK = 3.0, 2
LAYERS = {"linear": torch.nn.Linear(6, 8), "conv": torch.nn.Conv2d(4, 6, 3)}


def wrapped(kind: str, config: Any) -> Any:
    """Peft's layer around one of those, with random numbers in it."""
    torch.manual_seed(1)
    model = torch.nn.ModuleDict({"it": LAYERS[kind]})
    layer = peft.inject_adapter_in_model(config, model)["it"]
    for name, parameter in layer.named_parameters():
        if not name.startswith("base_layer"):
            torch.nn.init.normal_(parameter, std=0.5)
    return layer


def tensors_of(layer: Any, names: tuple[str, ...]) -> dict[str, torch.Tensor]:
    found = {name: getattr(layer, name) for name in names}
    return {name: held["default"].detach() for name, held in found.items() if "default" in held}


HADA = tuple(f"hada_{name}" for name in ("w1_a", "w1_b", "w2_a", "w2_b", "t1", "t2"))
KRON = tuple(f"lokr_{name}" for name in ("w1", "w1_a", "w1_b", "w2", "w2_a", "w2_b", "t2"))
CASES = [
    ("linear", HADA, peft.LoHaConfig, {}),
    ("conv", HADA, peft.LoHaConfig, {}),
    ("conv", HADA, peft.LoHaConfig, {"use_effective_conv2d": True}),
    ("linear", KRON, peft.LoKrConfig, {}),
    ("linear", KRON, peft.LoKrConfig, {"decompose_both": True, "decompose_factor": 4}),
    ("conv", KRON, peft.LoKrConfig, {}),
    ("conv", KRON, peft.LoKrConfig, {"use_effective_conv2d": True, "decompose_factor": 2}),
]


@pytest.mark.parametrize(("kind", "names", "config", "more"), CASES)
def test_a_change_is_pefts(kind: str, names: tuple[str, ...], config: Any, more: dict[str, Any]) -> None:
    layer = wrapped(kind, config(r=RANK, alpha=ALPHA, target_modules=["it"], **more))
    tensors = tensors_of(layer, names)
    weight = LAYERS[kind].weight.detach()
    whole = "lokr_w1" in tensors and "lokr_w2" in tensors
    wanted = layer.get_delta_weight("default").detach() * (RANK / ALPHA if whole else 1)
    assert lycoris.fits(tensors, weight.shape)
    made = lycoris.change({**tensors, "alpha": torch.tensor(ALPHA)}, weight)
    assert made.shape == weight.shape
    assert (made - wanted.reshape(weight.shape)).abs().max() <= 1e-5
    without = lycoris.change(tensors, weight)
    assert (without - made * (1 if whole else RANK / ALPHA)).abs().max() <= 1e-5


@pytest.mark.parametrize("kind", LAYERS)
def test_doras_lengths_are_pefts(kind: str) -> None:
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=["it"], use_dora=True)
    layer = wrapped(kind, config)
    weight = LAYERS[kind].weight.detach().clone()
    tensors = {
        "down": layer.lora_A["default"].weight.detach() * (ALPHA / RANK),
        "up": layer.lora_B["default"].weight.detach(),
        "lora_magnitude_vector": layer.lora_magnitude_vector["default"].weight.detach().flatten(),
    }
    made = lycoris.change(tensors, weight)
    layer.merge()
    assert (made - (layer.get_base_layer().weight - weight)).abs().max() <= 1e-5
    layer.unmerge()


def test_lengths_of_columns_are_lycoris_own() -> None:
    weight = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    tensors = {"down": torch.zeros(2, 5), "up": torch.zeros(3, 2), "dora_scale": torch.full((1, 5), 2.0)}
    lengths = (weight + lycoris.change(tensors, weight)).norm(dim=0)
    assert torch.allclose(lengths, torch.full((5,), 2.0))


@pytest.mark.parametrize(
    "tensors",
    [
        {"down": torch.zeros(2, 5)},
        {"down": torch.zeros(2, 5), "up": torch.zeros(4, 2)},
        {"down": torch.zeros(3, 5), "up": torch.zeros(3, 2)},
        {"hada_w1_a": torch.zeros(3, 2), "hada_w1_b": torch.zeros(2, 5)},
        {"lokr_w1": torch.zeros(3, 2), "lokr_w2": torch.zeros(2, 5)},
        {"alpha": torch.tensor(1.0)},
    ],
)
def test_what_is_incomplete_or_of_another_shape_does_not_fit(tensors: dict[str, torch.Tensor]) -> None:
    assert not lycoris.fits(tensors, torch.Size((3, 5)))
