import dataclasses

import numpy as np
import pytest
import torch

from praxino.families._phases import ZEROED
from praxino.sampling import guidance

PROJECTED = guidance.Guider(projection=guidance.Projection())


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
            v = v * ((1 - r) * t.std(ddof=1) / v.std(ddof=1) + r)
        out.append(v)
    return np.stack(out)


@pytest.mark.parametrize("star", [False, True])
@pytest.mark.parametrize(("w", "s", "r"), [(3, 0, 1), (3, 1, 0.7), (1, 1, 0.7), (6, 4, 0.5), (3, 1, 1), (3, 0, 0.7)])
def test_combine_is_the_formula_in_the_authors_order(w, s, r, star):
    v_t, v_u, v_p = predictions()
    given = v_u if w > 1 else None, v_p if s > 0 else None
    combined, running = guidance.combine(v_t, *given, (w, s, r), guidance.Guider(star))
    assert running is None
    np.testing.assert_allclose(combined.numpy(), by_hand(v_t, v_u, v_p, (w, s, r), star), atol=1e-12)


def test_text_alone_is_left_alone():
    v_t, _, _ = predictions()
    for guider in (guidance.PLAIN, guidance.Guider(star=True), PROJECTED):
        assert guidance.combine(v_t, None, None, (1, 0, 0.7), guider)[0] is v_t


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


def steps_of(shape=(2, 4, 3, 5, 6), count=3):
    generator = torch.Generator().manual_seed(11)
    return [torch.randn(2, *shape, generator=generator) for _ in range(count)]


@pytest.mark.parametrize("momentum", [None, -0.75, 0.5])
@pytest.mark.parametrize(("eta", "threshold"), [(0.0, 55.0), (0.0, 4.0), (0.4, 15.0), (1.0, 0.0)])
def test_apg_is_that_of_diffusers_guider_over_several_steps(eta, threshold, momentum):
    from diffusers.guiders.adaptive_projected_guidance import AdaptiveProjectedGuidance

    scale, before = 6.0, None
    guider = AdaptiveProjectedGuidance(scale - 1, momentum, threshold, None, eta, use_original_formulation=True)
    ours = guidance.Projection(eta, threshold, momentum or 0.0)
    for step, (v_t, v_u) in enumerate(steps_of()):
        guider.set_state(step, 3, torch.tensor(1000 - step))
        guider.prepare_inputs({"x": (v_t, v_u)})
        combined, before = guidance.apg(v_t, v_u, scale, ours, before)
        torch.testing.assert_close(combined, guider.forward(v_t, v_u).pred, rtol=1e-6, atol=1e-6)


def test_apg_without_projection_is_cfg():
    (v_t, v_u), *_ = steps_of()
    combined, _ = guidance.apg(v_t, v_u, 5.0, guidance.Projection(1.0, 0.0, 0.0), None)
    torch.testing.assert_close(combined, guidance.cfg(v_t, v_u, 5.0), rtol=1e-5, atol=1e-5)


def test_apg_adds_nothing_along_the_texts_prediction():
    (v_t, v_u), *_ = steps_of()
    combined, _ = guidance.apg(v_t.double(), v_u.double(), 5.0, guidance.Projection(), None)
    assert ((combined - v_t).flatten(1) * v_t.flatten(1)).sum(1).abs().max() < 1e-9


def test_apg_carries_its_running_guidance_and_nothing_else():
    first, second, _ = steps_of()
    plain = guidance.Projection()
    _, before = guidance.apg(*first, 5.0, plain, None)
    torch.testing.assert_close(before, first[0] - first[1])
    _, carried = guidance.apg(*second, 5.0, plain, before)
    torch.testing.assert_close(carried, second[0] - second[1] - 0.75 * before)
    still, _ = guidance.apg(*second, 5.0, dataclasses.replace(plain, momentum=0.0), before)
    assert torch.equal(still, guidance.apg(*second, 5.0, dataclasses.replace(plain, momentum=0.0), None)[0])


def test_cfg_zero_star_is_that_of_diffusers_guider_from_the_first_step_on():
    from diffusers.guiders.classifier_free_zero_star_guidance import ClassifierFreeZeroStarGuidance

    guider = ClassifierFreeZeroStarGuidance(guidance_scale=5.0, zero_init_steps=1)
    for step, (v_t, v_u) in enumerate(steps_of()):
        guider.set_state(step, 3, torch.tensor(1000 - step))
        combined = guidance.combine(v_t, v_u, None, (5.0, 0.0, 1.0), guidance.Guider(True))[0] * (step >= ZEROED)
        torch.testing.assert_close(combined, guider.forward(v_t, v_u).pred, rtol=1e-5, atol=1e-5)
        assert bool(combined.abs().sum() == 0) == (step == 0)


@pytest.mark.parametrize("shape", [(5, 4), (4, 3, 5, 6)])
def test_statistics_run_over_each_sample_whatever_its_rank(shape):
    (v_t, v_u), (v_p, _), _ = steps_of(shape)
    both, _ = guidance.combine(v_t, v_u, v_p, (5.0, 1.0, 0.7), guidance.Guider(True))
    for i in range(2):
        alone = (v[i : i + 1] for v in (v_t, v_u, v_p))
        one, _ = guidance.combine(*alone, (5.0, 1.0, 0.7), guidance.Guider(True))
        torch.testing.assert_close(both[i : i + 1], one)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_rescale_without_skip_guidance_is_that_of_diffusers_guiders(share):
    from diffusers.guiders.adaptive_projected_guidance import AdaptiveProjectedGuidance
    from diffusers.guiders.classifier_free_guidance import ClassifierFreeGuidance

    plain = ClassifierFreeGuidance(guidance_scale=5.0, guidance_rescale=share)
    projected = AdaptiveProjectedGuidance(
        4.0, -0.75, 55.0, None, 0.0, guidance_rescale=share, use_original_formulation=True
    )
    before = None
    for step, (v_t, v_u) in enumerate(steps_of()):
        for guider in (plain, projected):
            guider.set_state(step, 3, torch.tensor(1000 - step))
            guider.prepare_inputs({"x": (v_t, v_u)})
        found, _ = guidance.combine(v_t, v_u, None, (5.0, 0.0, 1 - share), guidance.PLAIN)
        torch.testing.assert_close(found, plain.forward(v_t, v_u).pred, rtol=1e-5, atol=1e-5)
        found, before = guidance.combine(v_t, v_u, None, (5.0, 0.0, 1 - share), PROJECTED, before)
        torch.testing.assert_close(found, projected.forward(v_t, v_u).pred, rtol=1e-5, atol=1e-5)


def test_skip_guidance_comes_on_top_of_each_guider_as_in_diffusers():
    """diffusers' skip layer guidance over plain guidance; over APG, what it adds to that."""
    from diffusers.guiders.skip_layer_guidance import SkipLayerGuidance

    (v_t, v_u), (v_p, _), _ = steps_of()
    guider = SkipLayerGuidance(
        guidance_scale=5.0, skip_layer_guidance_scale=1.5, skip_layer_guidance_start=0.0, skip_layer_guidance_stop=1.0,
        skip_layer_guidance_layers=[0], guidance_rescale=0.7,
    )  # fmt: skip
    guider.set_state(1, 3, torch.tensor(1000))
    found, _ = guidance.combine(v_t, v_u, v_p, (5.0, 1.5, 0.3), guidance.PLAIN)
    torch.testing.assert_close(found, guider.forward(v_t, v_u, v_p).pred, rtol=1e-5, atol=1e-5)
    alone, _ = guidance.apg(v_t, v_u, 5.0, guidance.Projection(), None)
    found, _ = guidance.combine(v_t, v_u, v_p, (5.0, 1.5, 1.0), PROJECTED)
    torch.testing.assert_close(found, alone + 1.5 * (v_t - v_p))


def test_a_step_without_guidance_hands_the_running_guidance_on():
    (v_t, v_u), (v_p, _), _ = steps_of()
    _, before = guidance.combine(v_t, v_u, None, (5.0, 0.0, 1.0), PROJECTED)
    assert guidance.combine(v_t, None, v_p, (1.0, 1.0, 1.0), PROJECTED, before)[1] is before
