"""Owns turning found clips into examples: pieces in buckets, and a line of report for each clip.

Knows the model's grid, and nothing of networks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from praxino.errors import UserError
from praxino.families import Variant
from praxino.training.tuning import beside, fitness, trainees
from praxino.training.tuning.buckets import Bucket, Piece, asked, at_hand, pieces
from praxino.training.tuning.clips import Clip, digest_of, find
from praxino.training.tuning.prior import prompts
from praxino.training.tuning.settings import Extraction, Tuning
from praxino.vocabulary import Understanding, Vocabulary
from praxino.weights.catalog import Entry
from praxino.weights.catalog import find as find_model

WHICH: dict[Extraction, str] = {
    "first": "the first of", "middle": "the middle of", "spread": "spread over", "pieces": "one after the other, of",
}  # fmt: skip
"""How a report tells which frames of a longer clip are used."""


@dataclass(frozen=True)
class Example:
    """A piece of a clip, and what is said of it."""

    clip: Clip
    piece: Piece
    digest: str
    """SHA-256 of the clip's file."""
    caption: str
    """With the trigger."""
    beside: dict[str, str]
    """Digests of what lies beside it and is used, by its use."""


@dataclass
class Survey:
    """What a data folder comes to."""

    examples: list[Example] = field(default_factory=list)
    used: list[str] = field(default_factory=list)
    """A line for each clip that is used."""
    left_out: list[str] = field(default_factory=list)
    """A line for each that is not, and why."""

    def lines(self) -> Iterator[str]:
        """The report: clip by clip, then the buckets."""
        yield from self.used
        yield from (f"not used: {line}" for line in self.left_out)
        buckets = Counter(example.piece.bucket for example in self.examples)
        for bucket, count in sorted(buckets.items()):
            yield f"{count} example{'s' * (count > 1)} of {bucket}"


def check(tuning: Tuning) -> Survey:
    """What of the settings' data would be used, clip by clip. Loads no model and no torch.

    Raises:
        UserError: a setting is wrong for the model, or nothing can be used.
    """
    entry = find_model(tuning.model)
    fitness.check(entry, tuning)
    prompts(entry, tuning)
    if tuning.size:
        asked(tuning.size, entry.variant)
    return survey(Path(tuning.data), entry, tuning)


def survey(folder: Path, entry: Entry, tuning: Tuning) -> Survey:
    """Read every clip of a folder and decide how it is used.

    Raises:
        UserError: there is no such folder, or nothing of it can be used.
    """
    found, variant = find(folder), entry.variant
    told, wanted = Survey(left_out=list(found.problems)), beside.Wanted.of(entry.family.name, variant, tuning)
    for clip in found.clips:
        try:
            frames, fps = clip.read()
            cut = pieces(frames.shape[:3], fps, variant, tuning)
            beside.check(clip, frames.shape[:3], wanted)
        except UserError as problem:
            told.left_out.append(f"{clip.name}: {' '.join(str(problem).replace(f'{clip.path} ', '').split())}")
            continue
        if len(frames) == 1 and not trainees.learns_from_pictures(entry.family.name, variant):
            told.left_out.append(f"{clip.name}: a picture, and {variant.name} learns motion alone")
            continue
        if len(frames) > 1 and cut[0].bucket.num_frames == 1 and variant.num_frames > 1:
            shortest = variant.grid.frame_step + 1
            told.left_out.append(
                f"{clip.name}: too short: {len(frames)} frames at {fps:g} fps; "
                f"at least {shortest} at {variant.fps:g} fps are needed"
            )
            continue
        said = captioned(clip.caption, tuning.trigger)
        caption = caption_for(said, entry, tuning.trigger)
        what = _line(clip, len(frames), fps, cut, variant) + _which(len(frames), fps, cut, variant, tuning)
        told.used.append(f"{what}: {said!r}{_read(said, entry, tuning.trigger)}{beside.line(clip, wanted)}")
        digest, more = digest_of(clip.path), beside.digests(clip, wanted)
        told.examples += [Example(clip, piece, digest, caption, more) for piece in cut]
    if not told.examples:
        reasons = "\n".join(told.left_out[:5])
        raise UserError(f"nothing in {folder} can be used:\n{reasons}")
    return told


def caption_for(prompt: str, entry: Entry, trigger: str) -> str:
    """What the text encoder reads for a prompt: where a model has a vocabulary, its words and the trigger alone."""
    read = _understood(prompt, entry, trigger)
    return read.caption if read else prompt


def _understood(prompt: str, entry: Entry, trigger: str) -> Understanding | None:
    if not entry.variant.vocabulary:
        return None
    vocabulary = Vocabulary.read(entry.require_path() / entry.variant.vocabulary)
    return vocabulary.taught([trigger] if trigger else []).understand(prompt)


def _read(prompt: str, entry: Entry, trigger: str) -> str:
    """What becomes of a caption whose words a model does not all know, or that leaves open what it has to be told."""
    read = _understood(prompt, entry, trigger)
    if read is None or not (read.ignored or read.chosen):
        return ""
    unknown = f"; it does not know {', '.join(read.ignored)}" if read.ignored else ""
    return f", read as {read.caption!r}{unknown}"


def captioned(caption: str, trigger: str) -> str:
    """A caption that names the trigger, once."""
    if not trigger or trigger.lower() in caption.lower().split():
        return caption
    return f"{trigger} {caption}"


def _line(clip: Clip, count: int, fps: float, cut: list[Piece], variant: Variant) -> str:
    bucket: Bucket = cut[0].bucket
    what = f"{count} frames at {fps:g} fps" if count > 1 else "a picture"
    moves = count > 1 and variant.num_frames > 1
    retimed = f", re-timed to {variant.fps:g} fps" if moves and fps != variant.fps else ""
    some = f"{len(cut)} times " if len(cut) > 1 else ""
    return f"{clip.name}: {what}{retimed} -> {some}{bucket}"


def _which(count: int, fps: float, cut: list[Piece], variant: Variant, tuning: Tuning) -> str:
    """Which frames are used, where some are not."""
    every = len(at_hand(count, fps, variant, tuning.extraction))
    if every == len(cut) * cut[0].bucket.num_frames:
        return ""
    return f" ({WHICH[tuning.extraction]} {every})"
