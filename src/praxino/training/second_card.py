"""Owns the second edition's card and sheets: measured figures in words. Must not know how to measure or train."""

import re
from dataclasses import dataclass
from pathlib import Path

from praxino.training.card import write_sheet
from praxino.training.edition import second
from praxino.training.judging import Marks
from praxino.training.second_score import PictureMarks, WordMarks

FAILURES = "failures.webp"
SHEET_FRAMES = slice(None, None, 4)
WATTS = {"cpu": 10.0, "cuda": 700.0}
"""What a busy core, or a large GPU, is taken to draw; nobody measured it."""

CARD = """---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
tags: [text-to-video, image-to-video, ltx-video, praxino]
---

# pocket, second edition: animated stickers from words, in 25 MB

{things} things x {motions} motions x {grounds} grounds, one to three of a thing, small and big, two things side by
side; {width} x {height} pixels and other sizes from 96 to 192, {frames} frames, {fps} frames a second. `LTXPipeline`
and `LTXConditionPipeline` load the folder unchanged. Guidance is distilled into the weights: guidance scale 1, noise
levels {sigmas}. `vocabulary.json` maps everyday words in nine languages to those it knows.

![samples](sample_sheet.webp)

## Measured

A judge that knows only the font looks at the frames of combinations that training never showed. Paraphrases, one in ten
with a slip of the finger, and Chinese are read with `vocabulary.json`, as prompts are.

| Captions | clips | all right | thing | motion | ground |
|---|---|---|---|---|---|
{scores}

| Pictures set in motion | motion right | last frame shows that picture | first frame | last frame |
|---|---|---|---|---|
{pictures}

The pictures are letters, drawn logos and grained cut-outs, unlike anything in training; "shows that picture" means that
of all of them, moved likewise, the right one is the nearest.

| Asked (plain captions) | right |
|---|---|
{rows}

## Failures

{failures}

## Making

{making}

The encoder is the principal components of the clips, the decoder was trained on them. The transformer learnt single
frames, then clips (flow matching), then guided answers in one pass, then half as many steps.

## Training data

Clips drawn from the sprites of the Noto Color Emoji font (copyright Google LLC, Apache License 2.0) on grounds drawn by
rule. Names and keywords: Unicode CLDR (Unicode License v3). No photograph, video or caption of anybody's was used.
"""


@dataclass(frozen=True)
class SecondMaking:
    """How a model was made."""

    minutes: dict[str, float]
    """By stage; on a processor, those that one core worked."""
    device: str
    """A type of torch's devices."""
    hardware: str
    sigmas: tuple[float, ...]


def write_card(out: Path, words: WordMarks, pictures: PictureMarks, making: SecondMaking) -> None:
    """Write README.md, and the failures as pictures, to `out`."""
    if words.failures:
        write_sheet(out, words.failed[:, SHEET_FRAMES], 1, FAILURES)
    edition = second()
    width, height = edition.frame_sizes[0]
    plain = words.by_words["plain"]
    text = CARD.format(
        things=len(edition.things), motions=len(edition.motions), grounds=len(edition.grounds), width=width,
        height=height, frames=edition.num_frames, fps=edition.fps, sigmas=list(making.sigmas),
        scores="\n".join(_score_row(kind, marks) for kind, marks in words.by_words.items()),
        pictures=_picture_row(pictures),
        rows="\n".join(f"| {name} | {share:.0%} |" for name, share in sorted(plain.by_name.items())),
        failures=_failures(words), making=_making(making),
    )  # fmt: skip
    (out / "README.md").write_text(text, encoding="utf-8")


def second_scores_on_card(folder: Path) -> dict[str, float]:
    """The shares of clips all right, 0 to 1, that a model's card tells, by kind of captions."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| (plain|paraphrased|Chinese) \| \d+ \| (\d+)%", card, re.M)
    return {kind: int(share) / 100 for kind, share in found}


def _score_row(kind: str, marks: Marks) -> str:
    shares = " | ".join(f"{x:.0%}" for x in (marks.all_right, marks.things, marks.motion, marks.ground))
    return f"| {kind} | {marks.count} | {shares} |"


def _picture_row(marks: PictureMarks) -> str:
    return (
        f"| {marks.count} | {marks.motion:.0%} | {marks.same:.0%} | {marks.first_db:.1f} dB | {marks.last_db:.1f} dB |"
    )


def _failures(words: WordMarks) -> str:
    if not words.failures:
        return "None among those that were measured."
    rows = [f"| {caption} | {_told(seen.shown)}, {seen.motion}, {seen.ground} |" for caption, seen in words.failures]
    return "\n".join([f"![failures]({FAILURES})\n", "From above:\n", "| Asked | seen |", "|---|---|", *rows])


def _told(shown: tuple[str, ...]) -> str:
    return " and ".join(shown) or "nothing"


def _making(making: SecondMaking) -> str:
    total = sum(making.minutes.values())
    stages = ", ".join(f"{stage} {minutes:.0f}" for stage, minutes in making.minutes.items())
    watts = WATTS[making.device]
    return (
        f"{total:.0f} minutes on {making.hardware} ({stages}); at {watts:.0f} W, which is an assumption, "
        f"{total / 60 * watts / 1000:.2f} kWh."
    )
