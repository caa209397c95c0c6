"""The kernels that attention can be computed with, and a network laid out for one of them. Knows no family.

torch has several behind its one function; others are packages, which the networks of diffusers can be told to use.
Which of them is fast depends on processor, sizes, mask and number format, so they are tried (`praxino.accel.trials`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.overrides import TorchFunctionMode

from praxino.accel.networks import computing

OF_TORCH = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}
"""In the order in which they stand in for one another."""
ON_CPU = ("math",)
"""The only other one that it has: it takes flash wherever that can."""
PACKAGES = {"flash-2": ("flash", "flash_attn"), "flash-3": ("_flash_3", "flash_attn_interface"),
            "sage": ("sage", "sageattention"), "xformers": ("xformers", "xformers")}  # fmt: skip
"""By kernel: what diffusers calls it, and the module that it needs. For Nvidia's and AMD's GPUs alone."""


def kernels(network: Any, device: str) -> tuple[str, ...]:
    """Those that a network can be tried with on cpu, cuda, ..."""
    if device == "cpu":
        return ON_CPU
    if device != "cuda":
        return ()
    return (*OF_TORCH, *(_installed() if _takes_packages(network) else ()))


@contextmanager
def attending(network: Any, kernel: str) -> Iterator[None]:
    """While it holds, a network attends with a kernel; where torch's cannot, with the next one that can.

    Raises:
        KeyError: there is no such kernel.
        RuntimeError: its package is not installed.
    """
    if kernel not in OF_TORCH:
        with _told(network, PACKAGES[kernel][0]):
            yield
        return
    forward, backend = network.forward, OF_TORCH[kernel]
    others = [] if kernel == "math" else [other for other in OF_TORCH.values() if other is not backend]

    @wraps(forward)
    def answer(*args: Any, **kwargs: Any) -> Any:
        with sdpa_kernel([backend, *others], set_priority=True):
            return forward(*args, **kwargs)

    with computing(network, answer):
        yield


class Scores(TorchFunctionMode):
    """While it holds, notes the largest matrix of scores that attention would hold if it held them: `num_bytes`."""

    num_bytes = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """See torch.overrides."""
        given = kwargs or {}
        if func is F.scaled_dot_product_attention:
            query, key = (given[name] if name in given else args[i] for i, name in enumerate(("query", "key")))
            size = query.numel() // query.shape[-1] * key.shape[-2] * query.element_size()
            self.num_bytes = max(self.num_bytes, size)
        return func(*args, **given)


def _installed() -> tuple[str, ...]:
    return tuple(kernel for kernel, (_, module) in PACKAGES.items() if importlib.util.find_spec(module))


def _takes_packages(network: Any) -> bool:
    processors = (getattr(module, "processor", None) for module in network.modules())
    return any(hasattr(processor, "_attention_backend") for processor in processors)


@contextmanager
def _told(network: Any, backend: str) -> Iterator[None]:
    """Sets a backend: diffusers sets a default for all networks beside the one that is told; both are put back."""
    from diffusers.models.attention_dispatch import _AttentionBackendRegistry as registry
    from diffusers.utils import logging

    before, verbosity = registry.get_active_backend()[0], logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        network.set_attention_backend(backend)
        registry.set_active_backend(before)
        yield
    finally:
        registry.set_active_backend(before)
        network.reset_attention_backend()
        logging.set_verbosity(verbosity)
