"""One process of the bench: makes the same GIF several times, by Praxino or by a plain diffusers script.

    python bench/workloads.py praxino|diffusers FOLDER OUT.gif REPEATS

Prints one JSON line: seconds of each part of the first (cold) and of the later (warm) requests. The diffusers side is
what its documentation shows: LTXPipeline on the same folder, the same prompt, size and steps, and Pillow for the file.
"""

import json
import sys
import time
from pathlib import Path

BEGAN = time.monotonic()
PROMPT = "a rocket flying up on a blue background"


def with_praxino(folder: Path, out: Path, repeats: int) -> list[dict[str, float]]:
    from praxino.engine.output import save_clips
    from praxino.engine.resolve import resolve
    from praxino.engine.run import draw
    from praxino.request import Request

    rounds = []
    for seed in range(repeats):
        seconds: dict[str, float] = {}

        def on_step(event, seconds=seconds):
            seconds[event.stage] = event.seconds

        began = time.monotonic()
        recipe = resolve(Request(PROMPT, model=str(folder), seed=seed), output=out).recipe
        seconds["resolve"] = time.monotonic() - began
        clips = draw(recipe, on_step)
        saving = time.monotonic()
        save_clips(clips, recipe, out)
        seconds["file"] = time.monotonic() - saving
        seconds["step"] = seconds.pop("denoise") / recipe.steps
        seconds["whole"] = time.monotonic() - began
        rounds.append(seconds)
    return rounds


def with_diffusers(folder: Path, out: Path, repeats: int) -> list[dict[str, float]]:
    began = time.monotonic()
    import torch
    from diffusers import LTXPipeline

    pipe = LTXPipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    loading = time.monotonic() - began
    facts = json.loads((folder / "praxino.json").read_text())
    rounds = []
    for seed in range(repeats):
        began = time.monotonic()
        steps: list[float] = []
        result = pipe(
            prompt=PROMPT,
            width=facts["width"],
            height=facts["height"],
            num_frames=facts["num_frames"],
            frame_rate=facts["fps"],
            num_inference_steps=facts["steps"],
            guidance_scale=facts["guidance"],
            max_sequence_length=facts["max_text_tokens"],
            generator=torch.Generator().manual_seed(seed),
            callback_on_step_end=lambda pipe, i, t, kept, steps=steps: steps.append(time.monotonic()) or kept,
        )
        frames = result.frames[0]
        drawn = time.monotonic()
        frames[0].save(out, save_all=True, append_images=frames[1:], duration=1000 // facts["fps"], loop=0)
        ended = time.monotonic()
        seconds = {
            "step": (steps[-1] - steps[0]) / (len(steps) - 1),
            "decode": drawn - steps[-1],
            "file": ended - drawn,
            "whole": ended - began,
        }
        rounds.append({**seconds, "load": loading} if not rounds else seconds)
    return rounds


def main() -> None:
    side, folder, out, repeats = sys.argv[1:]
    rounds = {"praxino": with_praxino, "diffusers": with_diffusers}[side](Path(folder), Path(out), int(repeats))
    print(json.dumps({"rounds": rounds, "process": time.monotonic() - BEGAN}))


if __name__ == "__main__":
    main()
