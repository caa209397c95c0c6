"""How like clips are, against the definitions in plain loops."""

import math

import numpy as np
import pytest

from praxino.bench.likeness import WINDOW, psnr_db, ssim


def clips(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    one = random.integers(0, 256, (2, 12, 10, 3), dtype=np.uint8)
    other = np.clip(one.astype(int) + random.integers(-9, 10, one.shape), 0, 255).astype(np.uint8)
    return one, other


def ssim_by_windows(one: np.ndarray, other: np.ndarray) -> float:
    found = []
    for a, b in zip(one.mean(-1), other.mean(-1), strict=True):
        for y in range(a.shape[0] - WINDOW + 1):
            for x in range(a.shape[1] - WINDOW + 1):
                u, v = (clip[y : y + WINDOW, x : x + WINDOW].ravel() for clip in (a, b))
                (vu, cov), (_, vv) = np.cov(u, v)
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                top = (2 * u.mean() * v.mean() + c1) * (2 * cov + c2)
                found.append(top / ((u.mean() ** 2 + v.mean() ** 2 + c1) * (vu + vv + c2)))
    return float(np.mean(found))


def test_ssim_is_the_mean_over_windows() -> None:
    one, other = clips()
    assert ssim(one, other) == pytest.approx(ssim_by_windows(one, other), abs=1e-9)
    assert ssim(one, one) == pytest.approx(1)


def test_psnr_is_of_the_mean_square() -> None:
    one, other = clips()
    assert psnr_db(one, other) == pytest.approx(20 * math.log10(255 / np.sqrt(((one - 1.0 * other) ** 2).mean())))
    assert psnr_db(one, one) == math.inf
