"""Owns the recipe of the bundled model's second edition, stage by stage, each in minutes of its own.

Must not know how any stage works inside. A stage leaves its result in a work folder beside the model; called again, it
goes on exactly where it stopped, so that a machine lent for ten minutes at a time can make the whole.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo
from numpy.typing import NDArray

from praxino.errors import UserError
from praxino.training.edition import second
from praxino.training.evaluate import draw_captions
from praxino.training.export import SIZE_LIMIT_BYTES, Trained, folder_bytes, read_folder, write_folder
from praxino.training.flow import Denoiser, FlowTraining, LatentGrid, Teacher, TransformerSize, build_transformer
from praxino.training.grammar import canonical_caption
from praxino.training.judging import Judge, Marks, mark
from praxino.training.lexicon import vocabulary
from praxino.training.live import Clips, LiveFlow, tokenizer
from praxino.training.loop import Loop, LoopSettings, OnEvent, can_compile
from praxino.training.pocket import find_device, flow_optimizers
from praxino.training.sample import encode_tokens, shifted_sigmas
from praxino.training.second_card import write_card
from praxino.training.text import TextSize, build_text_encoder
from praxino.training.vae import (
    DECODER_TRAINING,
    AutoencoderSize,
    AutoencoderTraining,
    build,
    fine_tune,
    psnr_db,
    start_from_principal_components,
    to_video,
)
from praxino.training.wishes import Wish, held_out

STAGES = ("autoencoder", "decoder", "teacher", "student", "finish")
MINUTES = {"autoencoder": 5.0, "decoder": 3.0, "teacher": 12.0, "student": 5.0}
"""How thirty minutes of one large GPU are dealt out; what is left over is for measuring."""


@dataclass(frozen=True)
class SecondSettings:
    """Sizes of the recipe. With these the folder holds under 25 MB in float16."""

    autoencoder: AutoencoderSize = field(default_factory=lambda: AutoencoderSize(112, 120, 128, 64, 3))
    transformer: TransformerSize = field(default_factory=lambda: TransformerSize(4, 64, 5))
    text: TextSize = field(default_factory=TextSize)
    grid: LatentGrid = field(default_factory=lambda: LatentGrid(frames=9, height=8, width=8, fps=12.0))
    autoencoder_training: AutoencoderTraining = field(default_factory=lambda: AutoencoderTraining(batch=16))
    decoder_training: AutoencoderTraining = field(default_factory=lambda: replace(DECODER_TRAINING, batch=24))
    flow: FlowTraining = field(default_factory=lambda: FlowTraining(batch=192))
    max_steps: int | None = None
    """Where set, each stage counts steps and not minutes."""
    compile_from_seconds: float = 240
    drawn_clips: int = 4_000
    pca_clips: int = 400
    muon_lr: float = 2e-3
    adamw_lr: float = 1e-3
    student_factor: float = 0.4
    guidance: float = 3.0
    steps: int = 8
    scored_clips: int = 500


@dataclass(frozen=True)
class Studio:
    """What the stages share. `folder` is the work folder."""

    settings: SecondSettings
    folder: Path
    seed: int
    device: torch.device
    on_event: OnEvent
    stopped: Callable[[], bool] = lambda: False
    """Asked after each step of the teacher and the student: whether to save and leave the rest for another time."""

    def loop(self, minutes: float, ema_decay: float) -> LoopSettings:
        """Settings of one stage's loop."""
        return LoopSettings(minutes * 60, max_steps=self.settings.max_steps, ema_decay=ema_decay)

    def heard(self, stage: str) -> OnEvent:
        """A listener that puts the stage's name before each message."""
        return lambda message: self.on_event(f"{stage}: {message}")

    def needs(self, stage: str) -> Path:
        """What an earlier stage left; UserError where it has not been gone through."""
        done = self.folder / stage / "done"
        if not done.is_dir():
            raise UserError(f"the stage {stage} is not done in {self.folder}; run it first (--stage {stage})")
        return done


def train_stage(
    stage: str,
    minutes: float,
    out: Path,
    *,
    seed: int = 0,
    device: str | None = None,
    pause_after: float = math.inf,
    on_event: OnEvent = lambda message: None,
) -> Path:
    """Go through one of STAGES, or on with it, for `minutes` in all; returns the folder that it leaves.

    The teacher and the student save and leave off `pause_after` minutes from now; the same call goes on.

    Raises UserError for an unknown stage, one whose forerunner is not done, a missing font or device.
    """
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")
    leave = time.monotonic() + 60 * pause_after
    work = out.with_name(out.name + ".work")
    studio = Studio(SecondSettings(), work, seed, find_device(device), on_event, lambda: time.monotonic() > leave)
    return run_stage(studio, stage, minutes, out)


def run_stage(studio: Studio, stage: str, minutes: float, out: Path) -> Path:
    """`train_stage` with settings of one's own."""
    if stage == "finish":
        return finish(studio, out)
    done = studio.folder / stage / "done"
    if done.is_dir():
        studio.on_event(f"{stage} is done already")
    elif stage in ("autoencoder", "decoder"):
        _train_autoencoder(studio, stage, minutes, done)
    else:
        _train_flow(studio, stage, minutes, done)
    return done


def _train_autoencoder(studio: Studio, stage: str, minutes: float, done: Path) -> None:
    """Every weight of the autoencoder, from principal components; or its decoder alone, and then the latents' scale."""
    settings = studio.settings
    is_first = stage == "autoencoder"
    start = None if is_first else studio.needs("autoencoder")
    clips = Clips(second(), settings.grid, studio.device).stored(settings.drawn_clips, studio.seed + 5)
    vae: Any
    if start is None:
        torch.manual_seed(studio.seed)
        vae = build(settings.autoencoder)
        start_from_principal_components(vae, to_video(clips[: settings.pca_clips]))
    else:
        vae = AutoencoderKLLTXVideo.from_pretrained(start)
    vae.to(studio.device, memory_format=torch.channels_last_3d)
    vae.encoder.requires_grad_(is_first)
    training = settings.autoencoder_training if is_first else settings.decoder_training
    fine_tune(
        vae,
        clips,
        replace(training, seed=studio.seed),
        studio.loop(minutes, ema_decay=0.995),
        folder=studio.folder / stage,
        resume=True,
        on_event=studio.heard(stage),
    )
    shown = to_video(clips[: settings.pca_clips]).to(studio.device)
    if not is_first:
        _scale_latents(vae, shown)
    studio.on_event(f"{stage}: {psnr_db(vae, shown):.1f} dB")
    _keep(vae, done)


@torch.no_grad()
def _scale_latents(vae: Any, video: torch.Tensor) -> None:
    """Write the latents' mean and scale: halfway, in logarithm, to unit deviation, as in the first edition."""
    tokens = torch.cat([encode_tokens(vae, part, normalised=False) for part in video.split(16)]).flatten(0, 1)
    deviation = tokens.std(0)
    vae.latents_mean.copy_(tokens.mean(0))
    vae.latents_std.copy_((deviation * deviation.mean()).sqrt())


def _keep(module: Any, done: Path) -> None:
    """Save under a temporary name, then rename."""
    partial = done.with_name("done.part")
    module.save_pretrained(partial)
    partial.rename(done)


def _train_flow(studio: Studio, stage: str, minutes: float, done: Path) -> None:
    """The teacher by flow matching; the student, from the teacher's weights, by its guided answers."""
    settings = studio.settings
    vae = AutoencoderKLLTXVideo.from_pretrained(studio.needs("decoder")).to(studio.device).eval()  # pyright: ignore
    vae.requires_grad_(False)
    torch.manual_seed(studio.seed + 1)
    denoiser = make_denoiser(settings).to(studio.device)
    teacher = None
    if stage == "student":
        teacher = read_denoiser(studio, "teacher").requires_grad_(False)
        denoiser.load_state_dict(teacher.state_dict())
    if settings.max_steps is None and minutes * 60 >= settings.compile_from_seconds and can_compile(studio.device):
        for module in (denoiser, teacher):
            if module is not None:
                module.transformer.compile(dynamic=False)
        torch.compiler.config.recompile_limit = 32
    objective = LiveFlow(
        denoiser,
        vae,
        Clips(second(), settings.grid, studio.device),
        settings.grid,
        replace(settings.flow, seed=studio.seed + STAGES.index(stage)),
        None if teacher is None else Teacher(teacher, settings.guidance),
    )
    factor = 1.0 if teacher is None else settings.student_factor
    optimizers = flow_optimizers(denoiser, settings, factor, studio.device)
    loop = studio.loop(minutes, ema_decay=0.998)
    run = Loop(denoiser, optimizers, objective, loop, folder=studio.folder / stage, on_event=studio.heard(stage))
    progress = run.run(resume=True, stopped=studio.stopped)
    if progress.fraction(loop) < 1:
        studio.on_event(f"{stage}: saved at step {progress.step}; the same command goes on")
        return
    # It may have been stopped at its very last step, where the averages are not yet used.
    run.use_ema()
    partial = done.with_name("done.part")
    denoiser.transformer.save_pretrained(partial / "transformer")
    denoiser.text_encoder.save_pretrained(partial / "text_encoder")
    partial.rename(done)


def make_denoiser(settings: SecondSettings) -> Denoiser:
    """An untrained transformer with its text encoder."""
    text_encoder = build_text_encoder(tokenizer(), settings.text)
    channels = settings.autoencoder.latent_channels
    return Denoiser(build_transformer(channels, settings.text.width, settings.transformer), text_encoder)


def read_denoiser(studio: Studio, stage: str) -> Denoiser:
    """What the teacher's or the student's stage left."""
    from safetensors.torch import load_file

    folder = studio.needs(stage)
    denoiser = make_denoiser(studio.settings)
    denoiser.transformer.load_state_dict(load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors"))
    denoiser.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"), strict=False)
    return denoiser.to(studio.device).eval()


def finish(studio: Studio, out: Path) -> Path:
    """Export the student, score what was exported on held-out combinations, and write the card."""
    settings = studio.settings
    vae: Any = AutoencoderKLLTXVideo.from_pretrained(studio.needs("decoder"))
    sigmas = shifted_sigmas(settings.steps, 1.0)
    student = read_denoiser(studio, "student")
    clips = Clips(second(), settings.grid, studio.device)
    model = Trained(vae.to(studio.device).eval(), student, tokenizer(), settings.grid, sigmas)
    write_folder(model, out, vocabulary(), clips.stored(64, studio.seed + 31))
    shipped = read_folder(out, settings.grid, studio.device)
    marks = score_held_out(shipped, clips, settings.scored_clips)
    write_card(out, marks, sigmas)
    studio.on_event(f"all right: {marks.all_right:.0%} of {marks.count} held out; {folder_bytes(out) / 1e6:.1f} MB")
    if folder_bytes(out) > SIZE_LIMIT_BYTES:
        raise UserError(f"{out} holds {folder_bytes(out)} bytes; the limit is {SIZE_LIMIT_BYTES}: use smaller widths")
    return out


def score_held_out(model: Trained, clips: Clips, count: int, *, batch: int = 32) -> Marks:
    """Draw `count` of the held-out combinations by their canonical captions, and judge them."""
    wishes = [Wish((thing,), motion, ground) for thing, motion, ground in sorted(held_out())[:count]]
    judge = Judge(second(), clips.named, clips.stage.width, clips.stage.height)
    shown: list[Wish] = []
    for first in range(0, count, batch):
        drawn = draw_captions(model, [canonical_caption(wish) for wish in wishes[first : first + batch]], seed=first)
        shown += judge.judge(as_frames(drawn))
    return mark(wishes, shown)


def as_frames(clips: NDArray[np.uint8]) -> torch.Tensor:
    """(B, F, H, W, 3) uint8 -> (B, F, 3, H, W) float in 0..255."""
    return torch.from_numpy(clips).permute(0, 1, 4, 2, 3).float()
