"""Owns the last stage of the second edition: the export, its measurement, its sheets and its card.

Must not know how the networks were trained.
"""

import json
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo

from praxino.errors import UserError
from praxino.training.card import write_sheet
from praxino.training.edition import second
from praxino.training.export import SIZE_LIMIT_BYTES, Trained, folder_bytes, read_folder, write_folder
from praxino.training.grammar import canonical_caption
from praxino.training.lexicon import vocabulary
from praxino.training.live import Clips, tokenizer
from praxino.training.sample import shifted_sigmas
from praxino.training.second_card import SHEET_FRAMES, SecondMaking, write_card
from praxino.training.second_score import draw, move_pictures, score_words
from praxino.training.studio import STAGES, Studio, read_denoiser
from praxino.training.wishes import Wish
from praxino.vocabulary import Vocabulary


def finish(studio: Studio, out: Path) -> Path:
    """Export what draws in the fewest steps, measure the export, and write its sheets and card."""
    settings = studio.settings
    vae: Any = AutoencoderKLLTXVideo.from_pretrained(studio.needs("decoder"))
    sigmas = shifted_sigmas(settings.steps, 1.0)
    clips = Clips(second(), settings.grid, studio.device)
    denoiser = read_denoiser(studio, "halving")
    model = Trained(vae.to(studio.device).eval(), denoiser, tokenizer(), settings.grid, sigmas, second().frame_sizes)
    write_folder(model, out, vocabulary(), clips.stored(64, studio.seed + 31))
    shipped = read_folder(out, settings.grid, studio.device)
    words = score_words(shipped, Vocabulary.read(out / "vocabulary.json"), clips, settings.scored_clips)
    pictures = move_pictures(shipped, clips)
    write_sheet(out, draw(shipped, sheet_captions(), seed=5)[:, SHEET_FRAMES])
    write_card(out, words, pictures, _making(studio, tuple(sigmas)))
    told = ", ".join(f"{kind} {marks.all_right:.0%}" for kind, marks in words.by_words.items())
    studio.on_event(f"all right: {told}; pictures {pictures.motion:.0%}; {folder_bytes(out) / 1e6:.1f} MB")
    if folder_bytes(out) > SIZE_LIMIT_BYTES:
        raise UserError(f"{out} holds {folder_bytes(out)} bytes; the limit is {SIZE_LIMIT_BYTES}: use smaller widths")
    return out


def sheet_captions() -> list[str]:
    """What the sample sheet shows: things from all over the list, motions and grounds going round."""
    edition = second()
    things = list(edition.things)[:: max(1, len(edition.things) // 24)]
    return [
        canonical_caption(
            Wish((thing,), edition.motions[n % len(edition.motions)], edition.grounds[n % len(edition.grounds)])
        )
        for n, thing in enumerate(things)
    ]


def _making(studio: Studio, sigmas: tuple[float, ...]) -> SecondMaking:
    """Read off the stages' last checkpoints."""
    trained = [stage for stage in STAGES if (studio.folder / stage / "progress.json").is_file()]
    minutes = {
        stage: json.loads((studio.folder / stage / "progress.json").read_text())["active_seconds"] / 60
        for stage in trained
    }
    kind = studio.device.type
    hardware = torch.cuda.get_device_name() if kind == "cuda" else "one processor core"
    return SecondMaking(minutes, kind, hardware, sigmas)
