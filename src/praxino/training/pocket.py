"""Owns the recipe of the bundled model: from the sprite font to a scored folder that diffusers loads.

Must not know how any stage works inside. `train` splits its minutes among the stages; each leaves its result in a
work folder beside the model, so that a run taken up again skips what is done and goes on in the middle of what is not.
"""

import json
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from numpy.typing import NDArray
from torch import nn

from praxino.errors import UserError
from praxino.training.caption_source import CaptionSource
from praxino.training.captions import taught_words
from praxino.training.card import Making, write_card, write_sheet
from praxino.training.dataset import ClipRow, Combination, LatentPool, drawn_clips, encode_pool, split
from praxino.training.distil import Guided
from praxino.training.evaluate import choose_sigmas, draw, evaluate
from praxino.training.export import SIZE_LIMIT_BYTES, Trained, folder_bytes, read_folder, write_folder
from praxino.training.flow import (
    Denoiser,
    FlowObjective,
    FlowTraining,
    LatentGrid,
    TransformerSize,
    build_transformer,
)
from praxino.training.loop import Loop, LoopSettings, OnEvent, bf16_is_fast, can_compile, fast_precision
from praxino.training.motions import GROUNDS, MOTIONS
from praxino.training.optimizers import Muon, adamw, split_parameters
from praxino.training.sample import encode_tokens, shifted_sigmas
from praxino.training.sprites import THINGS, other_sprites
from praxino.training.text import TextSize, build_text_encoder, build_tokenizer
from praxino.training.vae import (
    DECODER_TRAINING,
    AutoencoderSize,
    AutoencoderTraining,
    build,
    fine_tune,
    start_from_principal_components,
    to_video,
)


@dataclass(frozen=True)
class PocketSettings:
    """Sizes and shares of the recipe. The shares of the minutes leave the rest to measuring."""

    autoencoder: AutoencoderSize = field(default_factory=AutoencoderSize)
    transformer: TransformerSize = field(default_factory=TransformerSize)
    text: TextSize = field(default_factory=TextSize)
    grid: LatentGrid = field(default_factory=LatentGrid)
    autoencoder_training: AutoencoderTraining = field(default_factory=AutoencoderTraining)
    decoder_training: AutoencoderTraining = DECODER_TRAINING
    flow: FlowTraining = field(default_factory=FlowTraining)
    autoencoder_share: float = 0.10
    decoder_share: float = 0.08
    pool_share: float = 0.06
    teacher_share: float = 0.48
    student_share: float = 0.24
    max_steps: int | None = None
    """Where set, each stage counts steps and not minutes."""
    compile_from_seconds: float = 600
    """A stage at least this long compiles its transformers: that takes two minutes and makes a step two to three times
    as fast."""
    pca_clips: int = 700
    drawn_clips: int = 9_000
    """Clips that the autoencoder is trained on; the first `pca_clips` of them give its start."""
    pool_clips: int = 40_000
    pool_other_share: float = 0.35
    muon_lr: float = 2e-3
    adamw_lr: float = 1e-3
    student_factor: float = 0.4
    """The student begins where the teacher ended: its learning rates are this much lower."""
    guidance: float = 3.0
    steps: int = 8
    shifts: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0)
    """Noise schedules to choose from, by score."""
    scored_clips: int = 78


@dataclass(frozen=True)
class Workshop:
    """What the stages share."""

    settings: PocketSettings
    folder: Path
    seed: int
    resume: bool
    device: torch.device
    on_event: OnEvent

    def loop(self, seconds: float, ema_decay: float) -> LoopSettings:
        """Settings of one stage's loop."""
        return LoopSettings(seconds, max_steps=self.settings.max_steps, ema_decay=ema_decay)

    def heard(self, stage: str) -> OnEvent:
        """A listener that puts the stage's name before each message."""
        return lambda message: self.on_event(f"{stage}: {message}")

    def making(self, sigmas: tuple[float, ...]) -> Making:
        """How the model was made, for the card, read off the stages' last checkpoints."""
        minutes, samples = {}, {}
        settings = self.settings
        batches = {"autoencoder": settings.autoencoder_training.batch, "decoder": settings.decoder_training.batch}
        for stage in ("autoencoder", "decoder", "teacher", "student"):
            progress = json.loads((self.folder / stage / "progress.json").read_text())
            minutes[stage] = progress["active_seconds"] / 60
            samples[stage] = progress["step"] * batches.get(stage, settings.flow.batch)
        on_gpu = self.device.type == "cuda"
        hardware = torch.cuda.get_device_name() if on_gpu else f"{os.cpu_count()} CPU cores"
        return Making(minutes, samples, hardware, len(other_sprites()), len(split()[1]), sigmas)


def train(
    minutes: float,
    out: Path,
    *,
    seed: int = 0,
    resume: bool = False,
    device: str | None = None,
    on_event: OnEvent = lambda message: None,
) -> Path:
    """Make the bundled model in about `minutes`, and return its folder `out`, scored and with its card.

    A script calls it under `if __name__ == "__main__":`, since the processes that draw clips import that script again.
    Raises UserError where the sprite font or the device is missing, or `out` holds a model or an unfinished run and
    `resume` is not set.
    """
    if minutes <= 0:
        raise UserError(f"minutes is {minutes}; it must be above 0")
    if (out / "model_index.json").is_file() and not resume:
        raise UserError(f"{out} already holds a model; choose another folder, or resume")
    work = out.with_name(out.name + ".work")
    if work.exists() and not resume:
        raise UserError(f"{work} holds an unfinished run; resume it, or remove that folder to begin anew")
    return run(Workshop(PocketSettings(), work, seed, resume, find_device(device), on_event), minutes, out)


def find_device(name: str | None) -> torch.device:
    """The device of that name, or the best there is; UserError where this machine lacks it."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError) as problem:
        reason = str(problem).splitlines()[0]
        raise UserError(f"device {name!r} cannot be used here ({reason}); cpu always can") from problem
    return device


def run(shop: Workshop, minutes: float, out: Path) -> Path:
    """Go through the stages; `train` with settings of one's own."""
    settings = shop.settings
    vae = train_autoencoder(shop, minutes * settings.autoencoder_share * 60, minutes * settings.decoder_share * 60)
    pool = encode_clips(shop, vae, minutes * settings.pool_share * 60)
    teacher = train_flow(shop, pool, "teacher", minutes * settings.teacher_share * 60)
    student = train_flow(shop, pool, "student", minutes * settings.student_share * 60, teacher)
    finish(shop, vae, student, out)
    return out


def train_autoencoder(shop: Workshop, seconds: float, decoder_seconds: float) -> AutoencoderKLLTXVideo:
    """Stage one: the autoencoder, on the trained combinations and on every other emoji; then its decoder alone.

    Most of what fine-tuning gains is the decoder's, and alone it takes a third of the time a clip.
    """
    done, settings = shop.folder / "autoencoder" / "done", shop.settings
    vae: Any
    if done.is_dir():
        vae = AutoencoderKLLTXVideo.from_pretrained(done)
        return vae.to(shop.device)
    torch.manual_seed(shop.seed)
    vae = build(settings.autoencoder)
    row = ClipRow(seed=shop.seed + 5, other_share=0.4)
    shop.on_event(f"drawing {settings.drawn_clips:,} clips")
    clips = drawn_clips(row, settings.drawn_clips, shop.folder)
    start_from_principal_components(vae, to_video(np.array(clips[: settings.pca_clips])))
    vae.to(shop.device, memory_format=torch.channels_last_3d)
    for stage, training, budget in (
        ("autoencoder", settings.autoencoder_training, seconds),
        ("decoder", settings.decoder_training, decoder_seconds),
    ):
        vae.encoder.requires_grad_(stage == "autoencoder")
        fine_tune(
            vae,
            clips,
            replace(training, seed=shop.seed),
            shop.loop(budget, ema_decay=0.995),
            folder=shop.folder / stage,
            resume=shop.resume,
            on_event=shop.heard(stage),
        )
    partial = done.with_name("done.part")
    vae.save_pretrained(partial)
    partial.rename(done)
    return vae


def encode_clips(shop: Workshop, vae: AutoencoderKLLTXVideo, seconds: float = math.inf) -> LatentPool:
    """Stage two: a pool of normalised latents; their mean and deviation go into the autoencoder."""
    folder, settings = shop.folder / "pool", shop.settings
    if not LatentPool.is_in(folder):
        row = ClipRow(seed=shop.seed + 7, other_share=settings.pool_other_share)
        shop.on_event(f"encoding up to {settings.pool_clips:,} clips")
        encode_pool(row, settings.pool_clips, lambda frames: _encode(vae, frames), seconds=seconds).save(folder)
    pool = LatentPool.load(folder)
    shop.on_event(f"{len(pool.labels):,} clips encoded")
    mean, deviation = pool.moments()
    # Halfway, in logarithm, to unit deviation: channels that carry more stay larger, and are learnt first.
    deviation = np.sqrt(deviation * deviation.mean())
    vae.latents_mean.copy_(torch.from_numpy(mean))
    vae.latents_std.copy_(torch.from_numpy(deviation))
    return pool.normalised(mean, deviation)


@torch.no_grad()
def _encode(vae: AutoencoderKLLTXVideo, frames: NDArray[np.uint8]) -> NDArray[np.float16]:
    video = to_video(frames).to(vae.device).contiguous(memory_format=torch.channels_last_3d)
    with fast_precision(vae.device):
        return encode_tokens(vae, video, normalised=False).cpu().numpy().astype(np.float16)


def train_flow(
    shop: Workshop, pool: LatentPool, stage: str, seconds: float, teacher: Denoiser | None = None
) -> Denoiser:
    """Stages three and four: the teacher by flow matching; the student from the teacher's guided answers."""
    settings = shop.settings
    torch.manual_seed(shop.seed + 1)
    denoiser = make_denoiser(settings).to(shop.device)
    factor = 1.0
    if teacher is not None:
        denoiser.load_state_dict(teacher.state_dict())
        teacher.requires_grad_(False)
        factor = settings.student_factor
    if settings.max_steps is None and seconds >= settings.compile_from_seconds and can_compile(shop.device):
        for module in (denoiser, teacher):
            if module is not None:
                module.transformer.compile(dynamic=False)
        # One graph for each shape: with and without a picture, for teacher and student, for each length of caption.
        torch.compiler.config.recompile_limit = 32
    objective = FlowObjective(
        denoiser,
        pool,
        CaptionSource(),
        settings.grid,
        replace(settings.flow, seed=shop.seed if teacher is None else shop.seed + 1),
        None if teacher is None else Guided(teacher, settings.guidance),
    )
    loop = Loop(
        denoiser,
        flow_optimizers(denoiser, settings, factor, shop.device),
        objective,
        shop.loop(seconds, ema_decay=0.998),
        folder=shop.folder / stage,
        on_event=shop.heard(stage),
    )
    loop.run(resume=shop.resume)
    # A fresh one, since a compiled transformer would be compiled again for each of the sampler's shapes.
    trained = make_denoiser(settings).to(shop.device)
    trained.load_state_dict(denoiser.state_dict())
    return trained.eval()


def make_denoiser(settings: PocketSettings) -> Denoiser:
    """An untrained transformer with its text encoder."""
    text_encoder = build_text_encoder(build_tokenizer(taught_words()), settings.text)
    channels = settings.autoencoder.latent_channels
    return Denoiser(build_transformer(channels, settings.text.width, settings.transformer), text_encoder)


class LearningRates(Protocol):
    """What both editions' settings tell."""

    @property
    def muon_lr(self) -> float:
        """Of the blocks' matrices."""
        ...

    @property
    def adamw_lr(self) -> float:
        """Of the rest."""
        ...


def flow_optimizers(
    denoiser: nn.Module, settings: LearningRates, factor: float, device: torch.device
) -> list[torch.optim.Optimizer]:
    """Muon for the blocks' matrices, AdamW for the rest."""
    matrices, others = split_parameters(denoiser, ("transformer.transformer_blocks",))
    precision = torch.bfloat16 if bf16_is_fast(device) else torch.float32
    return [
        Muon(matrices, settings.muon_lr * factor, dtype=precision),
        adamw(others, settings.adamw_lr * factor),
    ]


def finish(shop: Workshop, vae: AutoencoderKLLTXVideo, student: Denoiser, out: Path) -> None:
    """Last stage: choose the noise levels, export, measure what was exported, and write the card."""
    settings = shop.settings
    candidates = [shifted_sigmas(settings.steps, shift) for shift in settings.shifts]
    tokenizer = build_tokenizer(taught_words())
    model = Trained(vae.float().eval(), student, tokenizer, settings.grid, candidates[0])
    if len(candidates) > 1:
        model = replace(model, sigmas=choose_sigmas(model, candidates, settings.scored_clips))
    shop.on_event(f"noise levels: {list(model.sigmas)}")
    write_folder(model, out)
    shipped = read_folder(out, settings.grid, shop.device)
    evaluation = evaluate(shipped, settings.scored_clips)
    write_sheet(out, draw(shipped, sheet_wishes(), seed=5))
    write_card(out, evaluation, shop.making(tuple(model.sigmas)))
    shop.on_event(
        f"all three right: trained {evaluation.trained.all_three:.0%}, held out {evaluation.held_out.all_three:.0%}; "
        f"reconstruction {evaluation.clips_db:.1f} dB; {folder_bytes(out) / 1e6:.1f} MB"
    )
    if folder_bytes(out) > SIZE_LIMIT_BYTES:
        raise UserError(f"{out} holds {folder_bytes(out)} bytes; the limit is {SIZE_LIMIT_BYTES}: use smaller widths")


def sheet_wishes() -> list[Combination]:
    """What the sample sheet shows: every thing once, motions and grounds going round."""
    motions, grounds = list(MOTIONS), list(GROUNDS)
    return [
        Combination(thing, motions[place % len(motions)], grounds[place % len(grounds)])
        for place, thing in enumerate(THINGS)
    ]
