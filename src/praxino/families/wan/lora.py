"""LoRA weights over the transformers: added to what a layer puts out, and taken off without a trace.

What a file adds to weights and biases outright, as distillation LoRAs do, takes their place for as long as it is laid.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch.nn.functional as F
from torch import Tensor, nn

from praxino.errors import ModelError, UserError
from praxino.families._low_rank import lay
from praxino.families.wan.names import Expert, Role, read_names
from praxino.families.wan.settings import from_options
from praxino.recipe import Lora, Recipe

if TYPE_CHECKING:
    from praxino.families.wan.load import Parts

EXPERTS: tuple[Expert, Expert] = ("high", "low")


@dataclass
class Layer:
    """The weights of a file for one layer."""

    tensors: dict[Role, Tensor] = field(default_factory=dict)
    """A (rank, in), B (out, rank), alpha (), magnitude (out,), diff as the weight, diff_b as the bias."""


def apply(parts: Parts, recipe: Recipe) -> None:
    """Lay a recipe's LoRAs over the transformers, in place of any laid before. A scale of 0 lays nothing.

    Raises:
        ModelError: a file's weights do not fit the networks; nothing is laid then.
    """
    while parts.laid:
        parts.laid.pop()()
    patterns = [part.strip() for part in from_options(recipe.options).lora_blocks.split(",") if part.strip()]
    try:
        for lora in recipe.loras:
            for take_off in _lay(parts, lora, patterns):
                parts.laid.append(take_off)
    except BaseException:
        while parts.laid:
            parts.laid.pop()()
        raise


def _lay(parts: Parts, lora: Lora, patterns: list[str]) -> Iterator[Callable[[], None]]:
    """Lay one file; yields what takes off each piece that was laid."""
    path, laid = Path(lora.path), 0
    wanted = read(path)
    for transformer, expert in zip(parts.transformers, EXPERTS, strict=False):
        single = len(parts.transformers) == 1
        for target, layer in _of_expert(wanted, None if single else expert).items():
            check(transformer, target, layer, path)
            if not patterns or any(fnmatch.fnmatchcase(target, pattern) for pattern in patterns):
                laid += 1
                if lora.scale != 0:
                    yield from _laid(transformer, target, layer, lora.scale)
    if not laid:
        raise ModelError(f"no layer of {path} is named as in --lora-blocks {','.join(patterns)}.")


def _of_expert(wanted: dict[tuple[Expert, str], Layer], expert: Expert | None) -> dict[str, Layer]:
    return {target: layer for (own, target), layer in wanted.items() if expert is None or own in ("all", expert)}


def read(path: Path) -> dict[tuple[Expert, str], Layer]:
    """A file's weights by transformer and layer, float32.

    Raises:
        ModelError: it cannot be read, or a low-rank pair is not whole.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        pieces = read_names(tensors, path)
    except (OSError, SafetensorError, UserError, ValueError) as problem:
        raise ModelError(f"cannot read the LoRA {path}: {problem}") from problem
    layers: dict[tuple[Expert, str], Layer] = {}
    for name, piece in pieces.items():
        layers.setdefault((piece.expert, piece.target), Layer()).tensors[piece.role] = tensors[name].float()
    for (_, target), layer in layers.items():
        if ("A" in layer.tensors) != ("B" in layer.tensors):
            raise ModelError(f"the LoRA {path} is incomplete: {target} has not both of lora_A and lora_B.")
    return layers


def check(transformer: nn.Module, target: str, layer: Layer, path: Path) -> None:
    """Every tensor has its place, of its shape. Raises ModelError."""
    weight, bias = _parameters(transformer, target)
    if weight is None:
        raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {target!r}.")
    needed: dict[Role, tuple[int, ...]] = {"diff": tuple(weight.shape)}
    if bias is not None:
        needed["diff_b"] = tuple(bias.shape)
    if weight.ndim == 2 and "A" in layer.tensors:
        rank = layer.tensors["A"].shape[0]
        needed |= {"A": (rank, weight.shape[1]), "B": (weight.shape[0], rank), "magnitude": (weight.shape[0],)}
    for role, tensor in layer.tensors.items():
        fits = tensor.numel() == 1 if role == "alpha" else tuple(tensor.shape) == needed.get(role)
        if not fits:
            shape = "x".join(map(str, tensor.shape))
            raise ModelError(f"the LoRA {path} does not fit this model: {target} ({role}) is {shape}.")


def _parameters(transformer: nn.Module, target: str) -> tuple[Any, Any]:
    """A layer's weight and bias, or a parameter of its own and None; None twice where there is neither."""
    modules, parameters = dict(transformer.named_modules()), dict(transformer.named_parameters())
    if target in parameters:
        return parameters[target], None
    module: Any = modules.get(target)
    return getattr(module, "weight", None), getattr(module, "bias", None)


def _laid(transformer: Any, target: str, layer: Layer, scale: float) -> Iterator[Callable[[], None]]:
    tensors = layer.tensors
    if "A" in tensors:
        rank, module = len(tensors["A"]), transformer.get_submodule(target)
        share = float(tensors.get("alpha", rank)) / rank
        if "magnitude" in tensors:
            yield lay(module, tensors["A"], tensors["B"] * share, tensors["magnitude"], scale)
        else:
            yield _add(module, tensors, scale * share)
    owner, _, last = target.rpartition(".")
    is_parameter = last in dict(transformer.get_submodule(owner).named_parameters(recurse=False))
    for role, name in (("diff", "weight"), ("diff_b", "bias")):
        if role in tensors:
            holder = transformer.get_submodule(owner if is_parameter else target)
            yield _replace(holder, last if is_parameter else name, tensors[role] * scale)


def _add(module: Any, tensors: dict[Role, Tensor], scale: float) -> Callable[[], None]:
    """Add the low-rank part to what a linear layer puts out."""
    A, B = tensors["A"].to(module.weight), tensors["B"].to(module.weight)

    def added(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x, device = inputs[0], output.device  # the layer may have come to another device since
        return output + F.linear(F.linear(x.to(device), A.to(device)), B.to(device)) * scale

    return module.register_forward_hook(added).remove


def _replace(module: nn.Module, name: str, change: Tensor) -> Callable[[], None]:
    own = getattr(module, name)
    setattr(module, name, nn.Parameter((own.float() + change.to(own.device)).to(own.dtype), requires_grad=False))

    def put_back() -> None:
        setattr(module, name, own)

    return put_back
