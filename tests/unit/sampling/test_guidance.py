import numpy as np
import pytest
import torch

from praxino.sampling import guidance


def predictions(count=3):
    generator = torch.Generator().manual_seed(5)
    return [torch.randn(2, 6, 4, generator=generator, dtype=torch.float64) for _ in range(count)]


def by_hand(v_t, v_u, v_p, scales, star):
    """FIELD order, sample by sample, in numpy."""
    (w, s, r), out = scales, []
    for t, u, p in zip(v_t.numpy(), v_u.numpy(), v_p.numpy(), strict=True):
        if star:
            u = u * (t * u).sum() / ((u**2).sum() + 1e-8)
        v = u + w * (t - u) if w > 1 else t
        if s > 0:
            v = v + s * (t - p)
            if r != 1:
                v = v * (r * t.std(ddof=1) / v.std(ddof=1) + 1 - r)
        out.append(v)
    return np.stack(out)


@pytest.mark.parametrize("star", [False, True])
@pytest.mark.parametrize(("w", "s", "r"), [(3, 0, 1), (3, 1, 0.7), (1, 1, 0.7), (6, 4, 0.5), (3, 1, 1), (3, 0, 0.7)])
def test_combine_is_the_formula_in_the_authors_order(w, s, r, star):
    v_t, v_u, v_p = predictions()
    combined = guidance.combine(v_t, v_u if w > 1 else None, v_p if s > 0 else None, (w, s, r), star)
    np.testing.assert_allclose(combined.numpy(), by_hand(v_t, v_u, v_p, (w, s, r), star), atol=1e-12)


def test_text_alone_is_left_alone():
    v_t, _, _ = predictions()
    assert guidance.combine(v_t, None, None, (1, 0, 0.7), True) is v_t


def test_star_leaves_only_what_the_text_does_not_share():
    v_t, v_u, _ = predictions()
    left = (v_t - guidance.cfg_star(v_t, v_u)).flatten(1)
    assert (left * v_u.flatten(1)).sum(1).abs().max() < 1e-6


def test_full_rescale_gives_the_texts_deviation():
    v_t, v_u, _ = predictions()
    rescaled = guidance.rescale(guidance.cfg(v_t, v_u, 7), v_t, 1.0)
    torch.testing.assert_close(rescaled.flatten(1).std(1), v_t.flatten(1).std(1))


@pytest.mark.parametrize(("sigma", "index"), [(1.0, 0), (0.999, 1), (0.9, 1), (0.5, 2), (0.01, 2)])
def test_a_phase_holds_until_the_next_begins(sigma, index):
    assert guidance.phase_index((1.0, 0.999, 0.5), sigma) == index
