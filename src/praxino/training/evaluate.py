"""Owns measuring a finished model: scores by caption, reconstruction, and how it treats pictures given to it.

Must not know how the model was trained, nor how the figures are worded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from praxino.training.captions import canonical_caption, image_caption
from praxino.training.dataset import Clip, ClipRow, Combination, split
from praxino.training.export import Trained
from praxino.training.sample import Given, SamplePlan, sample
from praxino.training.score import Score, judge_motion, score
from praxino.training.text import tokenize
from praxino.training.vae import psnr_db, to_video

NOTHING = Given()
SEED = 1000
"""Of the clips that a card's figures are measured on."""


@dataclass(frozen=True)
class ImageResult:
    """Pictures set in motion: share with the asked motion, and dB of the shown first (and last) frame."""

    motion: float
    first_db: float
    last_db: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """All measured figures of a model."""

    trained: Score
    held_out: Score
    clips_db: float
    stills_db: float
    other_clips_db: float
    taught_picture: ImageResult
    unseen_picture: ImageResult
    first_and_last: ImageResult


def evaluate(model: Trained, count: int, seed: int = SEED) -> Evaluation:
    """Measure `model` on `count` trained and as many held-out combinations (all held-out ones at most)."""
    some, others, rng = chosen_combinations(count, seed)
    row, unseen = ClipRow(seed=seed, other_share=0.0), ClipRow(seed=seed, other_share=1.0)
    named = [row.named(combination, rng) for combination in others]
    nameless = [unseen.clip(index) for index in range(len(others))]
    return Evaluation(
        trained=score(draw(model, some, seed), some),
        held_out=score(draw(model, others, seed + 1), others),
        clips_db=_db(model, named),
        stills_db=_db(model, named, still=True),
        other_clips_db=_db(model, nameless),
        taught_picture=animate(model, named, with_last=False),
        unseen_picture=animate(model, nameless, with_last=False),
        first_and_last=animate(model, nameless, with_last=True),
    )


def chosen_combinations(
    count: int, seed: int = SEED
) -> tuple[list[Combination], list[Combination], np.random.Generator]:
    """`count` trained and at most so many held-out combinations, and the source of chance as it then stands."""
    rng = np.random.default_rng(seed)
    trained, held_out = split()
    some = [trained[i] for i in rng.choice(len(trained), min(count, len(trained)), replace=False)]
    return some, [held_out[i] for i in rng.permutation(len(held_out))[:count]], rng


def score_combinations(model: Trained, count: int, seed: int = SEED) -> tuple[Score, Score]:
    """The scores of trained and of held-out combinations, as `evaluate` measures them."""
    some, others, _ = chosen_combinations(count, seed)
    return score(draw(model, some, seed), some), score(draw(model, others, seed + 1), others)


def draw(model: Trained, asked: Sequence[Combination], seed: int = 0) -> NDArray[np.uint8]:
    """Draw a clip for each combination by its canonical caption: (B, F, H, W, 3) uint8."""
    return draw_captions(model, [canonical_caption(c.thing, c.motion, c.ground) for c in asked], seed)


def draw_captions(model: Trained, captions: Sequence[str], seed: int = 0) -> NDArray[np.uint8]:
    """Draw a clip for each caption: (B, F, H, W, 3) uint8."""
    return _sample(model, captions, SamplePlan(model.sigmas, seed=seed))


def animate(model: Trained, clips: Sequence[Clip], *, with_last: bool) -> ImageResult:
    """Give the model the clips' first frames (and last) with the motion's name, and compare."""
    frames = np.stack([clip.frames for clip in clips])
    given = Given(frames[:, :1], frames[:, -1:] if with_last else None)
    captions = [image_caption(clip.motion, clip.thing) for clip in clips]
    drawn = _sample(model, captions, SamplePlan(model.sigmas), given)
    right = [judge_motion(shown) == clip.motion for shown, clip in zip(drawn, clips, strict=True)]
    last = picture_db(drawn[:, -1], frames[:, -1]) if with_last else None
    return ImageResult(float(np.mean(right)), picture_db(drawn[:, 0], frames[:, 0]), last)


def _sample(model: Trained, captions: Sequence[str], plan: SamplePlan, given: Given = NOTHING) -> NDArray[np.uint8]:
    text, null = tokenize(model.tokenizer, captions), tokenize(model.tokenizer, [""])
    return sample(model.denoiser, model.vae, text, null, model.grid, plan, given)


def choose_sigmas(model: Trained, candidates: Sequence[Sequence[float]], count: int, seed: int = 77) -> list[float]:
    """The candidate whose clips of trained combinations are judged right most often; ties go to better parts."""
    rng = np.random.default_rng(seed)
    trained = split()[0]
    asked = [trained[i] for i in rng.choice(len(trained), count, replace=False)]

    def merit(sigmas: Sequence[float]) -> tuple[float, float]:
        got = score(draw(replace(model, sigmas=sigmas), asked, seed), asked)
        return got.all_three, got.thing + got.motion + got.ground

    return list(max(candidates, key=merit))


def picture_db(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio of two stacks of pictures."""
    error = np.mean((a.astype(np.float64) - b) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-9)))


def _db(model: Trained, clips: Sequence[Clip], *, still: bool = False) -> float:
    frames = np.stack([clip.frames for clip in clips])
    video = to_video(frames[:, :1] if still else frames).to(model.vae.device)
    with torch.no_grad():
        return psnr_db(model.vae, video)
