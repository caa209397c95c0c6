"""Owns the flow-matching objective on latent tokens and its image conditioning.

Must not know pictures, captions' meaning or the loop. In the papers' notation: x_t = (1 - t) x_0 + t e, and the
network learns v = e - x_0 (Lipman et al. 2023, arXiv:2210.02747). Latents are (B, T, K) tokens, normalised; T = F h w.
A given first frame is tokens at t = 0; a given last frame is h w further tokens at t = 0 with their own coordinates
(as in diffusers' LTXConditionPipeline).
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from diffusers.models.transformers.transformer_ltx import LTXVideoTransformer3DModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import T5EncoderModel

from praxino.training.dataset import LatentPool, lap
from praxino.training.loop import fast_precision, generator
from praxino.training.text import MAX_TOKENS, TokenBatch

TIMESTEPS = 1000.0
STOCK_TOKENS = 128
"""How far stock pipelines pad captions unless told otherwise."""


@dataclass(frozen=True)
class LatentGrid:
    """Latent frames, height and width of a clip, and how many pixels and frames one cell spans."""

    frames: int = 5
    height: int = 4
    width: int = 4
    pixels: int = 16
    stride: int = 2
    fps: float = 10.0

    @property
    def cells(self) -> int:
        """Tokens a latent frame."""
        return self.height * self.width

    @property
    def num_frames(self) -> int:
        """Frames of the clip."""
        return (self.frames - 1) * self.stride + 1

    def coordinates(self, causal: bool) -> Tensor:
        """(3, T): seconds, row and column. `causal` is max(0, 2f - 1), else 2f, over the frame rate."""
        axes = [torch.arange(n, dtype=torch.float32) for n in (self.frames, self.height, self.width)]
        out = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)
        time = out[0] * self.stride
        out[0] = (time + (1 - self.stride)).clamp(min=0) if causal else time
        out[0] /= self.fps
        out[1:] *= self.pixels
        return out

    def last_frame_coordinates(self) -> Tensor:
        """(3, h w) of a picture given as the last frame."""
        out = self.coordinates(True)[:, : self.cells].clone()
        out[0] = (self.num_frames - 1) / self.fps
        return out


class Denoiser(nn.Module):
    """The transformer and its text encoder, trained together."""

    def __init__(self, transformer: LTXVideoTransformer3DModel, text_encoder: T5EncoderModel) -> None:
        super().__init__()
        self.transformer = transformer
        self.text_encoder = text_encoder

    def read(self, text: TokenBatch, masked: bool) -> Tensor:
        """Encode captions; stock pipelines give T5 no mask, the original does."""
        return self.text_encoder(text.ids, attention_mask=text.mask if masked else None)[0]

    def forward(self, x: Tensor, t: Tensor, text: TokenBatch, states: Tensor, coordinates: Tensor) -> Tensor:
        """Return v (B, T, K). `t` is (B,) or (B, T) in 0..1; `coordinates` (3, T); `states` what `read` gave."""
        # Captions end before MAX_TOKENS: what follows is masked padding, and one length means one compiled graph.
        return self.transformer(
            hidden_states=x,
            encoder_hidden_states=states[:, :MAX_TOKENS],
            timestep=t * TIMESTEPS,
            encoder_attention_mask=text.mask[:, :MAX_TOKENS],
            video_coords=coordinates.expand(len(x), -1, -1),
            return_dict=False,
        )[0]


@dataclass(frozen=True)
class TransformerSize:
    """Width and depth of the transformer."""

    heads: int = 4
    head_width: int = 64
    layers: int = 4


def build_transformer(latent_channels: int, caption_width: int, size: TransformerSize) -> LTXVideoTransformer3DModel:
    """Return an untrained transformer whose first output is zero and whose blocks begin at half strength."""
    width = size.heads * size.head_width
    model = LTXVideoTransformer3DModel(
        in_channels=latent_channels,
        out_channels=latent_channels,
        num_attention_heads=size.heads,
        attention_head_dim=size.head_width,
        cross_attention_dim=width,
        num_layers=size.layers,
        caption_channels=caption_width,
    )
    block: Any
    with torch.no_grad():
        model.proj_out.weight.zero_()
        model.proj_out.bias.zero_()
        model.scale_shift_table.zero_()
        model.time_embed.linear.weight.mul_(0.2)
        for block in model.transformer_blocks:
            block.scale_shift_table.zero_()
            block.scale_shift_table[[2, 5]] = 0.5
    return model


@dataclass(frozen=True)
class FlowTraining:
    """Settings of the objective. Of every eight steps `image_steps` give the first frame, `both_steps` the last too."""

    batch: int = 64
    null_caption: float = 0.1
    image_steps: tuple[int, ...] = (2, 5)
    both_steps: tuple[int, ...] = (7,)
    causal_share: float = 0.75
    time_shift: float = 0.2
    uniform_share: float = 0.15
    seed: int = 0


@dataclass(frozen=True)
class Question:
    """What a network is asked: noisy tokens, those given before them, their times, words and places.

    `x` is (B, T, K), `t` (B,) or (B, T) in 0..1; what is given has time 0. The answer is wanted for the last `asked`
    tokens. `is_null` (B,) tells which captions are `null`.
    """

    x: Tensor
    t: Tensor
    text: TokenBatch
    is_null: Tensor
    null: TokenBatch
    masked: bool
    coordinates: Tensor
    asked: int


class Teacher(Protocol):
    """Gives the answers to learn; `distil` has the kinds there are."""

    @property
    def levels(self) -> tuple[float, ...] | None:
        """The noise levels to learn at, or None for any."""
        ...

    def target(self, question: Question) -> Tensor:
        """The answer to learn, (B, asked, K)."""
        ...


@dataclass(frozen=True)
class Shown:
    """A step's clips: captions, latents (B, T, K), those of each last frame alone (B, T', K), and their grid."""

    text: TokenBatch
    x0: Tensor
    last: Tensor
    grid: LatentGrid


@dataclass(frozen=True)
class Batch:
    """One step's material: clean latents (B, T, K), captions as the network takes them, and what is given."""

    x0: Tensor
    grid: LatentGrid
    text: TokenBatch
    is_null: Tensor
    last: Tensor | None
    keeps_first: bool
    causal: bool
    masked: bool


class Captions(Protocol):
    """Gives tokens for rows of labels (B, 3), and the tokens of the empty caption."""

    null: TokenBatch

    def __call__(self, labels: NDArray[np.int16], has_image: bool, rng: np.random.Generator) -> TokenBatch:
        """Choose and tokenize a caption for each row."""
        ...


class FlowLoss:
    """`loss(step)` of flow matching; what it is shown is `material`'s. All chance comes from (seed, step)."""

    def __init__(
        self,
        denoiser: Denoiser,
        null: TokenBatch,
        training: FlowTraining,
        teacher: Teacher | None = None,
    ) -> None:
        self.denoiser = denoiser
        self.null = null
        self.training = training
        self.teacher = teacher
        self.device = next(denoiser.parameters()).device

    def material(self, step: int, has_image: bool, rng: np.random.Generator) -> Shown:
        """The clips of a step."""
        raise NotImplementedError

    def draw(self, step: int) -> Batch:
        """Choose the clips, captions and task of `step`."""
        training = self.training
        rng = np.random.default_rng((training.seed, step))
        phase = step % 8
        both, image = phase in training.both_steps, phase in training.image_steps
        shown = self.material(step, both or image, rng)
        is_null = torch.from_numpy(rng.random(len(shown.x0)) < training.null_caption)
        masked = bool(rng.random() < 0.5)
        length = (
            MAX_TOKENS
            if masked
            else int(rng.choice([MAX_TOKENS, MAX_TOKENS, 32, STOCK_TOKENS], p=[0.4, 0.2, 0.3, 0.1]))
        )
        ids = torch.where(is_null[:, None], self.null.ids, shown.text.ids)
        mask = torch.where(is_null[:, None], self.null.mask, shown.text.mask)
        return Batch(
            x0=shown.x0,
            grid=shown.grid,
            text=TokenBatch(ids, mask).padded_to(length).to(self.device),
            is_null=is_null.to(self.device),
            last=shown.last if both else None,
            keeps_first=both or image,
            causal=bool(rng.random() < training.causal_share) or both,
            masked=masked,
        )

    def __call__(self, step: int) -> Tensor:
        """Mean squared error of v on the tokens that are not given."""
        batch = self.draw(step)
        chance = generator(self.training.seed, step)
        x0, cells = batch.x0, batch.grid.cells
        t = self._times(len(x0), chance)[:, None].expand(x0.shape[:2]).clone()
        if batch.keeps_first:
            t[:, :cells] = 0
        noise = torch.randn(x0.shape, generator=chance).to(self.device)
        question = self._question(batch, (1 - t[..., None]) * x0 + t[..., None] * noise, t)
        with fast_precision(self.device):
            target = noise - x0 if self.teacher is None else self._told(self.teacher, question)
            v = answer(self.denoiser, question)
        error = (v.float() - target).square().mean(-1)
        return error[:, cells:].mean() if batch.keeps_first else error.mean()

    def _question(self, batch: Batch, x: Tensor, t: Tensor) -> Question:
        """Put what is given beside the noisy tokens `x` (B, T, K), whose times `t` are (B, T)."""
        coordinates = batch.grid.coordinates(batch.causal).to(self.device)
        times, asked = t if batch.keeps_first else t[:, 0], x.shape[1]
        if batch.last is not None:
            x = torch.cat([batch.last, x], 1)
            times = torch.cat([torch.zeros_like(t[:, : batch.grid.cells]), t], 1)
            coordinates = torch.cat([batch.grid.last_frame_coordinates().to(self.device), coordinates], 1)
        return Question(x, times, batch.text, batch.is_null, self.null, batch.masked, coordinates, asked)

    @torch.no_grad()
    def _told(self, teacher: Teacher, question: Question) -> Tensor:
        return teacher.target(question)

    def _times(self, count: int, chance: torch.Generator) -> Tensor:
        """Mostly logit-normal around a little more noise than signal, with a uniform part for the ends."""
        if self.teacher is not None and self.teacher.levels is not None:
            picks = torch.randint(len(self.teacher.levels), (count,), generator=chance)
            return torch.tensor(self.teacher.levels)[picks].to(self.device)
        bell = torch.sigmoid(torch.randn(count, generator=chance) + self.training.time_shift)
        flat = torch.rand(count, generator=chance)
        is_flat = torch.rand(count, generator=chance) < self.training.uniform_share
        return torch.where(is_flat, flat, bell).to(self.device)


def answer(denoiser: Denoiser, question: Question) -> Tensor:
    """Ask for v (B, asked, K), in whatever precision it was computed."""
    states = denoiser.read(question.text, question.masked)
    v = denoiser(question.x, question.t, question.text, states, question.coordinates)
    return v[:, -question.asked :]


class FlowObjective(FlowLoss):
    """Flow matching over a pool of latents."""

    def __init__(
        self,
        denoiser: Denoiser,
        pool: LatentPool,
        captions: Captions,
        grid: LatentGrid,
        training: FlowTraining,
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__(denoiser, captions.null, training, teacher)
        self.grid = grid
        self.pool = pool
        self.captions = captions
        self._named = np.flatnonzero(pool.labels[:, 0] >= 0)
        self._others = np.flatnonzero(pool.labels[:, 0] < 0)

    def material(self, step: int, has_image: bool, rng: np.random.Generator) -> Shown:
        """Clips of the pool; with a picture given, half of them have no name."""
        places = self._places(step, has_image)
        text = self.captions(self.pool.labels[places], has_image, rng)
        return Shown(text, self._tensor(self.pool.tokens[places]), self._tensor(self.pool.last[places]), self.grid)

    def _places(self, step: int, has_image: bool) -> NDArray[np.int64]:
        size = self.training.batch
        if not has_image or not len(self._others):
            return lap(self._named, step, size, self.training.seed)
        half = size // 2
        named = lap(self._named, step, size - half, self.training.seed + 1)
        return np.concatenate([named, lap(self._others, step, half, self.training.seed + 2)])

    def _tensor(self, tokens: NDArray[np.float16]) -> Tensor:
        return torch.from_numpy(tokens.astype(np.float32)).to(self.device)
