"""The denoising loop, as hotshotco/Hotshot-XL at cc01f7f runs it (hotshot_xl/pipelines), ControlNets included.

Besides, a first frame can be held: before each step its latents are set to the given picture's, noised to that step's
level, so that the temporal layers see it as it has to become. Knows latents and embeddings; no files and no words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from praxino.families import LoopState
from praxino.families._passes import are_shared, predicted
from praxino.families._stock import state as carried
from praxino.families.hotshot_xl.sampling import Walk
from praxino.sampling import guidance


@dataclass(frozen=True)
class Control:
    """A ControlNet and what it follows."""

    network: Any
    """diffusers' ControlNetModel."""
    maps: Tensor
    """(F, 3, H, W) from 0 to 1."""
    scale: float


@dataclass(frozen=True)
class Held:
    """A first frame that is given."""

    clean: Tensor
    """(1, C, 1, h, w)."""
    noise: Tensor
    """(1, C, 1, h, w) unit noise: the same at every level."""
    num_steps: int
    """For so many steps it is put back; after them it moves with the rest."""


@dataclass(frozen=True)
class Start:
    """What the loop begins with, and what stays the same throughout."""

    latents: Tensor
    """(1, C, F, h, w) float32, noised to the first step's level."""
    states: Tensor
    """(n, tokens, channels): the text's; with guidance, the negative text's before it."""
    pooled: Tensor
    """(n, channels)."""
    time_ids: Tensor
    """(n, 6): original width, height, crop left, top, target width, height."""
    scale: float
    """Of classifier-free guidance; used when n is 2."""
    rescale: float
    """1 leaves the guided prediction's deviation alone, 0 makes it the text's."""
    controls: Sequence[Control]
    held: Held | None

    def only(self, text: int) -> Start:
        """The same with one of the texts alone."""
        kept = slice(text, text + 1)
        return replace(self, states=self.states[kept], pooled=self.pooled[kept], time_ids=self.time_ids[kept])


def denoise(
    unet: Any, start: Start, walk: Walk, generator: torch.Generator, state: LoopState | None
) -> Iterator[LoopState]:
    """Yield the state before the first step and after every one; a given state is the first one yielded."""
    if state is None:
        state = LoopState(0, {"latents": start.latents, **carried.pack(walk.scheduler, generator)})
    else:
        carried.unpack(state.tensors, walk.scheduler, generator, start.latents.device)
    yield state
    for _ in range(state.step, len(walk.calls)):
        state = advance(unet, start, walk, generator, state)
        yield state


@torch.no_grad()
def advance(unet: Any, start: Start, walk: Walk, generator: torch.Generator, state: LoopState) -> LoopState:
    """One step. The new state's "denoised" is the estimate of the clean latents that it was made with."""
    latents, denoised = state.tensors["latents"].to(start.latents.device), start.latents
    held = start.held
    if held is not None and state.step < held.num_steps:
        latents = _with_first(latents, walk.noised(held.clean, held.noise, state.step))
    for timestep in walk.calls[state.step]:
        scaled = walk.scheduler.scale_model_input(latents, timestep)
        predicted = predict(unet, start, scaled, timestep)
        denoised = walk.estimate(predicted, timestep, scaled)
        latents = walk.advance(predicted, timestep, latents, generator)
    if held is not None and len(walk.calls) == held.num_steps == state.step + 1:
        latents = _with_first(latents, held.clean)
    tensors = {"latents": latents, "denoised": denoised, **carried.pack(walk.scheduler, generator)}
    return LoopState(state.step + 1, tensors)


def predict(unet: Any, start: Start, scaled: Tensor, timestep: Tensor) -> Tensor:
    """The guided prediction for latents (1, C, F, h, w), float32 of the same shape."""
    if len(start.states) == 1:
        return _asked(unet, start, scaled, timestep)
    if are_shared():
        positive, negative = predicted(*(partial(_asked, unet, start.only(text), scaled, timestep) for text in (1, 0)))
    else:
        negative, positive = _asked(unet, start, scaled, timestep).split(1)
    guided = guidance.cfg(positive, negative, start.scale)
    return guided if start.rescale == 1 else rescaled(guided, positive, 1 - start.rescale)


def _asked(unet: Any, start: Start, scaled: Tensor, timestep: Tensor) -> Tensor:
    """The prediction for each of the texts, (texts, C, F, h, w) float32."""
    texts, num_frames = len(start.states), scaled.shape[2]
    given = scaled.expand(texts, -1, -1, -1, -1).to(start.states.dtype)
    states = start.states.repeat_interleave(num_frames, 0)
    added = {"text_embeds": start.pooled, "time_ids": start.time_ids}
    residuals = control_residuals(start, given, timestep, states) if start.controls else {}
    return unet(given, timestep, states, added_cond_kwargs=added, return_dict=False, **residuals)[0].float()


def rescaled(guided: Tensor, positive: Tensor, share: float) -> Tensor:
    """The guided prediction with its deviation pulled towards the text's by `share` (arXiv 2305.08891, section 3.4)."""
    return guidance.rescale(guided.flatten(2), positive.flatten(2), share).view(guided.shape)


def control_residuals(start: Start, given: Tensor, timestep: Tensor, states: Tensor) -> dict[str, Any]:
    """What the ControlNets add, as UNetMotionModel takes it: (texts x F) first."""
    texts, num_frames = given.shape[0], given.shape[2]
    frames = given.transpose(1, 2).flatten(0, 1)
    added = {
        "text_embeds": start.pooled.repeat_interleave(num_frames, 0),
        "time_ids": start.time_ids.repeat_interleave(num_frames, 0),
    }
    down: list[Tensor] = []
    middle = torch.zeros((), device=given.device)
    for control in start.controls:
        more, last = control.network(
            frames, timestep, encoder_hidden_states=states, controlnet_cond=control.maps.repeat(texts, 1, 1, 1),
            conditioning_scale=control.scale, added_cond_kwargs=added, return_dict=False,
        )  # fmt: skip
        down = [one + other for one, other in zip(down, more, strict=True)] if down else list(more)
        middle = middle + last
    return {"down_block_additional_residuals": tuple(down), "mid_block_additional_residual": middle}


def _with_first(latents: Tensor, first: Tensor) -> Tensor:
    return torch.cat([first, latents[:, :, 1:]], dim=2)
