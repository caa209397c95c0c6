"""Muon against float64, and which parameters it gets."""

import numpy as np
import pytest
import torch
from torch import nn

from praxino.training.optimizers import NEWTON_SCHULZ, Muon, adamw, orthogonalise, split_parameters


def expected(matrix: np.ndarray, steps: int) -> np.ndarray:
    """The iteration leaves the singular vectors and puts each singular value through the polynomial."""
    a, b, c = NEWTON_SCHULZ
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    s = s / np.linalg.norm(matrix)
    for _ in range(steps):
        s = a * s + b * s**3 + c * s**5
    return u * s @ vt


@pytest.mark.parametrize("shape", [(24, 24), (12, 40), (40, 12)])
@pytest.mark.parametrize("steps", [4, 5])
def test_orthogonalise_keeps_singular_vectors(shape, steps):
    matrix = np.random.default_rng(0).normal(size=shape)
    exact = orthogonalise(torch.from_numpy(matrix), steps).numpy()
    np.testing.assert_allclose(exact, expected(matrix, steps), atol=1e-6)
    single = orthogonalise(torch.from_numpy(matrix).float(), steps).numpy()
    np.testing.assert_allclose(single, expected(matrix, steps), atol=2e-5)


def test_singular_values_come_near_one():
    matrix = torch.from_numpy(np.random.default_rng(1).normal(size=(16, 48)))
    values = torch.linalg.svdvals(orthogonalise(matrix))
    assert values.min() > 0.65
    assert values.max() < 1.25


@pytest.mark.parametrize("shape", [(8, 20), (6, 4, 3, 3, 3)])
def test_two_steps_of_muon_are_those_of_float64(shape):
    rng = np.random.default_rng(2)
    start, gradients = rng.normal(size=shape), [rng.normal(size=shape) for _ in range(2)]
    parameter = nn.Parameter(torch.from_numpy(start).float())
    optimizer = Muon([parameter], lr=0.01)
    weights, momentum = start.copy(), np.zeros(shape)
    for gradient in gradients:
        parameter.grad = torch.from_numpy(gradient).float()
        optimizer.step()
        momentum = 0.95 * momentum + 0.05 * gradient
        direction = (0.05 * gradient + 0.95 * momentum).reshape(shape[0], -1)
        update = expected(direction, 4) * 0.2 * np.sqrt(max(direction.shape))
        weights -= 0.01 * update.reshape(shape)
    np.testing.assert_allclose(parameter.detach().numpy(), weights, atol=2e-6)


def test_parameters_without_gradient_stay():
    parameter = nn.Parameter(torch.ones(4, 4))
    Muon([parameter], lr=1.0).step()
    assert (parameter == 1).all()


def test_muon_gets_the_matrices_of_the_named_parts_and_adamw_the_rest():
    module = nn.ModuleDict(
        {
            "blocks": nn.ModuleList([nn.Linear(40, 40), nn.Conv3d(40, 40, 3), nn.Linear(40, 8)]),
            "embedding": nn.Embedding(50, 40),
        }
    )
    matrices, others = split_parameters(module, ("blocks",))
    assert [p.shape for p in matrices] == [(40, 40), (40, 40, 3, 3, 3)]
    assert len(matrices) + len(others) == len(list(module.parameters()))


def test_adamw_is_stock_and_tells_its_base_rate():
    optimizer = adamw([nn.Parameter(torch.ones(3))], 2e-3)
    assert type(optimizer) is torch.optim.AdamW
    assert all(group["base_lr"] == group["lr"] == 2e-3 for group in optimizer.param_groups)
