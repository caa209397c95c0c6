"""The roofline: what a request computes and reads at least, and what the machine could do at best.

    python -m praxino.bench.ceilings WORK.json

Prints one JSON line. Counted on the plain pipeline, so that every contender is held against the same floor: FLOPs of
its products, convolutions and attention by torch's FlopCounterMode (a multiplication and an addition are two), and
bytes of weights, once for each call of a network. Activations are not counted: fused, they need not leave the cache.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from praxino.bench.work import Work
from praxino.bench.workload import call, pipeline_of

PRODUCT_SIDES = (512, 1024, 2048, 4096)
LARGE_GPU_SIDE = 8192
COPIED_BYTES = 2**28
REPEATS = 5


@dataclass(frozen=True)
class Ceilings:
    """Counted and measured; the floor is the longer of computing and reading, network by network."""

    flops: float
    """Of a request."""
    read_bytes: float
    """Of weights, a request."""
    flops_per_second: float
    """Of the best product of square matrices, in the work's number format."""
    bytes_per_second: float
    """Read, of a large tensor."""
    floor_seconds: float
    """Of a warm request, files not counted."""
    by_network: dict[str, dict[str, float]]
    """calls, flops and read_bytes of each."""


def measure(work: Work) -> Ceilings:
    """Count a request of the plain pipeline, and measure this machine."""
    counted = count(work)
    flops_per_second, bytes_per_second = products_per_second(work), reads_per_second(work)
    floors = (max(one["flops"] / flops_per_second, one["read_bytes"] / bytes_per_second) for one in counted.values())
    return Ceilings(
        flops=sum(one["flops"] for one in counted.values()),
        read_bytes=sum(one["read_bytes"] for one in counted.values()),
        flops_per_second=flops_per_second,
        bytes_per_second=bytes_per_second,
        floor_seconds=sum(floors),
        by_network=counted,
    )


def count(work: Work) -> dict[str, dict[str, float]]:
    """By component of the pipeline: its calls, FLOPs, and bytes of weights read."""
    import torch

    pipe = pipeline_of(work)
    found: dict[str, dict[str, float]] = {}
    for name, network in pipe.components.items():
        if isinstance(network, torch.nn.Module):
            for method in ("forward", "decode", "encode"):
                if hasattr(network, method):
                    _watch(network, name, method, found)
    for sample in range(work.n):
        call(pipe, work, 0, sample)
    return found


def _watch(network: Any, name: str, method: str, found: dict[str, dict[str, float]]) -> None:
    """Count what a network's method does, unless it is called by another that is counted."""
    plain: Callable[..., Any] = getattr(network, method)
    weights = sum(tensor.numel() * tensor.element_size() for tensor in network.parameters())
    counted = found.setdefault(name, {"calls": 0.0, "flops": 0.0, "read_bytes": 0.0})
    inside = False

    def watched(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if inside:
            return plain(*args, **kwargs)
        inside, counting = True, _counter()
        try:
            with counting:
                return plain(*args, **kwargs)
        finally:
            inside = False
            counted["calls"] += 1
            counted["flops"] += counting.get_total_flops()
            # Of an autoencoder, about half belongs to the other direction.
            counted["read_bytes"] += weights / (1 if method == "forward" else 2)

    setattr(network, method, watched)


def _counter() -> Any:
    """A counter of FLOPs that knows what torch's leaves out: the attention that CPUs have of their own."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

    def attention(query: Any, key: Any, value: Any, *rest: Any, **kwargs: Any) -> int:
        return sdpa_flop_count(query, key, value)

    own = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    return FlopCounterMode(display=False, custom_mapping={own: attention})


def products_per_second(work: Work) -> float:
    """FLOP a second of the best of some products of square matrices."""
    import torch

    dtype = getattr(torch, work.dtype)
    sides = PRODUCT_SIDES if work.device == "cpu" else (*PRODUCT_SIDES, LARGE_GPU_SIDE)
    best = 0.0
    for side in sides:
        a, b = (torch.randn(side, side, device=work.device, dtype=dtype) for _ in range(2))
        best = max(best, 2 * side**3 / _seconds(work, lambda a=a, b=b: a @ b))
    return best


def reads_per_second(work: Work) -> float:
    """Bytes a second that are read of a tensor too large for the caches."""
    import torch

    large = torch.ones(COPIED_BYTES // 4, device=work.device)
    return COPIED_BYTES / _seconds(work, large.sum)


def _seconds(work: Work, run: Callable[[], Any]) -> float:
    """The least of some runs."""
    import torch

    taken = []
    for _ in range(1 + REPEATS):
        began = time.perf_counter()
        run()
        if work.device.startswith("cuda"):
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - began)
    return min(taken[1:])


def main() -> None:
    """Measure and print."""
    import torch

    work = Work.from_json(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with torch.inference_mode():
        print(json.dumps(asdict(measure(work))))


if __name__ == "__main__":
    main()
