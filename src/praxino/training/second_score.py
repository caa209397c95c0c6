"""Owns measuring the second edition: what it draws from words, plain and other, and how it moves pictures.

Must not know how the model was trained, nor how figures are worded. What is measured is the exported folder: its
vocabulary reads the paraphrases, as it reads prompts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from praxino.training.atlas import TILE_HEIGHT_PX, TILE_WIDTH_PX, Atlas, pack
from praxino.training.drawing import Stage, to_uint8
from praxino.training.edition import second
from praxino.training.evaluate import picture_db
from praxino.training.export import Trained
from praxino.training.grammar import canonical_caption, free_caption, misspelt
from praxino.training.judging import Judge, Marks, mark
from praxino.training.live import Clips
from praxino.training.sample import Given, SamplePlan, sample
from praxino.training.text import tokenize
from praxino.training.unseen import picture
from praxino.training.wishes import Wish, held_out
from praxino.vocabulary import Vocabulary

PICTURES = 50
UNSEEN_AT_AN_END = ("fading in", "fading out")
"""Motions of which a first or a last frame shows nothing."""
TYPO_SHARE = 0.1
SHOWN_FAILURES = 12
BATCH = 32

NOTHING = Given()
Saying = Callable[[Wish, np.random.Generator], str]


@dataclass(frozen=True)
class PictureMarks:
    """Pictures set in motion: shares of right motions, and of last frames nearest to the right picture there; dB."""

    count: int
    motion: float
    same: float
    first_db: float
    last_db: float


@dataclass(frozen=True)
class WordMarks:
    """Marks of captions by kind: plain, paraphrased, Chinese; and of the plain ones some that were not drawn right."""

    by_words: dict[str, Marks]
    failures: list[tuple[str, Wish]]
    """The caption, and what was seen instead."""
    failed: NDArray[np.uint8]
    """Their clips (N, F, H, W, 3)."""


def score_words(model: Trained, words: Vocabulary, clips: Clips, count: int) -> WordMarks:
    """Draw `count` held-out combinations three times: by plain captions, and in other words."""
    wishes = [Wish((thing,), motion, ground) for thing, motion, ground in sorted(held_out())[:count]]
    judge = Judge(second(), clips.named, clips.stage.width, clips.stage.height)
    plain = [canonical_caption(wish) for wish in wishes]
    drawn = draw(model, plain, seed=0)
    seen = judged(judge, drawn)
    wrong = [row for row, wish in enumerate(wishes) if mark([wish], [seen[row]]).all_right < 1][:SHOWN_FAILURES]
    marks = {"plain": mark(wishes, seen)}
    for number, (kind, saying) in enumerate((("paraphrased", _in_english), ("Chinese", _in_chinese)), 1):
        marks[kind] = mark(wishes, judged(judge, draw(model, read(words, wishes, saying), seed=number)))
    return WordMarks(marks, [(plain[row], seen[row]) for row in wrong], drawn[wrong])


def read(words: Vocabulary, wishes: Sequence[Wish], saying: Saying) -> list[str]:
    """Say each wish and read it as a prompt is read: the captions that the model gets."""
    rng = np.random.default_rng(len(wishes))
    return [words.understand(saying(wish, rng)).caption for wish in wishes]


def _in_english(wish: Wish, rng: np.random.Generator) -> str:
    text = free_caption(wish, "en", rng)
    return misspelt(text, rng) if rng.random() < TYPO_SHARE else text


def _in_chinese(wish: Wish, rng: np.random.Generator) -> str:
    return free_caption(wish, "zh", rng) or canonical_caption(wish)


def draw(model: Trained, captions: Sequence[str], seed: int, given: Given = NOTHING) -> NDArray[np.uint8]:
    """A clip for each caption, (N, F, H, W, 3)."""
    text, null = tokenize(model.tokenizer, captions), tokenize(model.tokenizer, [""])
    plan = SamplePlan(model.sigmas, seed=seed, batch=BATCH)
    return sample(model.denoiser, model.vae, text, null, model.grid, plan, given)


def judged(judge: Judge, clips: NDArray[np.uint8]) -> list[Wish]:
    """What each clip shows."""
    shown: list[Wish] = []
    for first in range(0, len(clips), BATCH):
        shown += judge.judge(as_frames(clips[first : first + BATCH]))
    return shown


def as_frames(clips: NDArray[np.uint8]) -> Tensor:
    """(B, F, H, W, 3) uint8 -> (B, F, 3, H, W) float in 0..255."""
    return torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float()


def move_pictures(model: Trained, clips: Clips) -> PictureMarks:
    """Give the model pictures that it has never seen on white, and compare with those very pictures moved."""
    judge = Judge(second(), clips.named, clips.stage.width, clips.stage.height)
    stage = picture_stage(judge)
    motions = [motion for motion in judge.edition.motions if motion not in UNSEEN_AT_AN_END]
    wishes = [Wish((str(number),), motions[number % len(motions)], "white") for number in range(PICTURES)]
    rng = np.random.default_rng(PICTURES)
    staging, grounds = stage.place(wishes, rng), stage.ground_pictures(["white"] * PICTURES, rng)
    truth = to_uint8(stage.play(staging, grounds))
    drawn = draw(model, [wish.motion for wish in wishes], 3, Given(truth[:, :1]))
    right = [seen.motion == wish.motion for seen, wish in zip(judged(judge, drawn), wishes, strict=True)]
    last = as_frames(drawn[:, -1:]).to(grounds.device)
    distances = []
    for number in range(PICTURES):
        swapped = staging.thing.clone()
        swapped[:, 0] = number
        moved = stage.play(replace(staging, thing=swapped), grounds, slice(-1, None))
        distances.append((moved - last).square().mean((1, 2, 3, 4)))
    nearest = torch.stack(distances).argmin(0).cpu()
    return PictureMarks(
        PICTURES,
        float(np.mean(right)),
        float((nearest == torch.arange(PICTURES)).float().mean()),
        picture_db(drawn[:, 0], truth[:, 0]),
        picture_db(drawn[:, -1], truth[:, -1]),
    )


def picture_stage(judge: Judge) -> Stage:
    """Where the pictures are moved."""
    tiles = np.zeros((PICTURES, TILE_HEIGHT_PX, TILE_WIDTH_PX, 4), np.uint8)
    for number, tile in enumerate(tiles):
        pack(tile, picture(number))
    packed = torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous().to(judge.stage.device)
    names = tuple(str(number) for number in range(PICTURES))
    return Stage(judge.edition, Atlas(names, packed), judge.width, judge.height)
