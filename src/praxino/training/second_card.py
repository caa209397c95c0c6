"""Owns the second edition's card: measured figures in words. Must not know how to measure or train."""

from collections.abc import Sequence
from pathlib import Path

from praxino.training.edition import second
from praxino.training.judging import Marks

CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
tags: [text-to-video, image-to-video, ltx-video, praxino]
---

# pocket, second edition: animated stickers from words, in 25 MB

{things} things x {motions} motions x {grounds} grounds, one to three of a thing, small and big, two things side by
side; {width} x {height} pixels, {frames} frames, {fps} frames a second. `LTXPipeline` and `LTXConditionPipeline`
load the folder unchanged. Guidance is distilled into the weights: guidance scale 1, noise levels {sigmas}.
`vocabulary.json` maps everyday words in nine languages to those it knows.

## Measured

A judge that knows only the font looks at the frames. Of {count} combinations that training never showed:
all right {all_right:.0%}; thing {things_right:.0%}, motion {motion:.0%}, ground {ground:.0%}.

| Asked | right |
|---|---|
{rows}

## Training data

Clips drawn from the sprites of the Noto Color Emoji font (copyright Google LLC, Apache License 2.0) on grounds drawn by
rule. Names and keywords: Unicode CLDR (Unicode License v3). No photograph, video or caption of anybody's was used.
"""


def write_card(out: Path, marks: Marks, sigmas: Sequence[float]) -> None:
    """Write README.md to `out`."""
    edition = second()
    width, height = edition.frame_sizes[0]
    rows = "\n".join(f"| {name} | {share:.0%} |" for name, share in sorted(marks.by_name.items()))
    text = CARD.format(
        things=len(edition.things), motions=len(edition.motions), grounds=len(edition.grounds), width=width,
        height=height, frames=edition.num_frames, fps=edition.fps, sigmas=list(sigmas), count=marks.count,
        all_right=marks.all_right, things_right=marks.things, motion=marks.motion, ground=marks.ground, rows=rows,
    )  # fmt: skip
    (out / "README.md").write_text(text, encoding="utf-8")
