"""What the networks have in common, and how one is made of a config and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from praxino.families.ltx_video.networks.packed import Packable

MOST_PARAMETERS = 32 * 2**20
"""Networks of more parameters than this get no second copy of their weights."""


class Network(nn.Module):
    """A network with the attributes that callers of diffusers' and transformers' networks use."""

    config_class: ClassVar[type]
    fixed: ClassVar[Mapping[str, Any]] = {}
    """Fields of a config that have one value in all that this network can be."""
    narrow_parts: ClassVar[tuple[str, ...]] = ()
    """Those whose layers may multiply in bfloat16."""

    few_threads = False
    """Whether it is too small to keep many threads busy; see `praxino.accel.threads`."""
    stock: tuple[Any, ...] = ()
    """What diffusers has in its place, once that was asked for; in a tuple, so that it is no part of this one."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The number format of the weights."""
        return next(self.parameters()).dtype

    @classmethod
    def read_config(cls, told: Mapping[str, Any]) -> Any:
        """A config of diffusers or transformers as this network's own; None when it is of something else."""
        if any(told.get(name, value) != value for name, value in cls.fixed.items()):
            return None
        names = {field.name for field in dataclasses.fields(cls.config_class)}
        plain = {name: value for name, value in told.items() if name in names}
        return cls.config_class(**{k: tuple(v) if isinstance(v, list) else v for k, v in plain.items()})

    def stock_config(self) -> dict[str, Any]:
        """The config that `read_config` reads."""
        return {**dataclasses.asdict(self.config), **self.fixed}

    @classmethod
    def filled(cls, config: Any, tensors: Mapping[str, Tensor]) -> Self:
        """A network with these weights, in float32. More of them than it has are left.

        Raises:
            RuntimeError: one is missing, or of another shape.
        """
        network = cls(config)
        wanted = network.state_dict().keys()
        given = {name: tensor.float() for name, tensor in tensors.items() if name in wanted}
        network.load_state_dict(given, strict=True, assign=True)
        return network

    def prepare(self) -> None:
        """Make it fast on a CPU: its layers come to compute by oneDNN when they first do, if torch has that."""
        self.few_threads = sum(parameter.numel() for parameter in self.parameters()) <= MOST_PARAMETERS
        if torch.backends.mkldnn.is_available():
            for layer in _layers(self):
                layer.packs, layer.copies = True, self.few_threads

    @contextmanager
    def narrowed(self) -> Iterator[None]:
        """While it holds, the layers of its `narrow_parts` multiply in bfloat16.

        Raises:
            RuntimeError: none of them can here.
        """
        parts = [self.get_submodule(name) for name in self.narrow_parts] if self.few_threads else []
        layers = [layer for part in parts for layer in _layers(part) if layer.can_narrow()]
        if not layers:
            raise RuntimeError("no layer can multiply in bfloat16")
        try:
            for layer in layers:
                layer.narrows = True
            yield
        finally:
            for layer in layers:
                layer.narrows = False


def _layers(module: nn.Module) -> list[Packable]:
    return [found for found in module.modules() if isinstance(found, Packable)]
