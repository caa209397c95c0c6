"""LoRA weights over the transformer and CLIP: added to what a layer puts out, and taken off without a trace.

As the authors run theirs (black-forest-labs/flux at 802fb47, src/flux/modules/lora.py): out + scale * B(A(in)), in the
network's number format, the weights untouched. What is no plain LoRA (LoHa, LoKr, DoRA) is added to the weights, whose
originals are kept.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from praxino.errors import ModelError, UserError
from praxino.families._stock import lycoris
from praxino.families.flux.load import Networks
from praxino.families.flux.names import Network, Piece, brings_map, read_names
from praxino.recipe import Lora

Key = tuple[Network, tuple[str, ...]]
PLAIN = ("A", "B", "bias", "alpha", "norm")


@dataclass
class Layer:
    """The weights for one layer of a file, which may be several layers of the network."""

    swapped: bool
    A: Tensor | None = None
    """(rank, in)."""
    B: Tensor | None = None
    """(out, rank)."""
    bias: Tensor | None = None
    """(out,)."""
    alpha: float | None = None
    norm: Tensor | None = None
    """Takes the place of a norm's weight."""
    special: dict[str, Tensor] = field(default_factory=dict)
    """What is no plain LoRA, by LyCORIS' names (`_stock.lycoris`)."""


def apply(networks: Networks, loras: tuple[Lora, ...], blocks: str = "") -> None:
    """Lay LoRAs over the networks, in place of any laid before. A scale of 0 lays nothing.

    Args:
        networks: what to lay them over.
        loras: the files, with their scales.
        blocks: patterns of the layers to lay them over, by comma; "" means all.

    Raises:
        ModelError: a file's weights do not fit the networks; nothing is laid then.
    """
    _take_off(networks)
    wanted = [lora for lora in loras if lora.scale != 0]
    try:
        if any(brings_map(Path(lora.path)) for lora in wanted):
            networks.laid.append(_make_room_for_map(networks.transformer))
        originals: dict[nn.Module, Tensor] = {}
        for lora in wanted:
            for take_off in _lay(networks, lora, _patterns(blocks), originals):
                networks.laid.append(take_off)
    except BaseException:
        _take_off(networks)
        raise


def _take_off(networks: Networks) -> None:
    while networks.laid:
        networks.laid.pop()()


def _lay(
    networks: Networks, lora: Lora, patterns: list[str], originals: dict[nn.Module, Tensor]
) -> Iterator[Callable[[], None]]:
    """Lay one file; yields what takes off each piece that was laid. `originals`: weights before anything was added."""
    path = Path(lora.path)
    targets: dict[tuple[Network, str], Layer] = {
        (network, target): layer
        for (network, names), whole in _read(path).items()
        for target, layer in _cut(whole, names, _module(networks, network), path).items()
    }
    chosen = {key: layer for key, layer in targets.items() if _is_chosen(key[1], patterns)}
    if not chosen:
        raise ModelError(f"no layer of {path} is named as in --lora-blocks {','.join(patterns)}.")
    for (network, target), layer in chosen.items():
        module: Any = _module(networks, network).get_submodule(target)
        if layer.norm is not None:
            yield _replace_weight(module, layer.norm)
        elif layer.special:
            original = originals.setdefault(module, module.weight.detach())
            change = lycoris.change(layer.special, original.float()) * lora.scale
            yield _replace_weight(module, module.weight.float() + change)
        else:
            yield _add(module, layer, lora.scale)


def _read(path: Path) -> dict[Key, Layer]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
        pieces = read_names(tensors, path)
    except (OSError, SafetensorError, UserError, ValueError) as problem:
        raise ModelError(f"cannot read the LoRA {path}: {problem}") from problem
    layers: dict[Key, Layer] = {}
    for name, piece in pieces.items():
        layer = layers.setdefault((piece.network, piece.targets), Layer(piece.swapped))
        _put(layer, piece, tensors[name])
    for (_, targets), layer in layers.items():
        if layer.norm is None and not layer.special and (layer.A is None or layer.B is None):
            raise ModelError(f"the LoRA {path} is incomplete: {targets[0]} has not both of lora_A and lora_B.")
    return layers


def _put(layer: Layer, piece: Piece, tensor: Tensor) -> None:
    if piece.role in PLAIN:
        setattr(layer, piece.role, float(tensor) if piece.role == "alpha" else tensor.float())
    else:
        layer.special[piece.role] = tensor


def _cut(whole: Layer, names: tuple[str, ...], network: nn.Module, path: Path) -> dict[str, Layer]:
    """A layer's weights for each of the network's layers that share its rows, of the shapes that they need."""
    modules = dict(network.named_modules())
    if missing := [name for name in names if name not in modules]:
        raise ModelError(f"the LoRA {path} does not fit this model: it has no layer {missing[0]!r}.")
    if whole.norm is not None:
        _check(whole.norm.shape, modules[names[0]].weight.shape, names[0], path)
        return {names[0]: whole}
    linears: list[Any] = [modules[name] for name in names]
    if whole.special:
        return _cut_special(whole, dict(zip(names, linears, strict=True)), path)
    assert whole.A is not None and whole.B is not None
    rank = whole.A.shape[0]
    A = _widened(whole.A, linears[0].in_features)
    rows = [linear.out_features for linear in linears]
    _check(A.shape, (rank, linears[0].in_features), f"{names[0]} (lora_A)", path)
    _check(whole.B.shape, (sum(rows), rank), f"{names[0]} (lora_B)", path)
    B = whole.B * (1 if whole.alpha is None else whole.alpha / rank)
    bias = torch.zeros(len(B)) if whole.bias is None else whole.bias
    if whole.swapped:
        B, bias = (torch.cat(tuple(reversed(part.chunk(2)))) for part in (B, bias))
    biases = [None] * len(rows) if whole.bias is None else bias.split(rows)
    return {name: Layer(False, A, part, own) for name, part, own in zip(names, B.split(rows), biases, strict=True)}


def _cut_special(whole: Layer, linears: dict[str, Any], path: Path) -> dict[str, Layer]:
    """The same of what is no plain LoRA."""
    tensors = dict(whole.special)
    if whole.A is not None and whole.B is not None:
        tensors |= {"down": whole.A, "up": whole.B * (1 if whole.alpha is None else whole.alpha / len(whole.A))}
    elif whole.alpha is not None:
        tensors["alpha"] = torch.tensor(whole.alpha)
    rows, columns = [linear.out_features for linear in linears.values()], next(iter(linears.values())).in_features
    try:
        if whole.bias is not None or not lycoris.fits(tensors, torch.Size((sum(rows), columns))):
            raise ValueError(f"{next(iter(linears))} is {sum(rows)}x{columns}, and its tensors make no change of that")
        cut = lycoris.cut(tensors, rows, swapped=whole.swapped)
    except ValueError as problem:
        raise ModelError(f"the LoRA {path} does not fit this model: {problem}.") from problem
    return {name: Layer(False, special=part) for name, part in zip(linears, cut, strict=True)}


def _widened(A: Tensor, in_features: int) -> Tensor:
    """For an input layer that has got room for a map: nothing is added from there."""
    return F.pad(A, (0, in_features - A.shape[1])) if 2 * A.shape[1] == in_features else A


def _check(given: Any, needed: Any, name: str, path: Path) -> None:
    if tuple(given) != tuple(needed):
        shapes = ["x".join(map(str, shape)) for shape in (given, needed)]
        raise ModelError(f"the LoRA {path} does not fit this model: {name} is {shapes[0]}, not {shapes[1]}.")


def _add(module: Any, layer: Layer, scale: float) -> Callable[[], None]:
    """Add the low-rank part to what a linear layer puts out."""
    A, B, bias = (None if part is None else part.to(module.weight) for part in (layer.A, layer.B, layer.bias))
    assert A is not None and B is not None

    def added(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        x, device = inputs[0], output.device  # the layer may have come to another device since
        added_bias = None if bias is None else bias.to(device)
        return output + F.linear(F.linear(x.to(device), A.to(device)), B.to(device), added_bias) * scale

    return module.register_forward_hook(added).remove


def _replace_weight(module: Any, weight: Tensor) -> Callable[[], None]:
    own = module.weight
    module.weight = nn.Parameter(weight.to(own), requires_grad=False)

    def put_back() -> None:
        module.weight = own

    return put_back


def _make_room_for_map(transformer: Any) -> Callable[[], None]:
    """Widen the input layer by as many channels as it has; until a LoRA says otherwise they count for nothing."""
    own = transformer.x_embedder
    with torch.device("meta"):
        wide = nn.Linear(2 * own.in_features, own.out_features, bias=own.bias is not None)
    wide.weight = nn.Parameter(F.pad(own.weight, (0, own.in_features)), requires_grad=False)
    wide.bias = own.bias
    transformer.x_embedder = wide

    def put_back() -> None:
        transformer.x_embedder = own

    return put_back


def _patterns(blocks: str) -> list[str]:
    return [pattern.strip() for pattern in blocks.split(",") if pattern.strip()]


def _is_chosen(target: str, patterns: list[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(target, pattern) for pattern in patterns)


def _module(networks: Networks, network: Network) -> nn.Module:
    return networks.transformer if network == "transformer" else networks.clip
