"""Settings that do not fit a model or one another are refused in a sentence, before anything is loaded."""

import pytest

from praxino.errors import UserError
from praxino.families import families
from praxino.training.tuning.examples import check
from praxino.training.tuning.settings import Tuning


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Miniatures by family: one of flow matching, two diffusions."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("sd3", "stable-diffusion", "cogvideox"):
        families()[name].miniature(folder / name)
    return folder


@pytest.mark.parametrize(
    ("family", "wish", "said"),
    [
        ("sd3", {"logit_mean": 0.5}, 'logit_mean is of times = "logit-normal", and times is "own"'),
        ("sd3", {"times": "mode", "logit_std": 0.5}, 'logit_std is of times = "logit-normal", and times is "mode"'),
        ("sd3", {"times": "uniform", "mode_scale": 0.5}, 'mode_scale is of times = "mode"'),
        ("sd3", {"huber_c": 0.5}, 'huber_c is of loss = "huber", and loss is "square"'),
        ("sd3", {"huber_schedule": "snr"}, 'huber_schedule is of loss = "huber"'),
        ("sd3", {"loss": "huber", "huber_schedule": "snr"}, "huber_schedule snr is of diffusion"),
        ("sd3", {"min_snr": 5.0}, "min_snr is of diffusion, and sd3 is taught by flow matching"),
        ("sd3", {"noise_offset": 0.1}, "noise_offset is 0.1, which sd3 is not taught with"),
        ("cogvideox", {"noise_offset": 0.1}, "these are: hotshot-xl, sdxl, stable-diffusion"),
        ("stable-diffusion", {"weighting": "cosmap"}, "stable-diffusion is a diffusion; min_snr is for it"),
        ("stable-diffusion", {"time_shift": 3.0}, "weighting and time_shift are of flow matching"),
        ("stable-diffusion", {"spatial_base": "somewhere"}, "is laid over none: leave it out"),
        ("stable-diffusion", {"control": "canny"}, "stable-diffusion cannot be taught; those that can: ltx-video"),
        ("sd3", {"vectors": 3}, "write method = \"textual-inversion\", not 'lora'"),
    ],
)
def test_what_does_not_fit_is_refused(models, clips, family, wish, said):
    with pytest.raises(UserError, match=said):
        check(Tuning(data=str(clips), model=str(models / family), **wish))


@pytest.mark.parametrize(
    ("family", "wish"),
    [
        ("sd3", {"times": "logit-normal", "logit_mean": 0.5, "weighting": "sigma-sqrt", "time_shift": 1.0}),
        ("sd3", {"times": "mode", "mode_scale": 0.8, "loss": "huber", "huber_c": 0.3}),
        ("stable-diffusion", {"min_snr": 5.0, "noise_offset": 0.05, "times": "uniform"}),
        ("cogvideox", {"min_snr": 5.0, "loss": "huber", "huber_schedule": "exponential"}),
        ("stable-diffusion", {"loss": "huber", "huber_schedule": "snr"}),
    ],
)
def test_what_fits_is_taken_and_trained(models, tune, family, wish):
    """Each setting changes what a run comes to."""
    given = {
        "model": str(models / family),
        "steps": 2,
        "batch": 1,
        "size": "" if family != "stable-diffusion" else "64x64",
    }
    plain, told = (
        (tune(name, **given, **some) / "metrics.jsonl").read_text() for name, some in (("plain", {}), ("told", wish))
    )
    assert plain.splitlines()[1].split('"learning_rate"')[0] != told.splitlines()[1].split('"learning_rate"')[0]
