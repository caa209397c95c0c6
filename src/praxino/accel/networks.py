"""The networks in what a family has loaded, whatever it is made of: found by walking it, told apart by their kind.

`parts` may hold networks as attributes of dataclasses, in lists and dicts, or as the components of a diffusers
pipeline. A family does nothing for it; a contract test checks that every weight of every family is found.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from praxino.accel.weight import Stage
from praxino.families import Variant

ENCODERS = {"PreTrainedModel", "TextEncoder"}
"""Classes of transformers, and the families' own, that read words or pictures."""


@dataclass(frozen=True)
class Network:
    """One network of a run."""

    module: nn.Module
    stage: Stage
    """encode: one of `ENCODERS`; vae: encodes and decodes; denoise: all others."""


def networks(parts: Any) -> list[Network]:
    """Every network in `parts`, each once."""
    found: dict[int, Network] = {}
    for value in _walk(parts, set()):
        if isinstance(value, nn.Module):
            found.setdefault(id(value), Network(value, _stage(value)))
    return list(found.values())


@contextmanager
def computing(network: Any, forward: Callable[..., Any]) -> Iterator[None]:
    """While it holds, a network computes by another `forward`; afterwards by the one that it had."""
    own = vars(network).get("forward")
    network.forward = forward
    try:
        yield
    finally:
        del network.forward
        if own is not None:
            network.forward = own


def set_device(parts: Any, device: torch.device) -> None:
    """Let a family's own code compute on a device that the networks may be away from: its `device` attributes say it.

    Attributes that are text stay text.
    """
    for value in _walk(parts, set()):
        before = None if isinstance(value, nn.Module) else getattr(value, "device", None)
        if isinstance(before, str | torch.device):
            setattr(value, "device", str(device) if isinstance(before, str) else device)  # noqa: B010


def num_bytes(parts: Any) -> int:
    """Bytes of all weights and buffers."""
    found: dict[int, int] = {}
    for network in networks(parts):
        _count(network.module, found)
    return sum(found.values())


def _count(module: nn.Module, found: dict[int, int]) -> None:
    """Bytes by tensor. Not by parameters(), which makes names and takes several times as long, in each run."""
    for tensor in (*module._parameters.values(), *module._buffers.values()):
        if tensor is not None:
            found[id(tensor)] = tensor.nbytes
    for part in module._modules.values():
        if part is not None:
            _count(part, found)


_PLAIN = (str, int, float, type(None), torch.Tensor, Variant)
"""What holds no network. Of such there are thousands in a vocabulary, hundreds in what is told of a checkpoint."""


def _walk(value: Any, seen: set[int]) -> Iterator[Any]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(components := getattr(value, "components", None), dict):
        yield from _walk(components, seen)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield value
        yield from _walk_all((getattr(value, field.name) for field in dataclasses.fields(value)), seen)
    elif isinstance(value, Mapping | list | tuple):
        yield from _walk_all(value.values() if isinstance(value, Mapping) else value, seen)


def _walk_all(values: Iterable[Any], seen: set[int]) -> Iterator[Any]:
    for value in values:
        if not isinstance(value, _PLAIN):
            yield from _walk(value, seen)


def _stage(module: nn.Module) -> Stage:
    if ENCODERS & {kind.__name__ for kind in type(module).__mro__}:
        return "encode"
    return "vae" if hasattr(module, "encode") and hasattr(module, "decode") else "denoise"
