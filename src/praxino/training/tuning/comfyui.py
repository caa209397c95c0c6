"""Owns what has been learnt in ComfyUI's layers. A layer that is several here is put together of their rows.

Low-rank weights of the parts of one layer have nothing in common, so that together they have the sum of their ranks.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from praxino.training.tuning.trainee import ComfyLayer, Trainee

A, B = "lora_A.weight", "lora_B.weight"


def converted(network: nn.Module, trainee: Trainee, learnt: dict[str, Tensor]) -> dict[str, Tensor]:
    """Low-rank weights by the network's layers' names, as in "to_q.lora_A.weight", by ComfyUI's."""
    found: dict[str, Tensor] = {}
    for name, tensor in learnt.items():
        module, _, kind = name.partition(".lora_")
        layer = trainee.comfy_layer(module)
        if layer is None:
            continue
        if len(layer.parts) == 1:
            found[f"{layer.name}.lora_{kind}"] = tensor
        elif f"{layer.name}.{A}" not in found:
            found |= _fused(network, layer, learnt)
    return found


def _fused(network: nn.Module, layer: ComfyLayer, learnt: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a layer whose parts are laid on apart; a part that has learnt nothing stays as it is."""
    downs, ups = [], []
    for part in layer.parts:
        module: Any = network.get_submodule(part)
        down = learnt.get(f"{part}.{A}", torch.zeros(0, module.in_features))
        downs.append(down)
        ups.append(learnt.get(f"{part}.{B}", torch.zeros(module.out_features, 0)))
    return {f"{layer.name}.{A}": torch.cat(downs), f"{layer.name}.{B}": torch.block_diag(*ups)}
