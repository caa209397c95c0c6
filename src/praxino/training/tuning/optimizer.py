"""Owns which optimizer a run has. Others than torch's come from their own packages, which `fitness` has looked for."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from praxino.training.optimizers import Muon, adamw, split_parameters
from praxino.training.tuning.settings import Tuning

BETAS = (0.9, 0.999)


def optimizers(network: nn.Module, tuning: Tuning) -> list[torch.optim.Optimizer]:
    """The optimizers of all that is trainable; each group has a `base_lr`, which the loop scales."""
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    rate, decay = tuning.learning_rate, tuning.weight_decay
    if tuning.optimizer == "muon":
        trained = {id(parameter) for parameter in parameters}
        muon, rest = ([p for p in some if id(p) in trained] for some in split_parameters(network, ("",), smallest=8))
        both: list[torch.optim.Optimizer] = [Muon(muon, rate)] if muon else []
        return [*both, adamw(rest, rate)] if rest else both
    made: Any
    if tuning.optimizer == "adamw":
        made = torch.optim.AdamW(parameters, lr=rate, betas=BETAS, weight_decay=decay, fused=True)
    elif tuning.optimizer == "adamw-8bit":
        optim: Any = importlib.import_module("bitsandbytes.optim")
        made = optim.AdamW8bit(parameters, lr=rate, betas=BETAS, weight_decay=decay)
    else:
        prodigy: Any = importlib.import_module("prodigyopt")
        made = prodigy.Prodigy(parameters, lr=rate, weight_decay=decay)
    return [_with_base(made, rate)]


def _with_base(optimizer: torch.optim.Optimizer, rate: float) -> torch.optim.Optimizer:
    for group in optimizer.param_groups:
        group["base_lr"] = rate
    return optimizer


def num_weights(parameters: Iterable[nn.Parameter]) -> int:
    """How many numbers there are."""
    return sum(parameter.numel() for parameter in parameters)
