"""Owns what a student learns from a teacher: guidance in one pass, and two steps in one.

Must not know pictures, captions or the loop. Teachers are frozen denoisers; times and v are those of `flow`.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from praxino.training.flow import Denoiser, Question, answer
from praxino.training.text import TokenBatch


@dataclass(frozen=True)
class Guided:
    """The guided answer v_u + scale (v_c - v_u) becomes the target, and v_u that of the empty caption."""

    denoiser: Denoiser
    scale: float
    levels: None = None

    def target(self, question: Question) -> Tensor:
        """(B, asked, K) float32; the teacher is asked twice."""
        count, words = len(question.x), question.text
        null = TokenBatch(question.null.ids.expand(count, -1), question.null.mask.expand(count, -1))
        null = null.padded_to(words.ids.shape[1]).to(question.x.device)
        twice = replace(
            question,
            x=torch.cat([question.x, question.x]),
            t=torch.cat([question.t, question.t]),
            text=TokenBatch(torch.cat([words.ids, null.ids]), torch.cat([words.mask, null.mask])),
        )
        named, nameless = answer(self.denoiser, twice).float().chunk(2)
        scale = torch.where(question.is_null, 0.0, self.scale)[:, None, None]
        return nameless + scale * (named - nameless)


@dataclass(frozen=True)
class Halved:
    """Two Euler steps of the teacher become one of the student (Salimans and Ho 2022, arXiv:2202.00512, algorithm 2).

    In the velocity of a straight path that is the mean of the teacher's two answers. `steps` are the student's.
    """

    denoiser: Denoiser
    steps: int

    @property
    def levels(self) -> tuple[float, ...]:
        """Where the student's steps begin."""
        return tuple(1 - step / self.steps for step in range(self.steps))

    def target(self, question: Question) -> Tensor:
        """(B, asked, K) float32; the teacher is asked at the student's time and half a step later."""
        half = 0.5 / self.steps
        first = answer(self.denoiser, question).float()
        moves = question.t > 0
        times = torch.where(moves, question.t - half, question.t)
        asked = question.x[:, -question.asked :]
        if moves.dim() == 2:
            first = first * moves[:, -question.asked :, None]
        moved = torch.cat([question.x[:, : -question.asked], asked - half * first], 1)
        second = answer(self.denoiser, replace(question, x=moved, t=times)).float()
        return (first + second) / 2
