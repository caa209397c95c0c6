"""Owns what processes that were launched together do with one another: agree, sum up, and share a network's weights.

Works under any launcher that sets torch.distributed's variables (accelerate launch, torchrun). Each process computes on
its share of a batch; gradients are averaged. `accelerate launch --use_fsdp --fsdp_version 2` splits the weights between
the processes besides (FSDP2, torch.distributed.fsdp.fully_shard), on GPUs and on processors alike. Knows no family.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from praxino.errors import UserError


@dataclass(frozen=True)
class Peers:
    """This process among those that train together."""

    device: str
    rank: int = 0
    count: int = 1
    is_sharded: bool = False
    """Whether each holds a part of the weights, so that whatever runs the network is run by all."""

    @property
    def writes(self) -> bool:
        """Whether this is the one of them that writes files and speaks."""
        return self.rank == 0

    def any(self, flag: bool) -> bool:
        """Whether it is so for one of them: all get the same answer at the same moment."""
        return bool(self._summed(float(flag))) if self.count > 1 else flag

    def mean(self, value: float) -> float:
        """The mean of all their values."""
        return self._summed(value) / self.count if self.count > 1 else value

    def wait(self) -> None:
        """Go on when all have come so far."""
        self.any(False)

    def _summed(self, value: float) -> float:
        total = torch.tensor(value, dtype=torch.float32 if self.device.startswith("mps") else torch.float64)
        total = total.to(self.device)
        torch.distributed.all_reduce(total)
        return total.item()

    def joined(self, network: nn.Module) -> nn.Module:
        """The network as the loss calls it; where it is sharded, in place."""
        if self.count == 1:
            return network
        if self.is_sharded:
            return self._sharded(network)
        from torch.nn.parallel import DistributedDataParallel

        on_gpu = None if self.device == "cpu" else [torch.device(self.device)]
        return DistributedDataParallel(network, device_ids=on_gpu, init_sync=False)

    def _sharded(self, network: nn.Module) -> nn.Module:
        """The network with each block's weights split between the processes, as accelerate's settings of FSDP say."""
        from accelerate.utils import FullyShardedDataParallelPlugin
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        plugin: Any = FullyShardedDataParallelPlugin()
        mesh = init_device_mesh(torch.device(self.device).type, (self.count,))
        settings = {
            "mesh": mesh,
            "reshard_after_forward": plugin.reshard_after_forward,
            "offload_policy": plugin.cpu_offload,
        }
        for module in network.children():
            for block in module if isinstance(module, nn.ModuleList) else ():
                fully_shard(block, **settings)
        fully_shard(network, **settings)
        return network


def found(device: str) -> Peers:
    """This process among its peers, each on a device of its own; alone on `device` where it was not launched so.

    Raises:
        UserError: the launcher asks for the first FSDP, which cannot split weights of which only some are trained.
    """
    from accelerate import PartialState

    state = PartialState(cpu=device == "cpu")
    if state.num_processes == 1:
        return Peers(device)
    is_sharded = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if is_sharded and os.environ.get("FSDP_VERSION", "1") != "2":
        raise UserError(
            "weights are split between processes by FSDP2 alone; add --fsdp_version 2 to accelerate launch."
        )
    mine = device if device == "cpu" else str(state.device)
    return Peers(mine, state.process_index, state.num_processes, is_sharded)


def whole(tensor: Tensor) -> Tensor:
    """A tensor of which each process may hold a part, put together; all of them have to ask for it."""
    from torch.distributed.tensor import DTensor

    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def as_held(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor on the device of another of its shape; this process's part, where that is split."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    if isinstance(like, DTensor):
        return distribute_tensor(tensor.to(like.device), like.device_mesh, like.placements)
    return tensor.to(like.device)
