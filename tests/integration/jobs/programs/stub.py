"""A deterministic stand-in for the engine: it takes steps, saves its state after each one, and goes on from it.

Its recipe is plain JSON: seed, steps, step_seconds; `trouble` and `once`, a file that says whether it has happened yet;
`journal`, a file that each step is noted in.
"""

import contextlib
import hashlib
import json
import os
import signal
import threading
import time
from pathlib import Path

from praxino.errors import ModelError, UserError
from praxino.events import StepEvent

NUM_BYTES = 20_000


def recipe(seed, steps=8, step_seconds=0.005, **more):
    return {"seed": seed, "steps": steps, "step_seconds": step_seconds, **more}


def undisturbed(recipe):
    """The bytes of the result, drawn in one go."""
    value = _first(recipe)
    for step in range(recipe["steps"]):
        value = _next(value, step)
    return _drawn(value)


def _first(recipe):
    return hashlib.sha256(str(recipe["seed"]).encode()).hexdigest()


def _next(value, step):
    return hashlib.sha256(f"{value} {step}".encode()).hexdigest()


def _drawn(value):
    return (bytes.fromhex(value) * (NUM_BYTES // 32 + 1))[:NUM_BYTES]


class StubExecutor:
    def __init__(self):
        self.models = ()

    def loaded(self):
        return self.models

    def run(self, task, on_step):
        recipe = task.recipe
        began = time.monotonic()
        step, value = _read_state(task.state) or (0, _first(recipe))
        while step < recipe["steps"]:
            time.sleep(recipe["step_seconds"])
            value = _next(value, step)
            step += 1
            _write_state(task.state, step, value)
            if "journal" in recipe:
                with open(recipe["journal"], "a") as journal:
                    journal.write(f"{step}\n")
            if step >= recipe["steps"] // 2:
                _meet_trouble(recipe, task)
            on_step(StepEvent("denoise", step, recipe["steps"], time.monotonic() - began))
        self.models = (recipe.get("model", "stub"),)
        return _drawn(value)

    def save(self, drawn, task, folder):
        (folder / "frames").mkdir()
        (folder / "frames" / "1.bin").write_bytes(drawn[: NUM_BYTES // 2])
        (folder / "clip.bin").write_bytes(drawn)


def _read_state(folder):
    with contextlib.suppress(FileNotFoundError):
        saved = json.loads((folder / "state.json").read_text())
        return saved["step"], saved["value"]


def _write_state(folder, step, value):
    temporary = folder / f".state.{os.getpid()}"
    temporary.write_text(json.dumps({"step": step, "value": value}))
    temporary.replace(folder / "state.json")


def _meet_trouble(recipe, task):
    trouble = recipe.get("trouble")
    if trouble is None or ("once" in recipe and _has_happened(Path(recipe["once"]))):
        return
    if trouble == "out-of-memory":
        if not task.smaller_plan or recipe.get("always"):
            raise MemoryError("the device has 8 GB, the plan needs 9")
    elif trouble == "hang":
        threading.Event().wait()
    elif trouble in ("segv", "kill", "stop"):
        os.kill(os.getpid(), {"segv": signal.SIGSEGV, "kill": signal.SIGKILL, "stop": signal.SIGSTOP}[trouble])
    else:
        raise {"user": UserError, "model": ModelError, "error": ValueError}[trouble](f"trouble: {trouble}")


def _has_happened(marker):
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return True
    return False
