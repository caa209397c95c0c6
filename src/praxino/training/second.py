"""Owns the recipe of the bundled model's second edition, stage by stage, each in minutes of its own.

Must not know how any stage works inside. A stage leaves its result in a work folder beside the model; called again, it
goes on exactly where it stopped, so that a machine lent for ten minutes at a time can make the whole.
"""

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx import AutoencoderKLLTXVideo

from praxino.errors import UserError
from praxino.training.affine import AffineEncoder
from praxino.training.distil import Guided, Halved
from praxino.training.edition import second
from praxino.training.flow import Denoiser, Teacher
from praxino.training.live import Clips, LiveFlow, Showing
from praxino.training.loop import Loop, OnEvent, can_compile
from praxino.training.pocket import find_device, flow_optimizers
from praxino.training.sample import encode_tokens
from praxino.training.second_finish import finish
from praxino.training.studio import FORERUNNERS, STAGES, SecondSettings, Studio, make_denoiser, read_denoiser
from praxino.training.vae import build, fine_tune, psnr_db, start_from_principal_components, to_video


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
