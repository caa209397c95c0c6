"""Owns what the stages of the second edition's recipe share: its sizes, the work folder, and networks left there.

Must not know what any stage does.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file

from praxino.errors import UserError
from praxino.training.flow import Denoiser, FlowTraining, LatentGrid, TransformerSize, build_transformer
from praxino.training.live import tokenizer
from praxino.training.loop import LoopSettings, OnEvent, Progress
from praxino.training.text import TextSize, build_text_encoder
from praxino.training.vae import AutoencoderSize, AutoencoderTraining

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
    decoder_training: AutoencoderTraining = field(default_factory=lambda: AutoencoderTraining(batch=24))
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
        return cls(decoder_training=AutoencoderTraining(batch=8), flow=FlowTraining(batch=32), stills_batch=192)


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


def make_denoiser(settings: SecondSettings) -> Denoiser:
    """An untrained transformer with its text encoder."""
    text_encoder = build_text_encoder(tokenizer(), settings.text)
    channels = settings.autoencoder.latent_channels
    return Denoiser(build_transformer(channels, settings.text.width, settings.transformer), text_encoder)


def read_denoiser(studio: Studio, stage: str) -> Denoiser:
    """What a stage of the transformer left."""
    folder = studio.needs(stage)
    denoiser = make_denoiser(studio.settings)
    denoiser.transformer.load_state_dict(load_file(folder / "transformer" / "diffusion_pytorch_model.safetensors"))
    denoiser.text_encoder.load_state_dict(load_file(folder / "text_encoder" / "model.safetensors"), strict=False)
    return denoiser.to(studio.device).eval()
