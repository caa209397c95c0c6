"""--fit, and what doctor and models show tell of memory."""

import json
import subprocess
import sys

import pytest

from praxino.accel.memory import Memory
from praxino.cli import memory
from praxino.families import families
from praxino.weights import catalog

GB = 10**9


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "tiny"
    families()["sd3"].miniature(folder)
    return str(folder)


@pytest.fixture
def machine(monkeypatch):
    """A machine with a GPU of 1 GB more than the driver takes, and little else."""

    def has(free_bytes, kind="cpu"):
        found = Memory(free_bytes, 8 * GB, 8 * GB, has_own=kind != "cpu")
        for place in ("praxino.accel.memory.memory_of", "praxino.engine.loaded.memory_of"):
            monkeypatch.setattr(place, lambda device: found)

    return has


def test_fit_tells_the_choice_and_draws_nothing(praxino, model, machine, tmp_path, monkeypatch):
    machine(4 * GB)
    monkeypatch.chdir(tmp_path)
    said = praxino("a cat", "-m", model, "--fit")
    assert (said.code, said.err) == (0, "")
    head, heads, *rows = said.out.splitlines()
    assert head == f"{model} at 64x64, 1 frame, float32, on cpu: 4.0 GB free of 8.0 GB"
    assert heads.split() == ["PLAN", "EXPECTED", "PEAK", "FITS", "PIXELS", "WHAT", "IT", "DOES"]
    assert [row.split()[:2] for row in rows] == [
        ["*", "resident"],
        ["resident+tiled", "1.6"],
        ["resident+float8", "1.3"],
    ]
    assert list(tmp_path.iterdir()) == []


def test_fit_as_json(praxino, model, machine):
    machine(1000)
    told = json.loads(praxino("a cat", "-m", model, "--fit", "--json").out)
    assert (told["device"], told["free_bytes"]) == ("cpu", 1000)
    assert [plan["plan"] for plan in told["plans"]] == ["resident", "resident+tiled", "resident+float8"]
    assert [(plan["fits"], plan["chosen"]) for plan in told["plans"]] == [(False, True), (False, False), (False, False)]


def test_fit_of_a_model_that_is_not_here_says_what_it_could_not_count(praxino, machine):
    machine(60 * GB)
    upsampler = "Lightricks/LTX-Video/ltxv-spatial-upscaler-0.9.8.safetensors"
    said = praxino("a cat", "-m", "ltx-video-0.9.8-2b-distilled", "--fit")
    assert (said.code, said.out.splitlines()[-1]) == (0, f"not counted, as it is not here: {upsampler}")
    told = json.loads(praxino("a cat", "-m", "ltx-video-0.9.8-2b-distilled", "--fit", "--json").out)
    assert told["not_counted"] == [upsampler]
    assert json.loads(praxino("a cat", "--fit", "--json").out)["not_counted"] == []


def test_fit_is_about_this_machine(praxino):
    said = praxino("a cat", "--fit", "--server", "http://127.0.0.1:1")
    assert (said.code, "--fit is about this machine" in said.err) == (2, True)


def test_wrong_wishes_are_refused_as_ever(praxino, model):
    assert praxino("a cat", "-m", model, "--fit", "--size", "3x3").code == 2


def test_models_show_the_memory_of_each_plan(praxino, model):
    shown = praxino("models", "show", model).out
    assert "memory on a GPU  resident " in shown
    assert ", group+float8 " in shown
    details = json.loads(praxino("models", "show", model, "--json").out)
    assert list(details["memory"]["cpu"]) == ["resident", "resident+tiled", "resident+float8"]
    assert details["steering"] == list(catalog.find(model).variant.steering)


def test_of_a_counted_model_that_is_not_here_every_plan_is_known(praxino):
    shown = praxino("models", "show", "sd3.5-large").out
    assert "memory on a GPU  resident " in shown and memory.NOT_KNOWN not in shown
    told = json.loads(praxino("models", "show", "sd3.5-large", "--json").out)["memory"]["gpu"]
    assert told["resident"] > told["offload"] > told["group"] > 0


def test_fit_tells_of_a_counted_model_before_the_pull(praxino, machine):
    machine(4 * GB)
    for name in ("wan2.1-t2v-1.3b", "animatediff-1.5-2"):
        plans = json.loads(praxino("a cat", "-m", name, "--fit", "--json").out)["plans"]
        assert all(plan["device_bytes"] > GB for plan in plans), name
    assert "not on this machine" in praxino("a cat", "-m", "wan2.1-t2v-1.3b").err


def test_of_a_model_that_was_not_counted_nothing_is_known(praxino):
    assert f"memory on a GPU  {memory.NOT_KNOWN}" in praxino("models", "show", "sd-x2-latent-upscaler").out


def test_doctor_tells_the_plan_of_each_model_that_is_here(praxino, model, machine, monkeypatch):
    entry = catalog.find(model)
    monkeypatch.setattr(catalog, "entries", lambda: [entry])
    machine(4 * GB)
    said = praxino("doctor")
    assert f"memory plans  {model}: resident, expected to take 1." in said.out
    (told,) = json.loads(praxino("doctor", "--json").out)["plans"]
    assert (told["model"], told["plan"]) == (model, "resident")


def test_no_torch_is_needed(model):
    code = (
        "import sys; from praxino.cli import outcome\n"
        f"assert outcome.run(['a cat', '-m', {model!r}, '--fit']) == 0\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0
