"""The process of one contender: makes files, one request after the other, and prints what each took as one JSON line.

    python -m praxino.bench.workload CONTENDER OUT REQUESTS WORK.json...

Each work has so many requests, and a line; all of them are of the same weights. OUT gets the file; where it ends in
.npy, the frames of the first request instead, to be compared. Imports on the way are part of what a user waits for, so
every contender imports its own.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from praxino.bench.work import CACHE_DIT, COMPILED, DIFFUSERS, Work, prompt_of

TILED = "vae.enable_tiling()"
"""What the example in a pipeline's docs has where its decoder needs it."""
Seconds = dict[str, float]
"""By part: load, encode, step, decode, file, whole."""


Side = Callable[[Work, Path, int], list[Seconds]]
"""Makes so many files of a work; the seconds of each."""


def praxino(quality: str, work: Work, out: Path, requests: int) -> list[Seconds]:
    """Praxino as a library, at one quality."""
    from praxino.engine.machine import Machine
    from praxino.engine.output import save_clips
    from praxino.engine.resolve import resolve
    from praxino.engine.run import draw

    target = None if out.suffix == ".npy" else out
    rounds = []
    for index in range(requests):
        seconds: Seconds = {}

        def on_step(event: Any, seconds: Seconds = seconds) -> None:
            if not event.note:
                seconds[event.stage] = event.seconds

        began = time.perf_counter()
        recipe = resolve(work.request(quality, index), output=target, machine=Machine(work.device)).recipe
        clips = draw(recipe, on_step, device=work.device)
        drawn = time.perf_counter()
        if target is None:
            _keep(out, [clip.frames for clip in clips])
        else:
            save_clips(clips, recipe, target)
        ended = time.perf_counter()
        rounds.append(
            {
                **{part: seconds[part] for part in ("load", "encode", "decode") if part in seconds},
                "step": seconds["denoise"] / work.steps,
                "file": ended - drawn,
                "whole": ended - began,
            }
        )
    return rounds


def diffusers(contender: str, first: Work) -> Side:
    """The pipeline that the folder of the first work names, called as its docs show."""
    began = time.perf_counter()
    pipe = pipeline_of(first)
    _PREPARE[contender](pipe)
    return partial(_piped, pipe, time.perf_counter() - began)


def _piped(pipe: Any, loading: float, work: Work, out: Path, requests: int) -> list[Seconds]:
    rounds = []
    for index in range(requests):
        began = time.perf_counter()
        answers = [_timed(pipe, work, index, sample) for sample in range(work.n)]
        drawn = time.perf_counter()
        _write([clip for clip, _ in answers], out, work.fps)
        ended = time.perf_counter()
        parts: Seconds = {"file": ended - drawn, "whole": ended - began}
        for part in answers[0][1]:
            parts[part] = sum(seconds[part] for _, seconds in answers) / (work.n if part == "step" else 1)
        rounds.append(parts if rounds else {**parts, "load": loading})
    return rounds


def pipeline_of(work: Work) -> Any:
    """The folder's pipeline on the work's device, in its number format, set up as the example in its docs is."""
    import torch
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

    pipe: Any = DiffusionPipeline.from_pretrained(work.folder, dtype=getattr(torch, work.dtype))
    pipe.set_progress_bar_config(disable=True)
    if TILED in (pipe.__call__.__doc__ or ""):
        pipe.vae.enable_tiling()
    return pipe.to(work.device)


def call(pipe: Any, work: Work, index: int, sample: int, **more: Any) -> Any:
    """A sample of the request of that number, by as much of the work as the pipeline knows."""
    import torch

    wanted = {
        "width": work.width,
        "height": work.height,
        "num_frames": work.num_frames,
        "frame_rate": work.fps,
        "num_inference_steps": work.steps,
        "guidance_scale": work.guidance,
        "max_sequence_length": work.max_text_tokens,
        **more,
    }
    known = inspect.signature(pipe.__call__).parameters
    given = {name: value for name, value in wanted.items() if name in known}
    return pipe(prompt=prompt_of(index), generator=torch.Generator().manual_seed(index + sample), **given)


def _timed(pipe: Any, work: Work, index: int, sample: int) -> tuple[Any, Seconds]:
    """A clip's pictures, and the seconds of its steps and of what came after them."""
    ends: list[float] = []

    def on_step(pipe: Any, step: int, level: Any, kept: Any) -> Any:
        ends.append(time.perf_counter())
        return kept

    answer = call(pipe, work, index, sample, callback_on_step_end=on_step)
    clip = answer.frames[0] if hasattr(answer, "frames") else answer.images
    if len(ends) < 2:
        return clip, {}
    return clip, {"step": (ends[-1] - ends[0]) / (len(ends) - 1), "decode": time.perf_counter() - ends[-1]}


def _plain(pipe: Any) -> None:
    """As it comes."""


def _compiled(pipe: Any) -> None:
    """As the docs on speed have it.

    Regional compilation where the network knows its repeated blocks, else all of it; on a GPU the first flash
    attention that the network takes.
    """
    network = pipe.transformer if getattr(pipe, "transformer", None) is not None else pipe.unet
    if pipe.device.type == "cuda":
        for backend in ("_flash_3_hub", "flash", "_native_cudnn"):
            try:
                network.set_attention_backend(backend)
                break
            except (AttributeError, ImportError, RuntimeError, ValueError):
                continue
    if getattr(network, "_repeated_blocks", None):
        network.compile_repeated_blocks(fullgraph=True)
    else:
        network.compile()


def _cached(pipe: Any) -> None:
    """With its defaults."""
    import cache_dit  # pyright: ignore[reportMissingImports]

    cache_dit.enable_cache(pipe)


_PREPARE: dict[str, Callable[[Any], None]] = {DIFFUSERS: _plain, COMPILED: _compiled, CACHE_DIT: _cached}


def _write(results: list[Any], out: Path, fps: float) -> None:
    """Pillow's file, as the docs' export_to_gif writes it."""
    if out.suffix == ".npy":
        _keep(out, results)
        return
    for frames in results:
        if len(frames) > 1:
            frames[0].save(out, save_all=True, append_images=frames[1:], duration=round(1000 / fps), loop=0)
        else:
            frames[0].save(out)


def _keep(out: Path, clips: list[Any]) -> None:
    import numpy as np

    if not out.exists():
        np.save(out, np.stack([np.stack([np.asarray(frame) for frame in frames]) for frames in clips]))


def _gpu_peak_bytes() -> int:
    torch = sys.modules.get("torch")
    return torch.cuda.max_memory_allocated() if torch is not None and torch.cuda.is_initialized() else 0


def main() -> None:
    """Draw, and print the parts of each request."""
    contender, out, requests, *files = sys.argv[1:]
    works = [Work.from_json(Path(file).read_text(encoding="utf-8")) for file in files]
    side = diffusers(contender, works[0]) if contender in _PREPARE else partial(praxino, contender)
    for work in works:
        rounds = side(work, Path(out), int(requests))
        print(json.dumps({"requests": rounds, "gpu_peak_bytes": _gpu_peak_bytes()}))


if __name__ == "__main__":
    main()
