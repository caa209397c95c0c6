"""Decoding in tiles, dealt out to several processes. Knows VAEs of diffusers' kind, no family and no recipe.

A VAE's own `tiled_decode` cuts latents into tiles, asks its decoder for each, and blends what it is given. Here it runs
twice: its decoder first notes what it is asked, then answers with what all processes have computed in between. Each
tile is computed as one process would, so the pixels are the same bits. Where a tile is decoded some frames at a time,
all of it is computed in one place, as its frames need those before.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed

from praxino.accel.networks import computing, networks

Call = tuple[tuple[Any, ...], dict[str, Any]]
"""The arguments of a decoder, by place and by name; the first are latents (B, C, h, w) or (B, C, f, h, w)."""


@contextmanager
def dealt_out(parts: Any) -> Iterator[None]:
    """While it holds, VAEs among `parts` that decode in tiles compute a share of them in each process.

    All processes must decode the same latents in the same order.

    Args:
        parts: what a family has loaded.
    """
    with ExitStack() as undo:
        for network in networks(parts):
            vae: Any = network.module
            if network.stage == "vae" and _can_be_dealt(vae):
                vae.tiled_decode = partial(_decoded, vae, vae.tiled_decode)
                undo.callback(delattr, vae, "tiled_decode")
        yield


def _can_be_dealt(vae: Any) -> bool:
    """Not where the decoder draws noise (LTX-Video 0.9.1): what a tile gets hangs on how many were decoded before."""
    return hasattr(vae, "tiled_decode") and not any(getattr(vae.config, "decoder_inject_noise", ()))


def _decoded(vae: Any, tiled_decode: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What `tiled_decode` gives."""
    forward, tiles = vae.decoder.forward, list[list[Call]]()

    def note(call: Call, goes_on: bool) -> Tensor:
        tiles[-1].append(call) if goes_on else tiles.append([call])
        return torch.zeros_like(call[0][0])  # small, and blended as well as a picture

    with computing(vae.decoder, _StandIn(forward, note)):
        tiled_decode(*args, **kwargs)
    if len(tiles) < 2:
        return tiled_decode(*args, **kwargs)
    pictures = iter(_gathered(tiles, forward))
    last = torch.empty(0)

    def answer(call: Call, goes_on: bool) -> Tensor:
        nonlocal last
        last = last[:, :, :0] if goes_on else next(pictures)
        return last

    with computing(vae.decoder, _StandIn(forward, answer)):
        return tiled_decode(*args, **kwargs)


class _StandIn:
    """In place of a decoder's forward: tells apart calls that begin a tile and those that go on with its next frames.

    Those are given what earlier frames left behind: as `conv_cache`, which a decoder returns beside its pixels
    (CogVideoX, Mochi), or in the list `feat_cache`, a new one for each tile, which it fills (Wan, Qwen-Image).

    Args:
        forward: what it stands for.
        answer: given a call, and whether it goes on with a tile, what to answer.
    """

    def __init__(self, forward: Callable[..., Any], answer: Callable[[Call, bool], Tensor]) -> None:
        self._returns_cache = "conv_cache" in inspect.signature(forward).parameters
        self._answer = answer
        self._cache: Any = None

    def __call__(self, *args: Any, **named: Any) -> Any:
        cache = named.get("feat_cache")
        goes_on = named.get("conv_cache") is not None or (cache is not None and cache is self._cache)
        self._cache = cache
        found = self._answer((args, named), goes_on)
        return (found, True) if self._returns_cache else found


def _gathered(tiles: list[list[Call]], forward: Callable[..., Any]) -> list[Tensor]:
    """The pixels of every tile, all of its frames together: this process's share, and what the others computed.

    Where there are fewer tiles than processes, the rest repeat one, to know what is sent to them.
    """
    rank, count = distributed.get_rank(), distributed.get_world_size()
    own = {index: _computed(tiles[index], forward) for index in range(rank % len(tiles), len(tiles), count)}
    like = own[rank % len(tiles)]
    shapes = torch.zeros(len(tiles), like.ndim, dtype=torch.int64, device=like.device)
    for index, pixels in own.items():
        if index % count == rank:
            shapes[index] = torch.tensor(pixels.shape)
    distributed.all_reduce(shapes)
    found = [own[index] if index in own else like.new_empty(shape) for index, shape in enumerate(shapes.tolist())]
    for index, pixels in enumerate(found):
        distributed.broadcast(pixels, src=index % count)
    return found


def _computed(calls: list[Call], forward: Callable[..., Any]) -> Tensor:
    """A tile's pixels. What its frames leave behind is let go."""
    chunks, cache = list[Tensor](), None
    for args, named in calls:
        if named.get("conv_cache") is not None:
            named = {**named, "conv_cache": cache}
        answer = forward(*args, **named)
        chunk, cache = answer if isinstance(answer, tuple) else (answer, None)
        chunks.append(chunk)
    calls.clear()
    return (chunks[0] if len(chunks) == 1 else torch.cat(chunks, dim=2)).contiguous()
