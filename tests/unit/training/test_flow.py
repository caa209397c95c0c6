"""The flow-matching objective, its conditions and the distillation of guidance, against float64."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from praxino.training.dataset import LatentPool
from praxino.training.distil import Guided, Halved
from praxino.training.flow import (
    Denoiser,
    FlowObjective,
    FlowTraining,
    LatentGrid,
    TransformerSize,
    build_transformer,
)
from praxino.training.loop import generator
from praxino.training.sample import shifted_sigmas
from praxino.training.text import MAX_TOKENS, TextSize, TokenBatch, build_text_encoder, build_tokenizer, tokenize

GRID = LatentGrid(frames=3, height=2, width=2)
CHANNELS = 6
TRAINING = FlowTraining(batch=6, null_caption=0.4, seed=3)
TEXT_STEP, IMAGE_STEP, BOTH_STEP = 0, 2, 7


@pytest.fixture
def pool():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 6, (40, 3)).astype(np.int16)
    labels[::4] = [-1, 2, -1]
    tokens, last = (rng.normal(size=(40, count, CHANNELS)).astype(np.float16) for count in (12, 4))
    return LatentPool(tokens, last, labels)


class Words:
    """A caption's tokens are its labels plus 3, and the end."""

    def __init__(self):
        end = torch.tensor([[1] + [0] * (MAX_TOKENS - 1)])
        self.null = TokenBatch(end, end)

    def __call__(self, labels, has_image, rng):
        ids = np.zeros((len(labels), MAX_TOKENS), np.int64)
        ids[:, :3], ids[:, 3] = labels + 3, 1
        return TokenBatch(torch.from_numpy(ids), torch.from_numpy((ids > 0).astype(np.int64)))


class Answer(nn.Module):
    """Stands in for a denoiser: its answer is a parameter, so that its gradient tells the target of each token."""

    def __init__(self, tokens=16):
        super().__init__()
        self.v = nn.Parameter(torch.zeros(TRAINING.batch, tokens, CHANNELS))
        self.calls = []

    def read(self, text, masked):
        self.calls.append((text, masked))
        return text.ids[..., None].float()

    def forward(self, x, t, text, states, coordinates):
        self.calls.append((x, t, coordinates))
        return self.v[:, -x.shape[1] :]


class Formula(nn.Module):
    """A teacher with a closed form of the tokens, the times and the caption."""

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(0.3))

    def read(self, text, masked):
        return text.ids[..., None].float()

    def forward(self, x, t, text, states, coordinates):
        t = t[:, None, None] if t.dim() == 1 else t[..., None]
        return self.gain * x + t + states.mean((1, 2))[:, None, None]


def targets(answer, objective, step):
    """What each token's answer is compared with: from the gradient of the mean squared error at zero."""
    answer.v.grad = None
    objective(step).backward()
    grad = answer.v.grad
    asked = GRID.frames * GRID.cells - (GRID.cells if objective.draw(step).keeps_first else 0)
    return -grad * (TRAINING.batch * asked * CHANNELS) / 2


def test_the_answer_sought_is_noise_minus_clip(pool):
    answer = Answer(12)
    objective = FlowObjective(answer, pool, Words(), GRID, TRAINING)
    found = targets(answer, objective, TEXT_STEP)
    x, t, _ = answer.calls[-1]
    x0, t = objective.draw(TEXT_STEP).x0.double(), t[:, None, None].double()
    noise = (x.double() - (1 - t) * x0) / t  # x = (1 - t) x0 + t noise
    torch.testing.assert_close(found, (noise - x0).float(), atol=1e-3, rtol=1e-3)
    assert noise.std().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(("step", "prefix"), [(IMAGE_STEP, 0), (BOTH_STEP, 4)])
def test_given_tokens_are_clean_and_carry_no_loss(pool, step, prefix):
    answer = Answer(12 + prefix)
    objective = FlowObjective(answer, pool, Words(), GRID, TRAINING)
    found, batch = targets(answer, objective, step), objective.draw(step)
    given = prefix + GRID.cells
    assert (found[:, :given] == 0).all()
    assert (found[:, given:] != 0).all()
    x, t, coordinates = answer.calls[-1]
    assert (t[:, :given] == 0).all()
    assert (t[:, given:] > 0).all()
    torch.testing.assert_close(x[:, prefix:given], batch.x0[:, : GRID.cells])
    if prefix:
        torch.testing.assert_close(x[:, :prefix], batch.last)
        torch.testing.assert_close(coordinates[:, :prefix], GRID.last_frame_coordinates())
    assert coordinates.shape == (3, 12 + prefix)


def test_of_eight_steps_two_give_the_first_frame_and_one_both(pool):
    objective = FlowObjective(Answer(), pool, Words(), GRID, TRAINING)
    drawn = [objective.draw(step) for step in range(16)]
    assert [b.keeps_first for b in drawn[:8]] == [False, False, True, False, False, True, False, True]
    assert [b.last is not None for b in drawn] == ([False] * 7 + [True]) * 2


def test_clips_without_names_come_only_with_their_picture(pool):
    objective = FlowObjective(Answer(), pool, Words(), GRID, TRAINING)
    nameless = {tokens.tobytes() for tokens in pool.tokens[pool.labels[:, 0] < 0]}
    for step in range(16):
        batch = objective.draw(step)
        count = sum(x.numpy().astype(np.float16).tobytes() in nameless for x in batch.x0)
        assert count == (3 if batch.keeps_first else 0)


def test_a_lap_shows_every_clip_once(pool):
    training = dataclasses.replace(TRAINING, batch=10, image_steps=(), both_steps=())
    objective = FlowObjective(Answer(), pool, Words(), GRID, training)
    shown = [x.numpy().tobytes() for step in (0, 1, 2) for x in objective.draw(step).x0]
    assert len(set(shown)) == 30 == int((pool.labels[:, 0] >= 0).sum())


def test_a_step_is_decided_by_its_number(pool):
    answer = Answer()
    objective = FlowObjective(answer, pool, Words(), GRID, TRAINING)
    losses = [objective(step).item() for step in (5, 9, 5)]
    assert losses[0] == losses[2] != losses[1]
    other = FlowObjective(answer, pool, Words(), GRID, dataclasses.replace(TRAINING, seed=4))
    assert other(5).item() != losses[0]


@pytest.mark.parametrize("step", [TEXT_STEP, IMAGE_STEP, BOTH_STEP])
def test_the_students_target_is_the_guided_answer_and_for_the_null_caption_the_plain_one(pool, step):
    answer, scale = Answer(16 if step == BOTH_STEP else 12), 3.0
    objective = FlowObjective(answer, pool, Words(), GRID, TRAINING, Guided(Formula(), scale))
    found, batch = targets(answer, objective, step), objective.draw(step)
    x, t, _ = answer.calls[-1]
    t = (t[:, None, None] if t.dim() == 1 else t[..., None]).double()
    length = batch.text.ids.shape[1]
    named = batch.text.ids.double().mean(1)[:, None, None]
    v_c, v_u = (0.3 * x.double() + t + bias for bias in (named, 1 / length))
    expected = v_u + scale * (v_c - v_u)
    expected[batch.is_null] = v_u[batch.is_null]
    assert 0 < batch.is_null.sum() < TRAINING.batch
    asked = found[0, :, 0] != 0
    torch.testing.assert_close(found[:, asked].double(), expected[:, asked], atol=1e-4, rtol=1e-4)
    assert int(asked.sum()) == 12 - (GRID.cells if batch.keeps_first else 0)


@pytest.mark.parametrize("step", [TEXT_STEP, IMAGE_STEP, BOTH_STEP])
def test_a_step_of_the_halved_student_ends_where_two_of_its_teacher_end(pool, step):
    answer, teacher = Answer(16 if step == BOTH_STEP else 12), Formula()
    objective = FlowObjective(answer, pool, Words(), GRID, TRAINING, Halved(teacher, 4))
    found, batch = targets(answer, objective, step), objective.draw(step)
    x, t, _ = answer.calls[-1]
    t = (t[:, None].expand(x.shape[:2]) if t.dim() == 1 else t).double()
    words = batch.text.ids.double().mean(1)[:, None, None]
    asked = found[0, :, 0] != 0
    assert {round(time, 6) for time in t[:, asked].flatten().tolist()} <= {1.0, 0.75, 0.5, 0.25}
    half, moves = 0.125, (t > 0)[..., None]
    midway = x - half * moves * (0.3 * x + t[..., None] + words)
    end = midway - half * moves * (0.3 * midway + (t[..., None] - half * moves) + words)
    torch.testing.assert_close((x - 0.25 * found)[:, asked].double(), end[:, asked], atol=1e-4, rtol=1e-4)
    assert teacher.gain.grad is None


def test_the_teacher_learns_nothing(pool):
    teacher = Formula()
    FlowObjective(Answer(), pool, Words(), GRID, TRAINING, Guided(teacher, 3.0))(0).backward()
    assert teacher.gain.grad is None


def test_times_lie_a_little_towards_noise_and_reach_both_ends(pool):
    objective = FlowObjective(Answer(), pool, Words(), GRID, TRAINING)
    times = objective._times(20_000, generator(0, 0))
    assert 0 < times.min() < 0.01 < 0.99 < times.max() < 1
    assert times.mean().item() == pytest.approx(0.85 * 0.541 + 0.15 * 0.5, abs=0.01)


def test_coordinates_of_the_grid():
    grid = LatentGrid()
    assert (grid.cells, grid.num_frames, grid.coordinates(True).shape) == (16, 9, (3, 80))
    seconds = [grid.coordinates(causal)[0, ::16].mul(10).round().tolist() for causal in (True, False)]
    assert seconds == [[0, 1, 3, 5, 7], [0, 2, 4, 6, 8]]
    assert grid.coordinates(True)[1:, :6].tolist() == [[0, 0, 0, 0, 16, 16], [0, 16, 32, 48, 0, 16]]
    last = grid.last_frame_coordinates()
    assert last.shape == (3, 16)
    assert (last[0] == 0.8).all()


def test_an_untrained_transformer_answers_zero_and_passes_gradients():
    torch.manual_seed(0)
    tokenizer = build_tokenizer(["a", "frog"])
    text_encoder = build_text_encoder(tokenizer, TextSize(32, 16, 32, 1, 2))
    denoiser = Denoiser(build_transformer(CHANNELS, 32, TransformerSize(2, 16, 2)), text_encoder)
    text = tokenize(tokenizer, ["a frog", "a"])
    v = denoiser(
        torch.randn(2, 12, CHANNELS), torch.rand(2, 12), text, denoiser.read(text, True), GRID.coordinates(True)
    )
    assert v.shape == (2, 12, CHANNELS)
    assert (v == 0).all()
    v.sum().backward()
    assert denoiser.transformer.proj_out.weight.grad.abs().sum() > 0


def test_padding_changes_nothing_where_it_is_masked():
    torch.manual_seed(0)
    tokenizer = build_tokenizer(["a", "frog"])
    text_encoder = build_text_encoder(tokenizer, TextSize(32, 16, 32, 1, 2))
    denoiser = Denoiser(build_transformer(CHANNELS, 32, TransformerSize(2, 16, 1)), text_encoder)
    nn.init.normal_(denoiser.transformer.proj_out.weight)
    x, t = torch.randn(1, 12, CHANNELS), torch.rand(1)
    short = tokenize(tokenizer, ["a frog"], 3)
    a, b = (
        denoiser(x, t, text, denoiser.read(text, True), GRID.coordinates(True)) for text in (short, short.padded_to(20))
    )
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)
    assert a.abs().max() > 0.01


def test_shifted_levels_begin_at_one_and_bend_towards_noise():
    assert shifted_sigmas(4, 1.0) == [1.0, 0.75, 0.5, 0.25]
    assert shifted_sigmas(4, 3.0) == [1.0, 0.9, 0.75, 0.5]
