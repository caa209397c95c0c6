import os
import time

import pytest
from prometheus_client.parser import text_string_to_metric_families

from praxino.events import StepEvent
from praxino.jobs import vitals
from praxino.jobs.vitals import Vitals, read_vitals


def samples(root, incarnation="w"):
    text = read_vitals(root, [incarnation])[incarnation]
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {(one.name, *sorted(one.labels.values())): one.value for one in found}


def test_steps_are_timed_by_what_came_before(tmp_path):
    own = Vitals(tmp_path, "w")
    own.step(StepEvent("load", 1, 1, 4.0), "pocket")
    for step, seconds in ((1, 0.5), (2, 0.7), (3, 1.7)):
        own.step(StepEvent("denoise", step, 3, seconds), "pocket")
    own.step(StepEvent("denoise", 1, 3, 0.4, sample=1, num_samples=2), "pocket")
    own.step(StepEvent("decode", 1, 1, 9.0), "pocket")
    own.save()
    told = samples(tmp_path)
    assert told["praxino_step_seconds_count", "pocket"] == 4
    assert told["praxino_step_seconds_sum", "pocket"] == pytest.approx(0.5 + 0.2 + 1.0 + 0.4)
    assert told["praxino_step_seconds_bucket", "0.3", "pocket"] == 1


def test_a_run_that_went_on_is_timed_by_its_pace(tmp_path):
    own = Vitals(tmp_path, "w")
    own.step(StepEvent("denoise", 10, 20, 5.0), "pocket")
    own.save()
    assert samples(tmp_path)["praxino_step_seconds_sum", "pocket"] == pytest.approx(0.5)


def test_loads_and_memory(tmp_path):
    own = Vitals(tmp_path, "w", lambda: 12_345)
    own.loaded("pocket")
    own.loaded("pocket")
    own.loaded("other")
    own.save()
    told = samples(tmp_path)
    assert told["praxino_model_loads_total", "pocket"] == 2
    assert told["praxino_model_loads_total", "other"] == 1
    assert told["praxino_worker_memory_bytes", "device"] == 12_345
    if os.name == "posix":
        assert 1e6 < told["praxino_worker_memory_bytes", "host"] < 1e12


def test_the_file_is_written_now_and_then(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(vitals, "write_to_textfile", lambda path, registry: written.append(path))
    own = Vitals(tmp_path, "w")
    for step in range(1, 101):
        own.step(StepEvent("denoise", step, 100, step / 10), "pocket")
    assert len(written) == 1


def test_a_full_disk_stops_nothing(tmp_path, monkeypatch):
    def full(path, registry):
        raise OSError(28, "No space left on device")

    own = Vitals(tmp_path, "w")
    monkeypatch.setattr(vitals, "write_to_textfile", full)
    own.step(StepEvent("denoise", 1, 2, 1.0), "pocket")
    assert read_vitals(tmp_path, ["w"]) == {}


def test_files_of_long_ago_go(tmp_path):
    Vitals(tmp_path, "old").save()
    Vitals(tmp_path, "young").save()
    past = time.time() - 2 * vitals.FORGET_SECONDS
    os.utime(tmp_path / "vitals" / "old.prom", (past, past))
    Vitals(tmp_path, "new").save()
    assert set(read_vitals(tmp_path, ["old", "young", "new"])) == {"young", "new"}
