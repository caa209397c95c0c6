"""Owns the one training loop: optimizers stepped under a budget, averaged weights, checkpoints, exact resume.

Must not know what is trained: it is handed a module, optimizers and `loss(number) -> scalar`, where number is
step * accumulate + part. All chance inside `loss` must come from that number (see `generator`), so that a resumed run
repeats an unbroken one loss for loss.
"""

import contextlib
import dataclasses
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from praxino.accel.hardware import cpu_computes_bfloat16
from praxino.training.peers import Peers, as_held, whole

OnEvent = Callable[[str], None]
REPORT_SECONDS = 20.0


@dataclass(frozen=True)
class LoopSettings:
    """How long, and how. The learning rate warms up, holds, then falls linearly to `floor` at the end of the budget."""

    seconds: float
    max_steps: int | None = None
    """Where set, the budget is counted in steps and `seconds` is ignored."""
    is_processor_time: bool = False
    """Whether `seconds` are those that processors work, not the clock's: what waits for others loses none of them."""
    warmup_steps: int = 50
    fall: Literal["linear", "cosine"] = "linear"
    decay_from: float = 0.4
    """Fraction of the budget after which the learning rate falls; at 1 it never does."""
    floor: float = 0.02
    ema_decay: float = 0.998
    """0 keeps no average."""
    clip_norm: float = 1.0
    accumulate: int = 1
    """How many losses are summed up in a step, as their mean."""
    checkpoint_seconds: float = 240.0
    checkpoint_steps: int | None = None
    """Where set, saves are so many steps apart, and `checkpoint_seconds` is ignored."""
    log_every: int = 50
    """Steps between two lines of report; more come where steps are slow, `REPORT_SECONDS` apart."""


@dataclass
class Progress:
    """Where a run stands; the JSON half of a checkpoint."""

    step: int = 0
    active_seconds: float = 0.0
    smooth_loss: float | None = None

    def fraction(self, settings: LoopSettings) -> float:
        """How much of the budget is used, 0 to 1."""
        if settings.max_steps is not None:
            return self.step / settings.max_steps
        return self.active_seconds / settings.seconds


def generator(seed: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return the source of chance of one step; two steps never share one."""
    return torch.Generator(device).manual_seed((seed * 1_000_003 + step) % (1 << 63))


def bf16_is_fast(device: torch.device) -> bool:
    """Tell whether this device multiplies bfloat16 in hardware."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    if device.type == "mps":
        return False
    return cpu_computes_bfloat16() and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def can_compile(device: torch.device) -> bool:
    """Tell whether torch.compile can work here: for a processor it needs a C++ compiler."""
    return device.type == "cuda" or (device.type == "cpu" and shutil.which("g++") is not None)


@contextlib.contextmanager
def fast_precision(device: torch.device, *, is_exact: bool = False) -> Iterator[None]:
    """Compute in bfloat16 where that is faster, unless it is to be exact; weights stay float32."""
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16_is_fast(device) and not is_exact):
        yield


class Loop:
    """One run. `run()` trains to the end of the budget and leaves the averaged weights in `module`."""

    def __init__(
        self,
        module: nn.Module,
        optimizers: list[torch.optim.Optimizer],
        loss: Callable[[int], Tensor],
        settings: LoopSettings,
        *,
        folder: Path,
        on_event: OnEvent,
        peers: Peers | None = None,
    ) -> None:
        self.module = module
        self.optimizers = optimizers
        self.loss = loss
        self.settings = settings
        self.folder = folder
        self.on_event = on_event
        self.clock: Callable[[], float] = time.process_time if settings.is_processor_time else time.monotonic
        self.peers = peers or Peers("cpu")
        self.progress = Progress()
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.ema = {name: p.detach().clone() for name, p in self.parameters.items()} if settings.ema_decay else {}

    def run(
        self,
        *,
        resume: bool = False,
        on_losses: Callable[[float], None] | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Progress:
        """Train until the budget is used, or until `stopped` answers yes after a step; either way, save.

        `on_losses` hears each step's loss. Weights are the averaged ones at the end of the budget only.
        """
        if resume and (self.folder / "progress.json").is_file():
            self.load()
        last, saved = self.clock(), dataclasses.replace(self.progress)
        reported = last
        while self.progress.fraction(self.settings) < 1:
            value = self._step()
            now = self.clock()
            # A machine that slept or was stopped must not eat a budget of seconds.
            self.progress.active_seconds += now - last if self.settings.max_steps else min(now - last, 10.0)
            last = now
            if on_losses is not None:
                on_losses(value)
            if self.progress.step % self.settings.log_every == 0 or now - reported >= REPORT_SECONDS:
                self._report()
                reported = now
            if self.peers.any(stopped()):
                self.save()
                return self.progress
            if self._is_due(saved):
                self.save()
                saved, last = dataclasses.replace(self.progress), self.clock()
        self.save()
        self.use_ema()
        return self.progress

    def _is_due(self, saved: Progress) -> bool:
        """Whether it is time to save again."""
        if self.settings.checkpoint_steps is not None:
            return self.progress.step - saved.step >= self.settings.checkpoint_steps
        return self.progress.active_seconds - saved.active_seconds >= self.settings.checkpoint_seconds

    def _step(self) -> float:
        progress, settings = self.progress, self.settings
        scale = self.schedule()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["base_lr"] * scale
            optimizer.zero_grad(set_to_none=True)
        value = 0.0
        for part in range(settings.accumulate):
            loss = self.loss(progress.step * settings.accumulate + part) / settings.accumulate
            loss.backward()
            value += loss.item()
        value = self.peers.mean(value)
        nn.utils.clip_grad_norm_(self.parameters.values(), settings.clip_norm)
        for optimizer in self.optimizers:
            optimizer.step()
        progress.step += 1
        if self.ema:
            decay = min(settings.ema_decay, (progress.step + 1) / (progress.step + 10))
            with torch.no_grad():
                averages: list[Tensor] = list(self.ema.values())
                current: list[Tensor] = list(self.parameters.values())
                torch._foreach_lerp_(averages, current, 1 - decay)  # pyright: ignore[reportPrivateImportUsage]
        smooth = progress.smooth_loss
        progress.smooth_loss = value if smooth is None else 0.98 * smooth + 0.02 * value
        return value

    def schedule(self) -> float:
        """The learning rate's factor at this moment."""
        settings, progress = self.settings, self.progress
        warm = min(1.0, (progress.step + 1) / max(settings.warmup_steps, 1))
        if settings.decay_from >= 1:
            return warm
        left = min(1.0, (1 - progress.fraction(settings)) / (1 - settings.decay_from))
        if settings.fall == "cosine":
            left = (1 - math.cos(math.pi * left)) / 2
        return warm * max(settings.floor, left)

    def _report(self) -> None:
        p, whole = self.progress, self.settings.max_steps
        fraction, rate = p.fraction(self.settings), p.step / max(p.active_seconds, 1e-9)
        how_far = f"step {p.step} of {whole}" if whole else f"step {p.step}, {fraction:.0%} of the time"
        left = p.active_seconds * (1 / fraction - 1)
        self.on_event(
            f"{how_far}, loss {p.smooth_loss:.4f}, {rate:.2f} steps/s, "
            f"{p.active_seconds:.0f} s so far, about {max(left, 0):.0f} s left"
        )

    @torch.no_grad()
    def use_ema(self) -> None:
        """Put the averaged weights into the module."""
        for name, average in self.ema.items():
            self.parameters[name].copy_(average)

    def save(self) -> None:
        """Write the run's state so that a crash leaves the last whole checkpoint; one of several processes writes."""
        state = {f"model/{name}": parameter.detach() for name, parameter in self.parameters.items()}
        state |= {f"ema/{name}": average for name, average in self.ema.items()}
        state |= self._optimizer_state()
        tensors = {key: whole(value).contiguous().cpu() for key, value in state.items() if isinstance(value, Tensor)}
        if not self.peers.writes:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / "state.safetensors.part"
        save_file(_apart(tensors), partial)
        name = f"state-{self.progress.step}.safetensors"
        _settle(partial, self.folder / name)
        numbers = {key: value for key, value in state.items() if not isinstance(value, Tensor)}
        record = {**self.progress.__dict__, "state": name, "numbers": numbers}
        partial = self.folder / "progress.json.part"
        partial.write_text(json.dumps(record))
        _settle(partial, self.folder / "progress.json")
        for old in self.folder.glob("state-*.safetensors"):
            if old.name != name:
                old.unlink()

    def _optimizer_state(self) -> dict[str, Any]:
        """What the optimizers have gathered, by parameter and, as Prodigy does, by group: tensors and numbers."""
        found: dict[str, Any] = {}
        for number, optimizer in enumerate(self.optimizers):
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for index, parameter in enumerate(parameters):
                state = optimizer.state.get(parameter, {})
                found |= {f"optimizer/{number}/{index}/{key}": value for key, value in state.items()}
            for index, group in enumerate(optimizer.param_groups):
                gathered = {key: value for key, value in group.items() if key not in ("lr", "base_lr")}
                numbers = {key: value for key, value in gathered.items() if type(value) in (int, float)}
                found |= {f"group/{number}/{index}/{key}": value for key, value in numbers.items()}
        return found

    @torch.no_grad()
    def load(self) -> None:
        """Take up the run from its last checkpoint."""
        record = json.loads((self.folder / "progress.json").read_text())
        state = {**load_file(self.folder / record.pop("state")), **record.pop("numbers", {})}
        self.progress = Progress(**record)
        for name, parameter in self.parameters.items():
            parameter.copy_(as_held(state[f"model/{name}"], parameter))
        for name, average in self.ema.items():
            average.copy_(as_held(state[f"ema/{name}"], average))
        self._load_optimizers(state)
        self.on_event(f"resumed at step {self.progress.step}")

    def _load_optimizers(self, state: dict[str, Any]) -> None:
        for key, value in state.items():
            kind, _, place = key.partition("/")
            if kind not in ("optimizer", "group"):
                continue
            number, index, name = place.split("/")
            groups = self.optimizers[int(number)].param_groups
            if kind == "group":
                groups[int(index)][name] = value
                continue
            parameter = [parameter for group in groups for parameter in group["params"]][int(index)]
            held = _laid_out(value, parameter) if isinstance(value, Tensor) else value
            self.optimizers[int(number)].state[parameter][name] = held


def _settle(partial: Path, target: Path) -> None:
    """Give a file its name once it is on disk, so that a power cut finds the old one or the new one whole."""
    with partial.open("rb+") as stream:
        os.fsync(stream.fileno())
    partial.replace(target)


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Each with memory of its own, as safetensors wants it: 8-bit states share their tables."""
    taken: set[int] = set()
    apart = {}
    for name, tensor in tensors.items():
        place = tensor.data_ptr()
        apart[name] = tensor.clone() if place in taken else tensor
        taken.add(place)
    return apart


def _laid_out(value: Tensor, parameter: Tensor) -> Tensor:
    """A state as an optimizer holds it: those of a parameter's shape have its layout, or fused kernels differ."""
    if value.shape != parameter.shape:
        return value.to(parameter.device)
    return torch.empty_like(parameter, dtype=value.dtype).copy_(as_held(value, parameter))
