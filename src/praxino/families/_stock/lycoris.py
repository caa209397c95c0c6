"""What LoRA, LoHa, LoKr and DoRA change of a weight. Pure functions of tensors.

LoHa: Hyeon-Woo et al. 2022 (FedPara, arXiv 2108.06098), equation 3; LoKr: Yeh et al. 2024 (arXiv 2309.14859),
section 4; DoRA: Liu et al. 2024 (arXiv 2402.09353), equation 5. Names of tensors, and what their ranks are counted by:
KohakuBlueleaf/LyCORIS, lycoris/modules/{loha,lokr,locon}.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

MAGNITUDES = ("dora_scale", "lora_magnitude_vector")
"""DoRA's lengths of a weight's columns: LyCORIS' name and peft's."""


def is_plain(tensors: dict[str, Tensor]) -> bool:
    """Whether a layer's tensors are those of a LoRA and nothing more."""
    return set(tensors) == {"down", "up"}


def fits(tensors: dict[str, Tensor], shape: torch.Size) -> bool:
    """Whether they are complete, and make a change of a weight of that shape."""
    down, up = tensors.get("down"), tensors.get("up")
    if down is not None or up is not None:
        if down is None or up is None or down.ndim != len(shape) or up.ndim != len(shape):
            return False
        return down.shape[1:] == shape[1:] and up.shape[0] == shape[0] and len(down) == up.shape[1]
    try:
        factors = [_factor(tensors, f"hada_w{n}", f"hada_t{n}") for n in "12" if f"hada_w{n}_a" in tensors]
        if len({factor.shape for factor in factors}) > 1:  # the product of LoHa's two would be broadcast
            return False
        return _product(tensors).numel() == math.prod(shape)
    except (KeyError, RuntimeError):
        return False


def change(tensors: dict[str, Tensor], weight: Tensor) -> Tensor:
    """What is added to a weight at scale 1, float32, of its shape.

    Args:
        tensors: those of one layer, by LyCORIS' names; plain LoRA's are "down" and "up".
        weight: the layer's, float32, (out, in, ...).
    """
    tensors = {name: tensor.to(weight.device, torch.float32) for name, tensor in tensors.items()}
    added = (_product(tensors) * _scale(tensors)).reshape(weight.shape)
    magnitude = next((tensors[name] for name in MAGNITUDES if name in tensors), None)
    return added if magnitude is None else _decomposed(weight + added, magnitude) - weight


def cut(tensors: dict[str, Tensor], rows: list[int], *, swapped: bool = False) -> list[dict[str, Tensor]]:
    """The tensors of a fused layer for each of the layers that share its rows.

    Args:
        tensors: of one linear layer; plain LoRA's are "down" and "up".
        rows: how many each of the layers has, in order.
        swapped: whether the two halves of all rows change places first.

    Raises:
        ValueError: lengths of columns, which all rows together have, would have to be shared out.
    """
    if len(rows) == 1 and not swapped:
        return [tensors]
    every = torch.arange(sum(rows))
    if swapped:
        every = every.roll(len(every) // 2)
    return [_taken(tensors, index, len(every)) for index in every.split(rows)]


def _taken(tensors: dict[str, Tensor], index: Tensor, out: int) -> dict[str, Tensor]:
    lengths = {name: tensor for name, tensor in tensors.items() if name in MAGNITUDES}
    for name, length in lengths.items():
        if len(length) == out:
            lengths[name] = length[index]
        elif len(index) < out:
            raise ValueError("DoRA's lengths of columns cannot be shared out among the layers that share their rows")
    rest = {name: tensor for name, tensor in tensors.items() if name not in lengths}
    for names in ("up",), ("hada_w1_a", "hada_w2_a"):
        if names[0] in rest:
            return {**rest, **{name: rest[name][index] for name in names}, **lengths}
    kept = next(iter(rest.values())).dtype
    dense = (_product(rest) * _scale(rest))[index].to(kept)
    return {"lokr_w1": dense.new_ones(1, 1), "lokr_w2": dense, **lengths}


def _product(tensors: dict[str, Tensor]) -> Tensor:
    tensors = {name: tensor.float() for name, tensor in tensors.items()}
    if "down" in tensors:
        return tensors["up"].flatten(1) @ tensors["down"].flatten(1)
    if any(name.startswith("hada") for name in tensors):
        return _factor(tensors, "hada_w1", "hada_t1") * _factor(tensors, "hada_w2", "hada_t2")
    one, two = _factor(tensors, "lokr_w1"), _factor(tensors, "lokr_w2", "lokr_t2")
    return torch.kron(one.reshape(*one.shape, *(1,) * (two.ndim - one.ndim)), two)


def _factor(tensors: dict[str, Tensor], name: str, core: str = "") -> Tensor:
    """A matrix, whole, or of two, or of two and the core of a Tucker decomposition."""
    if name in tensors:
        return tensors[name]
    one, two = tensors[f"{name}_a"], tensors[f"{name}_b"]
    if core in tensors:
        return torch.einsum("i j ..., j r, i p -> p r ...", tensors[core], two, one)
    return one @ two.flatten(1)


def _scale(tensors: dict[str, Tensor]) -> float:
    """Alpha by the rank; 1 where a weight is of whole matrices, which have no rank."""
    ranked = [name for name in ("hada_w1_b", "lokr_w2_b", "lokr_w1_b") if name in tensors]
    if "alpha" not in tensors or not ranked:
        return 1.0
    return float(tensors["alpha"]) / len(tensors[ranked[0]])


def _decomposed(weight: Tensor, magnitude: Tensor) -> Tensor:
    """A weight whose rows, or columns, are as long as `magnitude` says."""
    axis = 0 if magnitude.shape[0] == weight.shape[0] else 1
    others = [index for index in range(weight.ndim) if index != axis]
    length = weight.square().sum(others, keepdim=True).sqrt()
    return weight * (magnitude.reshape(length.shape) / length)
