"""Text and image encoders that are read from disk when they are first needed: not at all where their answers are kept.

A family does nothing for it. While it loads, transformers' `from_pretrained` gives a network of the wanted class with
no weights yet; the first call whose answer is not kept, and the first look at its layers, reads them. After that it is
what would have been loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from praxino.accel.answers import Answers
from praxino.accel.networks import networks
from praxino.errors import ModelError
from praxino.families._stock.load import quiet
from praxino.weights.fingerprint import fingerprint

HOME = torch.device("cpu")
PROBED = ("_", "hf_", "is_", "quantization", "peft_")
"""What any network is asked for, to see whether something of others is laid over it: no reason to read weights."""


@dataclass
class _Waiting:
    """What a network without weights knows of them."""

    read: Callable[[], Any]
    identity: list[str]
    dtype: torch.dtype
    device: torch.device = HOME
    is_converted: bool = False
    """Whether it was given another number format than it is read in."""
    modes: dict[str, bool] = field(default_factory=dict)
    """What it was set to meanwhile, by method."""
    answers: Answers | None = None
    """Where answers are kept in the present run."""
    is_here: bool = False
    """Whether the weights have been read."""


@contextmanager
def read_later() -> Iterator[None]:
    """While it holds, encoders that are loaded from folders wait. For one thread at a time."""
    from transformers import PreTrainedModel

    kind: Any = PreTrainedModel
    usual = kind.__dict__["from_pretrained"]

    def later(cls: Any, name: Any = None, *args: Any, **kwargs: Any) -> Any:
        def read() -> Any:
            return usual.__get__(None, cls)(name, *args, **kwargs)

        folder = _folder(name, args, kwargs)
        return read() if folder is None else _network(cls, folder, kwargs, read)

    kind.from_pretrained = classmethod(later)
    try:
        yield
    finally:
        kind.from_pretrained = usual


@contextmanager
def asking(parts: Any, answers: Answers) -> Iterator[None]:
    """While it holds, the encoders in `parts` look into `answers` before they compute."""
    found = _encoders(parts)
    for encoder in found:
        encoder.waiting.answers = answers
    try:
        yield
    finally:
        for encoder in found:
            encoder.waiting.answers = None


def read_now(parts: Any) -> None:
    """Read what waits, as before something is laid over it."""
    for encoder in _encoders(parts):
        _bring(encoder)


def unread(parts: Any) -> list[str]:
    """The classes of the encoders in `parts` that have no weights yet."""
    return [type(encoder).__name__ for encoder in _encoders(parts) if not encoder.waiting.is_here]


def _encoders(parts: Any) -> list[Any]:
    return [network.module for network in networks(parts) if isinstance(network.module, _Later)]


def _folder(name: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Path | None:
    """Where an encoder's files are, if it can be read later as well as now."""
    dtype = kwargs.get("dtype", kwargs.get("torch_dtype"))
    plain = isinstance(name, str | Path) and not args and isinstance(dtype, torch.dtype)
    if not plain or kwargs.get("output_loading_info") or kwargs.get("quantization_config"):
        return None
    folder = Path(name) / kwargs.get("subfolder", "")
    has_all = (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))
    return folder if has_all else None


def _network(kind: Any, folder: Path, kwargs: dict[str, Any], read: Callable[[], Any]) -> Any:
    """A network of a class, whose weights wait."""
    same_name = {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    network = (made := type(kind.__name__, (_Later, kind), same_name)).__new__(made)
    nn.Module.__init__(network)
    network.training = False  # as it is read
    given = sorted(f"{name}={value}" for name, value in kwargs.items() if isinstance(value, str | bool | torch.dtype))
    identity = [f"{kind.__module__}.{kind.__qualname__}", fingerprint(folder), *given]
    dtype: torch.dtype = kwargs.get("dtype", kwargs.get("torch_dtype"))  # pyright: ignore
    network.__dict__["waiting"] = _Waiting(_telling_damage(read, folder), identity, dtype)
    network.__dict__["config"] = kind.config_class.from_pretrained(folder, local_files_only=True)
    return network


def _telling_damage(read: Callable[[], Any], folder: Path) -> Callable[[], Any]:
    """Families wrap their loading alike; by the time that this one reads, they are done."""

    def told() -> Any:
        from safetensors import SafetensorError

        try:
            with quiet():
                return read()
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as problem:
            if isinstance(problem, torch.OutOfMemoryError):
                raise
            raise ModelError(f"{folder} is damaged or incomplete: {problem}") from problem

    return told


class _Later(nn.Module):
    """Laid before a class of transformers: its weights are read when they are needed."""

    waiting: _Waiting

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The kept answer, else the computed one."""
        known = self.waiting
        if known.answers is None:
            return self._computed(*args, **kwargs)
        key = known.answers.key([known.identity, _circumstances(self), list(args), kwargs])
        if key is None:
            return self._computed(*args, **kwargs)
        answer = known.answers.read(key, torch.device(self.device))
        if answer is None:
            answer = self._computed(*args, **kwargs)
            known.answers.keep(key, answer)
        return answer

    def _computed(self, *args: Any, **kwargs: Any) -> Any:
        _bring(self)
        return super().forward(*args, **kwargs)  # pyright: ignore

    @property
    def device(self) -> Any:
        """Where the weights are, or will be."""
        return super().device if self.waiting.is_here else self.waiting.device  # pyright: ignore

    @property
    def dtype(self) -> Any:
        """Their number format."""
        return super().dtype if self.waiting.is_here else self.waiting.dtype  # pyright: ignore

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Move or convert them, or note it."""
        known = self.waiting
        device, dtype, *_ = torch._C._nn._parse_to(*args, **kwargs)  # pyright: ignore
        known.device, known.dtype = device or known.device, dtype or known.dtype
        if known.is_here:
            return super().to(*args, **kwargs)
        known.is_converted |= dtype is not None
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Let them want gradients or not, or note it."""
        self.waiting.modes["requires_grad_"] = requires_grad
        return super().requires_grad_(requires_grad)

    def train(self, mode: bool = True) -> Any:
        """Set the mode, or note it."""
        self.waiting.modes["train"] = mode
        return super().train(mode)

    def parameters(self, recurse: bool = True) -> Iterator[nn.Parameter]:
        """The weights; before they are read, an empty one that tells device and number format."""
        if self.waiting.is_here:
            return super().parameters(recurse)
        empty = torch.empty(0, dtype=self.waiting.dtype, device=self.waiting.device)
        return iter((nn.Parameter(empty, requires_grad=False),))

    def _apply(self, *args: Any, **kwargs: Any) -> Any:
        _bring(self)
        return super()._apply(*args, **kwargs)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """All weights."""
        _bring(self)
        return super().state_dict(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if not self.__dict__["waiting"].is_here and not name.startswith(PROBED):
            _bring(self)
            return getattr(self, name)
        return super().__getattr__(name)


def _bring(network: Any) -> None:
    """Read the weights, if they wait."""
    known: _Waiting = network.waiting
    if known.is_here:
        return
    loaded = known.read()
    for name, mode in known.modes.items():
        getattr(loaded, name)(mode)
    loaded.to(known.device, known.dtype if known.is_converted else None)
    known.is_here = True
    vars(network).update({name: value for name, value in vars(loaded).items() if "hooks" not in name})


def _circumstances(network: Any) -> list[Any]:
    """What else an answer hangs on: two machines may round otherwise."""
    device, modules = torch.device(network.device), sys.modules
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else torch.backends.cpu.get_cpu_capability()
    versions = [torch.__version__, modules["transformers"].__version__]
    return [*versions, device.type, name, torch.get_num_threads(), str(network.waiting.dtype), network.training]
