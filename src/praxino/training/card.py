"""Owns the model card and its sheet of samples: measured figures in words.

Must not know how to measure or train; it is handed an `Evaluation` and writes README.md and sample_sheet.webp.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from praxino.training.evaluate import Evaluation, ImageResult
from praxino.training.export import SIZE_LIMIT_BYTES, folder_bytes
from praxino.training.motions import GROUNDS, MOTIONS
from praxino.training.score import Score
from praxino.training.sprites import THINGS

SHEET = "sample_sheet.webp"
SHEET_BYTES = 45_000

HEADER = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
tags: [text-to-video, image-to-video, ltx-video, praxino]
---

# pocket: animated stickers from words, in 25 MB

A text-to-video and image-to-video diffusion model of the LTX-Video architecture, small enough to ship inside a
Python package and to draw a clip in seconds on two CPU cores. It draws emoji-like stickers that move:
{things} things x {motions} motions x {grounds} grounds, 64 x 64 pixels, 9 frames, 10 frames a second.

![samples]({sheet})
"""

USE = """
## Use

The folder is a plain diffusers pipeline; `LTXPipeline` and `LTXConditionPipeline` load it unchanged.

```python
from diffusers import LTXPipeline

pipeline = LTXPipeline.from_pretrained(folder)
pipeline.scheduler.set_shift({shift})
frames = pipeline(
    prompt="a rocket flying up on a blue background",
    width=64, height=64, num_frames=9, frame_rate=10,
    guidance_scale=1.0, num_inference_steps={steps}, max_sequence_length=20,
).frames[0]
```

Guidance is distilled into the weights: run it with guidance scale 1, a single pass a step. The noise levels it is made
for are {sigmas}; `LTXConditionPipeline` takes them as
`timesteps=[1000 * s for s in sigmas]`, and works best with `image_cond_noise_scale=0`.
The caption it knows best is `a {{thing}} {{motion}} on a {{ground}} background`; with a picture given,
`{{motion}}` alone or `a {{thing}} {{motion}}`. `vocabulary.json` maps everyday words to those it knows, in English,
Chinese, Spanish, French, German, Japanese, Portuguese, Russian and Arabic.

- Things: {thing_names}.
- Motions: {motion_names}. Every motion leads back to its start, so clips loop.
- Grounds: {ground_names}.
"""

DATA = """
## Training data

Clips composed on the fly from the sprites of the Noto Color Emoji font ({total} combinations, {held} of them held out
of training), with jitter of size, place and colour. No photograph, video or caption of anybody's was used.
For image-to-video, {others} other emoji of the same font on grounds of any colour were set in motion as well.

Emoji artwork: Noto Emoji, copyright Google LLC, Apache License 2.0 (https://github.com/googlefonts/noto-emoji).
"""

LIMITS = """
## Limits

- It knows the things, motions and grounds above and nothing else: no people, no places, no writing, no photographs.
- One thing, one motion, one plain ground a clip. 64 x 64 pixels and 9 frames only.
- Pictures given to it should show one thing, about in the middle, on a plain ground; fine detail is softened.
- Made to show and to test a whole text-to-video engine anywhere; not made for production pictures.

## Licence

Weights: Apache License 2.0. The artwork the model imitates is Noto Emoji (Apache License 2.0), see above.
"""


@dataclass(frozen=True)
class Making:
    """How the model came to be, for the card."""

    minutes: Mapping[str, float]
    """Active training minutes by stage."""
    samples: Mapping[str, int]
    """Clips seen by stage."""
    hardware: str
    other_sprites: int
    held_out: int
    sigmas: tuple[float, ...]


def write_card(out: Path, evaluation: Evaluation, making: Making) -> None:
    """Write README.md to `out`."""
    total = len(THINGS) * len(MOTIONS) * len(GROUNDS)
    names = {"thing_names": THINGS, "motion_names": MOTIONS, "ground_names": GROUNDS}
    parts = [
        HEADER.format(things=len(THINGS), motions=len(MOTIONS), grounds=len(GROUNDS), sheet=SHEET),
        USE.format(**_schedule(making.sigmas), **{key: ", ".join(value) for key, value in names.items()}),
        _figures(evaluation),
        DATA.format(total=total, held=making.held_out, others=f"{making.other_sprites:,}"),
        _making(making, folder_bytes(out)),
        LIMITS,
    ]
    (out / "README.md").write_text("".join(parts), encoding="utf-8")


def scores_on_card(folder: Path) -> dict[str, float]:
    """The shares of clips all right, 0 to 1, that a model's card tells: by "trained" and "held out"."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    return {
        kind: int(share) / 100 for kind, share in re.findall(r"^\| (trained|held out) \| \d+ \| (\d+)%", card, re.M)
    }


def _schedule(sigmas: Sequence[float]) -> dict[str, object]:
    """The noise levels, and the shift by which stock schedulers come to the same from even ones."""
    steps = len(sigmas)
    even = [1 - i / steps for i in range(steps)]
    shifts = [s * (1 - e) / (e * (1 - s)) for s, e in zip(sigmas[1:], even[1:], strict=True)]
    return {"sigmas": list(sigmas), "steps": steps, "shift": round(float(np.median(shifts or [1.0])), 2)}


def _figures(evaluation: Evaluation) -> str:
    rows = [
        "\n## Measured\n",
        "A judge that knows only the font looks at the frames and names thing (among all), motion (among all, and",
        "standing still) and ground. It is right on 99 % of true clips and at chance on shuffled ones.\n",
        "| Combinations | clips | all three right | thing | motion | ground |",
        "|---|---|---|---|---|---|",
        _score_row("trained", evaluation.trained),
        _score_row("held out", evaluation.held_out),
        "",
        f"Reconstruction by the autoencoder: {evaluation.clips_db:.1f} dB on held-out clips, "
        f"{evaluation.stills_db:.1f} dB on their first frames alone, "
        f"{evaluation.other_clips_db:.1f} dB on clips of other emoji.\n",
        "| Pictures set in motion | motion right | first frame | last frame |",
        "|---|---|---|---|",
        _image_row("things it knows", evaluation.taught_picture),
        _image_row("emoji it has no name for", evaluation.unseen_picture),
        _image_row("the same, last frame given too", evaluation.first_and_last),
        "\nBy what was asked (trained and held out together):\n",
        "| Asked | right | Asked | right | Asked | right |",
        "|---|---|---|---|---|---|",
        *_by_name(evaluation),
    ]
    return "\n".join(rows) + "\n"


def _score_row(name: str, score: Score) -> str:
    shares = " | ".join(f"{x:.0%}" for x in (score.all_three, score.thing, score.motion, score.ground))
    return f"| {name} | {score.count} | {shares} |"


def _image_row(name: str, result: ImageResult) -> str:
    last = "" if result.last_db is None else f"{result.last_db:.1f} dB"
    return f"| {name} | {result.motion:.0%} | {result.first_db:.1f} dB | {last} |"


def _by_name(evaluation: Evaluation) -> list[str]:
    columns = []
    for names in (THINGS, MOTIONS, GROUNDS):
        shares = [(name, _share(name, evaluation)) for name in names]
        columns.append([f"{name} | {share}" for name, share in shares])
    height = max(len(column) for column in columns)
    filled = [column + [" | "] * (height - len(column)) for column in columns]
    return [f"| {' | '.join(row)} |" for row in zip(*filled, strict=True)]


def _share(name: str, evaluation: Evaluation) -> str:
    found = [s.by_name[name] for s in (evaluation.trained, evaluation.held_out) if name in s.by_name]
    return f"{np.mean(found):.0%}" if found else "not asked"


def _making(making: Making, size: int) -> str:
    stages = "; ".join(
        f"{stage} {minutes:.0f} minutes, {making.samples.get(stage, 0):,} clips"
        for stage, minutes in making.minutes.items()
    )
    return (
        f"\n## Making\n\nTrained from scratch on {making.hardware}: {stages}. "
        "The teacher learns flow matching; the student starts as the teacher's averaged weights and learns "
        "its guided answers.\n"
        f"The folder holds {size / 1e6:.1f} MB (limit {SIZE_LIMIT_BYTES / 1e6:.0f}).\n"
    )


def write_sheet(out: Path, clips: NDArray[np.uint8], columns: int = 2, name: str = SHEET) -> None:
    """Write a sheet to `out`: a row of frames for each of `clips` (N, F, S, S, 3), as finely as SHEET_BYTES allow."""
    strips = [np.concatenate(list(frames), 1) for frames in clips]
    strips += [np.zeros_like(strips[0])] * (-len(strips) % columns)
    rows = [np.concatenate(strips[i : i + columns], 1) for i in range(0, len(strips), columns)]
    picture = Image.fromarray(np.concatenate(rows, 0))
    for quality in range(95, 0, -10):
        picture.save(out / name, quality=quality, method=6)
        if (out / name).stat().st_size <= SHEET_BYTES:
            return
