"""One of the processes of a test: draws each case of a file with the others; the first also alone, and compares.

Arguments: the file of cases, and the folder in which processes meet. RANK and WORLD_SIZE are as a launcher sets them;
models are named by where they lie from the working folder.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from praxino.accel import tiles
from praxino.accel.launched import RENDEZVOUS
from praxino.engine import together
from praxino.engine.resolve import resolve
from praxino.engine.run import draw
from praxino.errors import PraxinoError
from praxino.request import Request

torch.set_num_threads(1)
meetings = Path(sys.argv[2])
count, leads = int(os.environ["WORLD_SIZE"]), os.environ["RANK"] == "0"


tiles_here = []
compute = tiles._computed
tiles._computed = lambda *given: tiles_here.append(given) or compute(*given)


def compared(recipe):
    """How a recipe comes out together, and how it is alone before and after."""
    before = draw(recipe, lambda event: None)
    steps = []
    tiles_here.clear()
    _, found = together.lead(recipe, steps.append, count)
    after = draw(recipe, lambda event: None)
    both = [np.concatenate([one.frames for one in drawn]).astype(int) for drawn in (before, found)]
    return {
        "most": int(np.abs(both[0] - both[1]).max()),
        "spread": int(np.ptp(both[0])),
        "as_before": all(np.array_equal(a.frames, b.frames) for a, b in zip(before, after, strict=True)),
        "tiles": len(tiles_here),
        "steps": sum(event.stage == "denoise" for event in steps),
    }


cases = json.loads(Path(sys.argv[1]).read_text())
recipes = {}
if leads:
    for name, (model, fields) in cases.items():
        request = Request.from_json({"prompt": "a dog", "model": f"./{model}", "seed": 3, **fields})
        recipes[name] = resolve(request).recipe
told = {}
for name in cases:
    os.environ[RENDEZVOUS] = str(meetings / name)
    try:
        told[name] = compared(recipes[name]) if leads else together.follow()
    except PraxinoError as problem:
        told[name] = {"error": type(problem).__name__, "message": str(problem)}
print(json.dumps(told))
