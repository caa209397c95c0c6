"""LoRAs over a diffusers transformer's linear layers: checked whole, laid on as hooks, taken off without a trace.

A family says by a `Targets` what a layer is called in the network; the weights themselves are never touched.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from praxino.errors import ModelError, UserError
from praxino.families._lora_names import shapes_of
from praxino.recipe import Lora

if TYPE_CHECKING:
    from torch import Tensor, nn

Targets = Callable[[str], tuple[str, ...]]
"""A layer's path as a file has it to the network's layers that share its rows; () when there is none."""

Fitted = tuple["Tensor", "Tensor", "Tensor | None"]
"""A, B and the magnitude for one layer of the network."""

Alphas = Callable[[str, Mapping[str, str]], float | None]
"""The alpha of a layer that brings none of its own, by the layer's path and the file's metadata; None is its rank."""

PREFIX = re.compile(r"^(base_model\.model\.|model\.diffusion_model\.|diffusion_model\.)+")
HOME = "transformer."
"""What diffusers puts before a layer's path, and what some originals' own paths begin with."""
ROLES = re.compile(r"^(?P<layer>.+?)\.(?:lora_(?P<ab>[AB])(?:\.default)?(?:\.weight)?|lora_(?P<way>down|up)\.weight)$")
NUMBERED = re.compile(r"^(?P<layer>.+)\.matrix_(?P<ab>[AB])\.(?P<number>\d+)$")
"""THUDM/SwissArmyTransformer, sat/model/finetune/lora2.py: one pair for each part of a fused layer."""
MAGNITUDE = re.compile(r"^(?P<layer>.+?)\.lora_magnitude_vector(?:\.default)?(?:\.weight)?$")
"""DoRA's, as peft names it."""
ALPHA = ".alpha"
LAID = "_praxino_lora"
"""Under which a transformer keeps what takes its LoRAs off again."""


@dataclass
class LowRank:
    """The weights for one layer of a file."""

    A: Tensor | None = None
    """(rank, in)."""
    B: Tensor | None = None
    """(out, rank)."""
    alpha: float | None = None
    magnitude: Tensor | None = None
    """(out,): how long the rows of the whole weight are, where that is learnt (DoRA)."""


def named(name: str) -> tuple[str, str] | None:
    """A tensor's layer and role: A, B, alpha or magnitude; None when it is none of these.

    A part of a layer is LAYER#NUMBER.
    """
    plain = PREFIX.sub("", name)
    if match := NUMBERED.match(plain):
        return f"{match['layer']}#{match['number']}", match["ab"]
    if plain.endswith(ALPHA):
        return plain.removesuffix(ALPHA), "alpha"
    if match := MAGNITUDE.match(plain):
        return match["layer"], "magnitude"
    match = ROLES.match(plain)
    if match is None:
        return None
    return match["layer"], match["ab"] or {"down": "A", "up": "B"}[match["way"]]


def check(path: Path, title: str, targets: Targets) -> None:
    """Look at a file's header. No torch.

    Raises:
        UserError: it is no safetensors file, or holds other things than LoRA weights for this family.
    """
    roles = {name: named(name) for name in shapes_of(path)}
    for name, found in roles.items():
        if found is None:
            raise UserError(f"{path} is no LoRA: it holds {name!r}, which is neither a lora_A nor a lora_B weight.")
        if not _places(targets, found[0]):
            raise UserError(f"{path} is no LoRA for {title}: {title} has no layer {found[0]!r}.")
    if not any(found and found[1] == "A" for found in roles.values()):
        raise UserError(f"{path} is no LoRA: it holds no lora_A weights.")


def peft_alpha(layer: str, metadata: Mapping[str, str]) -> float | None:
    """What diffusers writes of peft's config into a file: one alpha for all layers, or some by ends of names."""
    try:
        told = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        return None
    plain = {key.rpartition(".")[2]: value for key, value in told.items()}
    special = [a for end, a in (plain.get("alpha_pattern") or {}).items() if layer.endswith(end.lstrip("^"))]
    return special[0] if special else plain.get("lora_alpha")


def apply(transformer: Any, loras: Iterable[Lora], targets: Targets, alphas: Alphas = peft_alpha) -> None:
    """Lay LoRAs over a transformer, in place of any laid before. One of scale 0 is checked and left out.

    Raises:
        ModelError: a file cannot be read, or one of its weights has no layer, or a layer of another shape.
    """
    for take_off in reversed(getattr(transformer, LAID, [])):
        take_off()
    laid: list[Callable[[], None]] = []
    setattr(transformer, LAID, laid)
    fitted = [(_fitted(transformer, Path(lora.path), targets, alphas), lora.scale) for lora in loras]
    for layers, scale in fitted:
        for layer, (A, B, magnitude) in layers.items():
            if scale != 0:
                laid.append(lay(transformer.get_submodule(layer), A, B, magnitude, scale))


def _fitted(transformer: Any, path: Path, targets: Targets, alphas: Alphas) -> dict[str, Fitted]:
    """A file's weights by layer of the network, alphas multiplied in, every one of them sure to fit."""
    modules = dict(transformer.named_modules())
    fitted: dict[str, Fitted] = {}
    layers, metadata = _read(path)
    for layer, weights in layers.items():
        names = _places(targets, layer)
        if not names or any(name not in modules for name in names):
            raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {layer!r}.")
        if weights.A is None or weights.B is None:
            raise ModelError(f"the LoRA {path} is incomplete: {layer!r} has not both of lora_A and lora_B.")
        linears: list[Any] = [modules[name] for name in names]
        rows = [linear.out_features for linear in linears]
        check_shape(path, f"{layer} (lora_A)", weights.A, (len(weights.A), linears[0].in_features))
        check_shape(path, f"{layer} (lora_B)", weights.B, (sum(rows), len(weights.A)))
        alpha = alphas(layer, metadata) if weights.alpha is None else weights.alpha
        B = weights.B * (1 if alpha is None else alpha / len(weights.A))
        lengths = by_rows(path, layer, weights.magnitude, rows)
        for name, part, magnitude in zip(names, B.split(rows), lengths, strict=True):
            fitted[name] = (weights.A, part, magnitude)
    return fitted


def by_rows(path: Path, layer: str, magnitude: Tensor | None, rows: list[int]) -> list[Tensor | None]:
    """A layer's magnitude for each of the network's layers that share its rows; None where it has none.

    Raises:
        ModelError: it has another length.
    """
    if magnitude is None:
        return [None] * len(rows)
    check_shape(path, f"{layer} (magnitude)", magnitude, (sum(rows),))
    return list(magnitude.split(rows))


def _places(targets: Targets, layer: str) -> tuple[str, ...]:
    return targets(layer) or targets(layer.removeprefix(HOME))


def _read(path: Path) -> tuple[dict[str, LowRank], dict[str, str]]:
    """The weights of a file by layer, and its metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as problem:
        raise ModelError(f"cannot read the LoRA {path}: {problem}") from problem
    layers: dict[str, LowRank] = {}
    for name, tensor in tensors.items():
        found = named(name)
        if found is None:
            raise ModelError(f"the LoRA {path} holds {name!r}, which is neither a lora_A nor a lora_B weight.")
        value = float(tensor) if found[1] == "alpha" else tensor.float()
        setattr(layers.setdefault(found[0], LowRank()), found[1], value)
    return layers, metadata


def check_shape(path: Path, what: str, given: Tensor, needed: tuple[int, ...]) -> None:
    """Raise ModelError when weights of a file are not of the shape that a layer needs."""
    if tuple(given.shape) != needed:
        shapes = ["x".join(map(str, shape)) for shape in (given.shape, needed)]
        raise ModelError(f"the LoRA {path} does not fit this model: {what} is {shapes[0]}, not {shapes[1]}.")


def lay(linear: Any, A: Tensor, B: Tensor, magnitude: Tensor | None = None, scale: float = 1.0) -> Callable[[], None]:
    """Add the low-rank part, `scale` times, to what a linear layer puts out. Returns what takes it off again."""
    import torch.nn.functional as F

    if magnitude is not None:
        return _lay_decomposed(linear, (A, B), magnitude, scale)
    A, B = A.to(linear.weight.device), B.to(linear.weight.device) * scale

    def added(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        # the layer may have come to another device since, and its weights may be stored in a format not to compute in
        x, down, up = (tensor.to(output) for tensor in (inputs[0], A, B))
        return output + F.linear(F.linear(x, down), up)

    return linear.register_forward_hook(added).remove


def _lay_decomposed(linear: Any, pair: tuple[Tensor, Tensor], magnitude: Tensor, scale: float) -> Callable[[], None]:
    """Add `scale` times what DoRA changes: rows of W + B A, as long as the magnitude says, less W.

    Source: Liu et al. 2024 (arXiv:2402.09353), equation 5, with the rows' lengths as huggingface/peft has them.
    """
    import torch.nn.functional as F

    A, B = (tensor.to(linear.weight.device) for tensor in pair)
    lengths = (linear.weight.detach().float() + B.float() @ A.float()).norm(dim=1)
    share = magnitude.to(lengths) / lengths

    def added(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x, down, up, weight, grown = (tensor.to(output) for tensor in (inputs[0], A, B, linear.weight, share))
        change = grown * F.linear(F.linear(x, down), up) + (grown - 1) * F.linear(x, weight)
        return output + scale * change

    return linear.register_forward_hook(added).remove
