from dataclasses import dataclass

import torch
from torch import nn

from praxino.accel.networks import networks, num_bytes


@dataclass
class Parts:
    denoiser: nn.Module
    others: list
    words: dict


def test_each_tensor_counts_once_wherever_it_is():
    inner = nn.Sequential(nn.Linear(3, 5), nn.BatchNorm1d(5), nn.Linear(5, 5, bias=False))
    tied = nn.Linear(5, 5, bias=False)
    tied.weight = inner[2].weight
    parts = Parts(inner, [tied, "words", inner], {"a": 1.5, "net": (nn.Embedding(4, 2, dtype=torch.float16), None)})
    assert [type(network.module).__name__ for network in networks(parts)] == ["Sequential", "Linear", "Embedding"]
    modules = [inner, tied, parts.words["net"][0]]
    every = {id(tensor): tensor for one in modules for tensor in (*one.parameters(), *one.buffers())}
    assert num_bytes(parts) == sum(tensor.nbytes for tensor in every.values())
    assert num_bytes(parts) == 4 * (15 + 5 + 5 + 5 + 5 + 5 + 25) + 8 + 2 * 8
