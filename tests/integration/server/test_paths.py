"""What a client gets tells nothing of where the server keeps its files."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from praxino.cli.worker import LocalExecutor
from praxino.engine.output import read_recipe
from praxino.jobs.job import WorkerInfo, new_id
from praxino.jobs.vitals import Vitals
from praxino.jobs.worker import Broken, Task, Worker


def noise(num_frames=24):
    """An animation that does not fit into a recipe."""
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)) for _ in range(num_frames)]
    stream = io.BytesIO()
    pictures[0].save(stream, "GIF", save_all=True, append_images=pictures[1:], duration=100)
    return stream.getvalue()


@pytest.fixture
def long_clip(monkeypatch):
    monkeypatch.setattr("praxino.media.embedding.MAX_EMBEDDED_CLIP_BYTES", 1000)
    return noise()


def test_a_clip_outside_of_its_recipe_is_named_within_the_shared_folder(served, long_clip, tmp_path):
    files = {"file": ("clip.gif", long_clip)}
    upload = served.client.post("/api/v1/uploads", files=files).json()["id"]
    wish = {"prompt": "a rocket", "video": upload, "extend": "forward", "frames": 9, "seed": 1}
    answer = served.client.post("/api/v1/jobs", json={"request": wish})
    assert answer.status_code == 201, answer.text
    recipe = served.store.recipe(answer.json()["id"])
    (condition,) = recipe["conditions"]
    assert condition["media"]["data"] == "" and condition["media"]["source"].startswith("inputs/")
    assert str(tmp_path) not in json.dumps(recipe)

    moved = tmp_path / "mounted elsewhere"
    served.folder.root.rename(moved)
    executor = LocalExecutor("cpu", Vitals(tmp_path, "w"), moved)
    state, result = tmp_path / "state", tmp_path / "result"
    state.mkdir(), result.mkdir()
    task = Task(recipe, state, smaller_plan=False)
    executor.save(executor.run(task, lambda event: None), task, result)
    (file,) = result.iterdir()
    assert str(tmp_path) not in json.dumps(read_recipe(file).to_json())
    moved.rename(served.folder.root)


class Crashing:
    """An executor that meets an error which names a file."""

    def loaded(self):
        return ()

    def run(self, task, on_step):
        raise FileNotFoundError(2, "No such file or directory", "/srv/secret/models/a.safetensors")


def test_a_crash_is_told_without_folders(served):
    job_id = served.submit()
    worker = Worker(served.store, served.folder, Crashing(), WorkerInfo(new_id(), "cpu", "here", 1))
    with pytest.raises(Broken):
        worker.run()
    told = served.client.get(f"/api/v1/jobs/{job_id}").text
    assert "FileNotFoundError" in told and "a.safetensors" in told and "/srv" not in told
