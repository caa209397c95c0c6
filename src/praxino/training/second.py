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
from praxino.training.affine import AffineEncoder
from praxino.training.distil import Guided, Halved
from praxino.training.edition import second
from praxino.training.evaluate import draw_captions
from praxino.training.export import SIZE_LIMIT_BYTES, Trained, folder_bytes, read_folder, write_folder
from praxino.training.flow import Denoiser, FlowTraining, LatentGrid, Teacher, TransformerSize, build_transformer
from praxino.training.grammar import canonical_caption
from praxino.training.judging import Judge, Marks, mark
from praxino.training.lexicon import vocabulary
from praxino.training.live import Clips, LiveFlow, Showing, tokenizer
from praxino.training.loop import Loop, LoopSettings, OnEvent, Progress, can_compile
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

STAGES = ("autoencoder", "decoder", "stills", "teacher", "student", "halving", "finish")
FORERUNNERS = {"teacher": "stills", "student": "teacher", "halving": "student"}
"""Whose weights a stage of the transformer begins with."""


@dataclass(frozen=True)
class SecondSettings:
    """Sizes of the recipe. With these the folder holds under 25 MB in float16."""

    autoencoder: AutoencoderSize = field(default_factory=lambda: AutoencoderSize(112, 120, 128, 64, 3))
    transformer: TransformerSize = field(default_factory=lambda: TransformerSize(4, 64, 5))
    text: TextSize = field(default_factory=TextSize)
    grid: LatentGrid = field(default_factory=lambda: LatentGrid(frames=9, height=8, width=8, fps=12.0))
    decoder_training: AutoencoderTraining = field(default_factory=lambda: replace(DECODER_TRAINING, batch=24))
    flow: FlowTraining = field(default_factory=lambda: FlowTraining(batch=192))
    stills_batch: int = 1024
    other_sizes: float = 0.25
    """Share of steps at another size than the usual one."""
    max_steps: int | None = None
    """Where set, each stage counts steps and not minutes."""
    compile_from_seconds: float = 240
    drawn_clips: int = 2_000
    pca_clips: int = 400
    muon_lr: float = 2e-3
    adamw_lr: float = 1e-3
    follower_factor: float = 0.4
    """What begins where another ended, as students do, learns at rates so much lower."""
    guidance: float = 3.0
    steps: int = 4
    scored_clips: int = 500

    @classmethod
    def of(cls, device: torch.device) -> "SecondSettings":
        """The usual ones; on a processor with batches of which it does a step in seconds."""
        if device.type != "cpu":
            return cls()
        return cls(decoder_training=replace(DECODER_TRAINING, batch=8), flow=FlowTraining(batch=32), stills_batch=192)


@dataclass(frozen=True)
class Studio:
    """What the stages share. `folder` is the work folder."""

    settings: SecondSettings
    folder: Path
    seed: int
    device: torch.device
    on_event: OnEvent
    stopped: Callable[[], bool] = lambda: False
    """Asked after each step: whether to save and leave the rest for another time."""

    def loop(self, minutes: float, ema_decay: float) -> LoopSettings:
        """Settings of one stage's loop; on a processor its minutes are those that it works."""
        is_slow = self.device.type == "cpu"
        return LoopSettings(
            minutes * 60,
            max_steps=self.settings.max_steps,
            is_processor_time=is_slow,
            ema_decay=ema_decay,
            checkpoint_seconds=90 if is_slow else 240,
        )

    def heard(self, stage: str) -> OnEvent:
        """A listener that puts the stage's name before each message."""
        return lambda message: self.on_event(f"{stage}: {message}")

    def needs(self, stage: str) -> Path:
        """What an earlier stage left; UserError where it has not been gone through."""
        done = self.folder / stage / "done"
        if not done.is_dir():
            raise UserError(f"the stage {stage} is not done in {self.folder}; run it first (--stage {stage})")
        return done

    def is_left(self, progress: Progress, loop: LoopSettings, stage: str) -> bool:
        """Whether a stage stopped before its budget was used, which is told."""
        if progress.fraction(loop) >= 1:
            return False
        self.on_event(f"{stage}: saved at step {progress.step}; the same command goes on")
        return True


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

    It saves and leaves off `pause_after` minutes from now; the same call goes on. The autoencoder and the finish have
    nothing to leave off: `minutes` means nothing to them.

    Raises UserError for an unknown stage, one whose forerunner is not done, a missing font or device.
    """
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}; there are {', '.join(STAGES)}")
    leave = time.monotonic() + 60 * pause_after
    work = out.with_name(out.name + ".work")
    place = find_device(device)
    studio = Studio(SecondSettings.of(place), work, seed, place, on_event, lambda: time.monotonic() > leave)
    return run_stage(studio, stage, minutes, out)


def run_stage(studio: Studio, stage: str, minutes: float, out: Path) -> Path:
    """`train_stage` with settings of one's own."""
    if stage == "finish":
        return finish(studio, out)
    done = studio.folder / stage / "done"
    if done.is_dir():
        studio.on_event(f"{stage} is done already")
    elif stage == "autoencoder":
        _start_autoencoder(studio, done)
    elif stage == "decoder":
        _train_decoder(studio, minutes, done)
    else:
        _train_flow(studio, stage, minutes, done)
    return done


def _start_autoencoder(studio: Studio, done: Path) -> None:
    """The autoencoder as principal components alone, and its latents' scale: the encoder stays so."""
    settings = studio.settings
    video = to_video(Clips(second(), settings.grid, studio.device).stored(settings.pca_clips, studio.seed + 5))
    torch.manual_seed(studio.seed)
    vae = build(settings.autoencoder)
    start_from_principal_components(vae, video, encoder_learns=False)
    _scale_latents(vae, video)
    studio.on_event(f"autoencoder: {psnr_db(vae, video[:64]):.1f} dB from principal components alone")
    _keep(vae, done)


def _train_decoder(studio: Studio, minutes: float, done: Path) -> None:
    """The autoencoder's decoder; the transformer can be trained before it, or beside it."""
    settings = studio.settings
    vae: Any = AutoencoderKLLTXVideo.from_pretrained(studio.needs("autoencoder"))
    vae.to(studio.device, memory_format=torch.channels_last_3d)
    vae.encoder.requires_grad_(False)
    clips = Clips(second(), settings.grid, studio.device)
    loop = studio.loop(minutes, ema_decay=0.995)
    progress = fine_tune(
        vae,
        clips.mapped(settings.drawn_clips, studio.seed + 6, studio.folder / "decoder" / "clips.npy"),
        replace(settings.decoder_training, seed=studio.seed),
        loop,
        folder=studio.folder / "decoder",
        resume=True,
        on_event=studio.heard("decoder"),
        stopped=studio.stopped,
    )
    if studio.is_left(progress, loop, "decoder"):
        return
    unseen = to_video(clips.stored(64, studio.seed + 31)).to(studio.device)
    studio.on_event(f"decoder: {psnr_db(vae, unseen):.1f} dB of clips that it was not shown")
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
    """The transformer: on single frames, then on clips, then guided answers in one pass, then half the steps."""
    settings = studio.settings
    vae: Any = AutoencoderKLLTXVideo.from_pretrained(studio.needs("autoencoder"))
    torch.manual_seed(studio.seed + 1)
    denoiser = make_denoiser(settings).to(studio.device)
    forerunner = None
    if stage in FORERUNNERS:
        forerunner = read_denoiser(studio, FORERUNNERS[stage]).requires_grad_(False)
        denoiser.load_state_dict(forerunner.state_dict())
    if settings.max_steps is None and minutes * 60 >= settings.compile_from_seconds and can_compile(studio.device):
        for module in (denoiser, forerunner):
            if module is not None:
                module.transformer.compile(dynamic=False)
        # One graph for each shape: sizes, with and without a picture, for teacher and student.
        torch.compiler.config.recompile_limit = 64
    objective = _objective(studio, stage, denoiser, forerunner, AffineEncoder(vae.to(studio.device)))
    factor = settings.follower_factor if stage in ("student", "halving") else 1.0
    optimizers = flow_optimizers(denoiser, settings, factor, studio.device)
    loop = studio.loop(minutes, ema_decay=0.998)
    run = Loop(denoiser, optimizers, objective, loop, folder=studio.folder / stage, on_event=studio.heard(stage))
    if studio.is_left(run.run(resume=True, stopped=studio.stopped), loop, stage):
        return
    # It may have been stopped at its very last step, where the averages are not yet used.
    run.use_ema()
    partial = done.with_name("done.part")
    denoiser.transformer.save_pretrained(partial / "transformer")
    denoiser.text_encoder.save_pretrained(partial / "text_encoder")
    partial.rename(done)


def _objective(
    studio: Studio, stage: str, denoiser: Denoiser, forerunner: Denoiser | None, encode: AffineEncoder
) -> LiveFlow:
    """What a stage of the transformer learns, from which clips."""
    settings, is_still = studio.settings, stage == "stills"
    training = replace(settings.flow, seed=studio.seed + STAGES.index(stage))
    if is_still:
        # A single frame that is given leaves nothing to learn.
        training = replace(training, batch=settings.stills_batch, image_steps=(), both_steps=())
    teacher: Teacher | None = None
    if forerunner is not None and stage == "student":
        teacher = Guided(forerunner, settings.guidance)
    if forerunner is not None and stage == "halving":
        teacher = Halved(forerunner, settings.steps)
    clips = Clips(second(), settings.grid, studio.device)
    return LiveFlow(denoiser, encode, clips, training, Showing(is_still, settings.other_sizes), teacher)


def make_denoiser(settings: SecondSettings) -> Denoiser:
    """An untrained transformer with its text encoder."""
    text_encoder = build_text_encoder(tokenizer(), settings.text)
    channels = settings.autoencoder.latent_channels
    return Denoiser(build_transformer(channels, settings.text.width, settings.transformer), text_encoder)


def read_denoiser(studio: Studio, stage: str) -> Denoiser:
    """What a stage of the transformer left."""
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
    student = read_denoiser(studio, "halving")
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
