"""Steps whose prediction is made of an earlier one, where the network would hardly have said anything else.

EasyCache (Zhou et al. 2025, arXiv 2507.02860, section 3; H-EmbodVis/EasyCache at 313ae5f). From step to step a
network's output changes k times as much as its input, and k holds for a while. So the error of taking the last
difference between output and input again can be told from the inputs alone. While the errors since the last computed
step sum to less than a bound, x + (v' - x') stands for v.

Works on any network that answers with one tensor, as large as what it is asked about or smaller; knows no family. What
it knows is tensors, so that a run that is resumed reuses the same steps.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from praxino.accel.networks import networks

LEVELS = ("timestep", "timesteps", "t")
"""What networks call the noise level that they are told."""
NAMED = ("level", "x", "x_computed", "v")
"""The tensors of `_Known` that may be None."""
PREFIX = "reuse."
"""Of the names of its tensors in a saved state."""


@dataclass(frozen=True)
class Bounds:
    """How far reusing may go."""

    most_error: float
    """Relative, of an output; summed up since the last computed step."""
    first_steps: int
    """So many are computed at the beginning; the last one is, too."""
    num_steps: int
    """Of the run; where it loops several times, of all loops together."""


@dataclass
class _Known:
    """What is known of one network."""

    shape: tuple[int, ...] = ()
    """Of what it is asked about; another one begins anew."""
    level: Tensor | None = None
    """The noise level of the present step."""
    branch: int = 0
    """Calls in the present step: with the text, without it, perturbed, ..."""
    steps: int = 0
    """Begun so far."""
    is_reused: bool = False
    """Whether the present step is made of an earlier one."""
    error: float = 0.0
    k: float = 0.0
    """0 until two outputs are known."""
    x: Tensor | None = None
    """The last step's input, by its first call; the part that the output answers to."""
    x_computed: Tensor | None = None
    """The same of the last step that was computed."""
    v: Tensor | None = None
    """The output of that."""
    differences: list[Tensor] = field(default_factory=list)
    """Output less input, by branch, of that."""


class Reuse:
    """The denoisers of a run, with what is known of each."""

    def __init__(self, bounds: Bounds, count: int) -> None:
        self._bounds = bounds
        self._known = [_Known() for _ in range(count)]
        self.num_computed, self.num_reused = 0, 0
        """Calls."""

    @staticmethod
    def owns(name: str) -> bool:
        """Whether a tensor of a saved state is one of `state`."""
        return name.startswith(PREFIX)

    def state(self) -> dict[str, Tensor]:
        """All that is known."""
        return {
            f"{PREFIX}{index}.{name}": tensor.clone()
            for index, known in enumerate(self._known)
            for name, tensor in _tensors(known).items()
        }

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Know what `state` told; without any of it, nothing: as before the first step."""
        for index in range(len(self._known)):
            start = f"{PREFIX}{index}."
            own = {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}
            self._known[index] = _read(own) if own else _Known()

    def answering(self, index: int, forward: Callable[..., Any]) -> Callable[..., Any]:
        """A denoiser's `forward` that reuses."""
        signature = inspect.signature(forward)

        def answer(*args: Any, **kwargs: Any) -> Any:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            x, level = next(iter(bound.arguments.values())), _level(bound.arguments)
            if not isinstance(x, Tensor) or level is None:
                return forward(*args, **kwargs)
            known = self._at(index, x, level)
            branch, known.branch = known.branch, known.branch + 1
            if known.is_reused and branch < len(known.differences):
                self.num_reused += 1
                v = _part(x, known.differences[branch]) + known.differences[branch]
                return _as_answer(v, bound.arguments.get("return_dict"))
            output = forward(*args, **kwargs)
            self.num_computed += 1
            if (v := _one_tensor(output)) is not None and _answers(v, x):
                _learn(known, branch, _part(x, v), v)
            return output

        return answer

    def _at(self, index: int, x: Tensor, level: Tensor) -> _Known:
        """What is known of a network in the present step; at its first call is decided how it is made."""
        known = self._known[index]
        _move(known, x.device)
        if known.level is not None and torch.equal(known.level, level.to(x.device)):
            return known
        if known.shape != x.shape:
            known = self._known[index] = _Known(shape=x.shape, steps=known.steps)
        known.level, known.branch = level.to(x.device, copy=True), 0
        known.is_reused = self._is_reused(known, x)
        known.steps += 1
        known.x = None if known.v is None else _part(x, known.v).clone()
        return known

    def _is_reused(self, known: _Known, x: Tensor) -> bool:
        done = sum(one.steps for one in self._known if one.v is not None)
        if known.k and self._bounds.first_steps <= done < self._bounds.num_steps - 1:
            assert known.x is not None and known.v is not None
            known.error += known.k * _mean(_part(x, known.v) - known.x) / _mean(known.v)
            if known.error < self._bounds.most_error:
                return True
        known.error = 0.0
        return False


@contextmanager
def reusing(parts: Any, bounds: Bounds) -> Iterator[Reuse]:
    """While it holds, the denoisers in `parts` reuse their steps."""
    denoisers: list[Any] = [network.module for network in networks(parts) if network.stage == "denoise"]
    reuse = Reuse(bounds, len(denoisers))
    with ExitStack() as undo:
        for index, network in enumerate(denoisers):
            own = vars(network).get("forward")
            network.forward = reuse.answering(index, network.forward)
            undo.callback(_put_back, network, own)
        yield reuse


def _put_back(network: Any, own: Any) -> None:
    del network.forward
    if own is not None:
        network.forward = own


def _learn(known: _Known, branch: int, x: Tensor, v: Tensor) -> None:
    if branch == 0:
        if known.v is not None and known.x_computed is not None:
            moved = _mean(x - known.x_computed)
            known.k = _mean(v - known.v) / moved if moved else 0.0
        known.x = known.x_computed = x.detach().clone()
        known.v = v.detach().clone()
        known.differences = []
    known.differences.append((v - x).detach())


def _level(arguments: dict[str, Any]) -> Tensor | None:
    given = next((arguments[name] for name in LEVELS if arguments.get(name) is not None), None)
    return torch.as_tensor(given) if isinstance(given, Tensor | float | int) else None


def _as_answer(v: Tensor, in_dict: bool | None) -> Any:
    """A tensor in the form that a network of diffusers gives it; None: the network has but one form."""
    if not in_dict:
        return v if in_dict is None else (v,)
    from diffusers.models.modeling_outputs import Transformer2DModelOutput

    return Transformer2DModelOutput(sample=v)


def _one_tensor(output: Any) -> Tensor | None:
    if isinstance(output, tuple) and len(output) == 1:
        output = output[0]
    output = getattr(output, "sample", output)
    return output if isinstance(output, Tensor) else None


def _answers(v: Tensor, x: Tensor) -> bool:
    """Whether an output is as large as an input, or than a part of it: channels, tokens of pictures beside it."""
    return v.dim() == x.dim() and all(out <= into for out, into in zip(v.shape, x.shape, strict=True))


def _part(x: Tensor, v: Tensor) -> Tensor:
    """The part of an input that an output answers to: its beginning."""
    return x.detach()[tuple(slice(size) for size in v.shape)]


def _mean(x: Tensor) -> float:
    return x.float().abs().mean().item()


def _move(known: _Known, device: torch.device) -> None:
    """A state that was saved comes back on the CPU."""
    for name in NAMED:
        if (tensor := getattr(known, name)) is not None:
            setattr(known, name, tensor.to(device))
    known.differences = [difference.to(device) for difference in known.differences]


def _tensors(known: _Known) -> dict[str, Tensor]:
    numbers = [known.branch, known.steps, known.is_reused, known.error, known.k]
    found = {"numbers": torch.tensor(numbers, dtype=torch.float64), "shape": torch.tensor(known.shape)}
    for name in NAMED:
        if (tensor := getattr(known, name)) is not None:
            found[name] = tensor
    return found | {f"differences.{index}": tensor for index, tensor in enumerate(known.differences)}


def _read(tensors: dict[str, Tensor]) -> _Known:
    branch, steps, is_reused, error, k = tensors["numbers"].tolist()
    count = sum(name.startswith("differences.") for name in tensors)
    given = {name: tensors.get(name) for name in NAMED}
    differences = [tensors[f"differences.{index}"] for index in range(count)]
    return _Known(
        shape=tuple(int(size) for size in tensors["shape"]),
        branch=int(branch),
        steps=int(steps),
        is_reused=bool(is_reused),
        error=error,
        k=k,
        differences=differences,
        **given,
    )
