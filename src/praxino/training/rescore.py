"""Owns scoring a finished model anew, of either edition, beside the figures of its card.

Must not know how scores are printed. The clips are those of the card, or the first of them.
"""

from dataclasses import dataclass
from pathlib import Path

import torch

from praxino.training.card import scores_on_card
from praxino.training.edition import second
from praxino.training.evaluate import score_combinations
from praxino.training.export import read_folder
from praxino.training.live import Clips
from praxino.training.second_card import second_scores_on_card
from praxino.training.second_score import score_words
from praxino.training.studio import SecondSettings
from praxino.vocabulary import Vocabulary


@dataclass(frozen=True)
class Rescored:
    """One kind of clips: shares right, 0 to 1, of `count`, and what the card tells of all that it measured."""

    kind: str
    count: int
    on_card: float
    all_right: float
    thing: float
    motion: float
    ground: float


def rescore(folder: Path, count: int) -> list[Rescored]:
    """Draw and judge `count` clips of each kind that the card has a score of."""
    words = Vocabulary.read(folder / "vocabulary.json")
    return _second(folder, words, count) if words.data["version"] == 2 else _first(folder, count)


def _first(folder: Path, count: int) -> list[Rescored]:
    scores = score_combinations(read_folder(folder), count)
    return [
        Rescored(kind, score.count, on_card, score.all_three, score.thing, score.motion, score.ground)
        for (kind, on_card), score in zip(scores_on_card(folder).items(), scores, strict=True)
    ]


def _second(folder: Path, words: Vocabulary, count: int) -> list[Rescored]:
    grid = SecondSettings().grid
    clips = Clips(second(), grid, torch.device("cpu"))
    marks = score_words(read_folder(folder, grid), words, clips, count).by_words
    return [
        Rescored(kind, m.count, on_card, m.all_right, m.things, m.motion, m.ground)
        for (kind, on_card), m in zip(second_scores_on_card(folder).items(), marks.values(), strict=True)
    ]
