"""Owns the optimizers: Muon for matrices and kernels, AdamW for the rest.

Must not know models or losses. Every parameter group carries `base_lr`, which the loop scales by its schedule.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Quintic coefficients of Keller Jordan's Muon (github.com/KellerJordan/Muon, muon.py): fast, not exact."""


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """Return about U V^T of `matrix` (m, n) = U S V^T; its singular values lie within about 0.7..1.2."""
    a, b, c = NEWTON_SCHULZ
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.size(0) > x.size(1)
    if tall:
        x = x.mT
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, then orthogonalise; kernels count as (out, everything else) matrices.

    Updates are scaled by 0.2 sqrt(max(m, n)) so that a learning rate means about what it means to AdamW
    (Liu et al. 2025, "Muon is scalable for LLM training", eq. 4).
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        steps: int = 4,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "base_lr": lr, "momentum": momentum, "steps": steps})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                state = self.state[parameter]
                if not state:
                    state["momentum"] = torch.zeros_like(parameter)
                state["momentum"].lerp_(parameter.grad, 1 - group["momentum"])
                direction = parameter.grad.lerp(state["momentum"], group["momentum"])
                matrix = direction.reshape(parameter.shape[0], -1)
                update = orthogonalise(matrix.to(self.dtype), group["steps"]).to(parameter.dtype)
                scale = 0.2 * max(matrix.shape) ** 0.5
                parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * scale)


def adamw(parameters: Iterable[Tensor], lr: float) -> torch.optim.AdamW:
    """AdamW with this project's settings; no weight decay, since runs are short."""
    optimizer = torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True)
    for group in optimizer.param_groups:
        group["base_lr"] = lr
    return optimizer


def split_parameters(module: nn.Module, prefixes: tuple[str, ...], smallest: int = 32) -> tuple[list, list]:
    """Return (matrices and kernels under `prefixes` for Muon, all others for AdamW)."""
    muon, other = [], []
    for name, parameter in module.named_parameters():
        is_matrix = parameter.dim() >= 2 and min(parameter.shape[0], parameter[0].numel()) >= smallest
        (muon if is_matrix and name.startswith(prefixes) else other).append(parameter)
    return muon, other
