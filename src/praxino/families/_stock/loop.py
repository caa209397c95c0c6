"""Following a pipeline that owns its loop, step by step, and going on from a saved step.

The pipeline runs in a thread that hands over at the end of each step (`turns`). Going on, it runs again from its start
with the denoiser answering at once, until the saved step; there latents, scheduler and generator are put back.
A pipeline may loop several times, as those do that draw a clip in sections: what each loop ended with is saved, and
put back at its end. One without a callback is followed through its scheduler instead. Of a guider that is a component
of the pipeline, its `running` guidance, where it has one (`guiding`), is saved too.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._guider import kept, running_in
from praxino.families._stock import state as states
from praxino.families._stock.load import quiet
from praxino.families._stock.turns import in_turns

FRAMES = "frames"
DENOISERS = ("unet", "transformer", "transformer_2", "controlnet")
"""The components that a pipeline calls in its loop."""
CALLBACK = "callback_on_step_end"
CACHE = "kv_cache"
"""The argument of a denoiser that its first call fills for the later ones; each pass has its own."""
ENDED = "ended."
"""And the step: the latents that a loop before the last one ended with."""


@dataclass
class Call:
    """A pipeline and what it is called with."""

    pipeline: Any
    arguments: dict[str, Any]
    num_steps: int
    """Of all its loops together."""
    generator: torch.Generator
    to_frames: Callable[[Any], Tensor]
    """The pipeline's output as (F, H, W, 3) uint8."""


def denoise(call: Call, saved: LoopState | None) -> Iterator[LoopState]:
    """See `Family.denoise`. The last state has the decoded frames under "frames"."""
    if saved is not None and FRAMES in saved.tensors:
        return iter((saved,))
    return in_turns(lambda hand_over: _Follower(call, hand_over, saved).run())


@dataclass
class _Follower:
    """One call of the pipeline."""

    call: Call
    hand_over: Callable[[LoopState], None]
    saved: LoopState | None
    step: int = 0
    last: LoopState | None = None
    ended: dict[str, Tensor] = field(default_factory=dict)
    undo: list[Callable[[], None]] = field(default_factory=list)

    def run(self) -> None:
        if self.saved is not None and self.saved.step == 0:
            self.saved = None
        self._skip() if self.saved else self._watch_start()
        self._seed_other_noise()
        try:
            with quiet():
                output = self._call()
        finally:
            self._see_again()
        if self.last is None:
            raise RuntimeError(f"{type(self.call.pipeline).__name__} ended after {self.step} steps")
        self.last.tensors[FRAMES] = self.call.to_frames(output)
        self.hand_over(self.last)

    def _call(self) -> Any:
        pipeline, named = self.call.pipeline, {**self.call.arguments, "generator": self.call.generator}
        if CALLBACK in inspect.signature(type(pipeline).__call__).parameters:
            return pipeline(**named, **{CALLBACK: self._on_step_end})
        with _stepping(pipeline, self._on_step_end):
            return pipeline(**named)

    def _on_step_end(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if not self._completes(pipeline, index):
            return {}
        self.step += 1
        if self.saved is not None:
            return self._catch_up(pipeline, self.saved, tensors["latents"])
        if index == _num_timesteps(pipeline) - 1 and self.step < self.call.num_steps:
            self.ended[f"{ENDED}{self.step}"] = tensors["latents"].detach().clone()
        reached = LoopState(self.step, self._tensors(tensors["latents"]))
        if self.step == self.call.num_steps:
            self.last = reached
        else:
            self.hand_over(reached)
        return {}

    def _completes(self, pipeline: Any, index: int) -> bool:
        """Whether a call of the network is the last of its step: some solvers make two, PNDM two in its first."""
        order, total = pipeline.scheduler.order, _num_timesteps(pipeline)
        surplus = max(total - self.call.num_steps * order, 0)
        return index == total - 1 or (index >= surplus and (index + 1) % order == 0)

    def _catch_up(self, pipeline: Any, saved: LoopState, latents: Tensor) -> dict[str, Any]:
        if self.step < saved.step:
            end = saved.tensors.get(f"{ENDED}{self.step}")
            return {} if end is None else {"latents": torch.empty_like(latents).copy_(end)}
        self.ended = {name: tensor for name, tensor in saved.tensors.items() if name.startswith(ENDED)}
        self._see_again()
        states.unpack(saved.tensors, pipeline.scheduler, self.call.generator, latents.device)
        if (running := running_in(saved, latents)) is not None:
            pipeline.guider.running = running
        self.saved = None
        self.hand_over(saved)
        return {"latents": torch.empty_like(latents).copy_(saved.tensors["latents"])}

    def _tensors(self, latents: Tensor) -> dict[str, Tensor]:
        packed = states.pack(self.call.pipeline.scheduler, self.call.generator)
        running = getattr(getattr(self.call.pipeline, "guider", None), "running", None)
        return kept({"latents": latents.detach(), **self.ended, **packed}, running)

    def _denoisers(self) -> list[Any]:
        found = [getattr(self.call.pipeline, name, None) for name in DENOISERS]
        return [network for network in found if isinstance(network, torch.nn.Module)]

    def _watch_start(self) -> None:
        """Hand over state 0 when the denoiser is first called: words are read and noise is drawn by then."""

        def first_call(network: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._see_again()
            self.hand_over(LoopState(0, self._tensors(_first_tensor([*args, *kwargs.values()]))))

        self.undo = [self._denoisers()[0].register_forward_pre_hook(first_call, with_kwargs=True).remove]

    def _skip(self) -> None:
        """Let each denoiser answer a call as it did the first of the same shapes and cache, which alone is computed."""
        for network in self._denoisers():
            own = vars(network).get("forward")  # that of a hook, where layers come to the device one by one
            network.forward = _repeating(network.forward)
            self.undo.append(lambda network=network, own=own: _put_back(network, own))

    def _seed_other_noise(self) -> None:
        """Have what some pipelines draw before their first step, a map's latents, come from this run's seed alone."""
        undoing = ExitStack()
        cuda = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
        undoing.enter_context(torch.random.fork_rng(devices=cuda))
        torch.manual_seed(self.call.generator.initial_seed())
        self.undo.append(undoing.close)

    def _see_again(self) -> None:
        while self.undo:
            self.undo.pop()()


def _put_back(network: Any, own: Any) -> None:
    del network.forward
    if own is not None:
        network.forward = own


@contextmanager
def _stepping(pipeline: Any, on_step_end: Callable[..., dict[str, Any]]) -> Iterator[None]:
    """While it holds, the pipeline's scheduler tells of each of its steps, as a pipeline's callback would.

    By its class, as what an instance holds is saved with a state.
    """
    scheduler, usual = pipeline.scheduler, type(pipeline.scheduler)
    indices = itertools.count()

    def step(self: Any, model_output: Any, timestep: Any, sample: Tensor, **named: Any) -> Any:
        done = usual.step(self, model_output, timestep, sample, **named)
        latents = on_step_end(pipeline, next(indices), timestep, {"latents": done[0]}).get("latents", done[0])
        if isinstance(done, tuple):
            return (latents, *done[1:])
        done["prev_sample"] = latents
        return done

    scheduler.__class__ = type(usual.__name__, (usual,), {"step": step})
    try:
        yield
    finally:
        scheduler.__class__ = usual


def _num_timesteps(pipeline: Any) -> int:
    """How often its loop steps the scheduler; pipelines without a callback do not say, and run all of its timesteps."""
    told = getattr(pipeline, "num_timesteps", None)
    return len(pipeline.scheduler.timesteps) if told is None else told


def _repeating(forward: Callable[..., Any]) -> Callable[..., Any]:
    answers: dict[tuple[Any, ...], Any] = {}

    def answer(*args: Any, **kwargs: Any) -> Any:
        shapes = tuple(value.shape for value in (*args, *kwargs.values()) if isinstance(value, Tensor))
        call = (*shapes, id(kwargs.get(CACHE)))
        if call not in answers:
            answers[call] = forward(*args, **kwargs)
        return answers[call]

    return answer


def _first_tensor(values: list[Any]) -> Tensor:
    """The latents that a denoiser is given: its first argument with several dimensions, one sample of it."""
    for value in values:
        value = value[0][None] if isinstance(value, list) and isinstance(value[0], Tensor) else value
        if isinstance(value, Tensor) and value.dim() > 2:
            return value[:1].detach().clone()
    raise RuntimeError("the denoiser was called without latents")
