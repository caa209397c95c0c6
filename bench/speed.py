"""The bench of the means of speed: how much sooner each is, and how far its pixels are from exact, on this machine.

    python bench/speed.py [ROUNDS]

Either side runs in turn, in one process; medians and ratios pair by pair are kept in bench/results/speed.json. The
bundled model is trained; the others have random weights, whose figures of likeness mean nothing and are not told.
Needs an idle machine to mean anything; decides no test.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from praxino.accel.answers import Answers
from praxino.accel.caches import Caching
from praxino.accel.encoders import asking, read_later, unread
from praxino.accel.reuse import reusing
from praxino.bench.likeness import psnr_db, ssim
from praxino.engine.resolve import resolve
from praxino.request import Request
from praxino.weights import catalog

HERE = Path(__file__).parent
PROMPTS = ("a rocket flying up on a blue background", "a cat spinning")
STEPS = (12, 40)
FIRST_SHARE = 0.2
BOUNDS = (0.025, 0.1, 0.2)


EQUAL_DB = 99.0


def in_turn(rounds: int, sides: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """The sides' medians, and the median of the ratios of the first to the last, round by round."""
    for side in sides.values():
        side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            began = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - began)
    first, *_, last = seconds.values()
    figures = {f"{name}, s": round(statistics.median(found), 4) for name, found in seconds.items()}
    return figures | {"ratio": round(statistics.median(a / b for a, b in zip(first, last, strict=True)), 2)}


def likeness(pairs: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Means over pairs of clips."""
    return {
        "psnr_db": round(statistics.mean(psnr_db(*pair) for pair in pairs), 1),
        "ssim": round(statistics.mean(ssim(*pair) for pair in pairs), 3),
    }


def reuse_on_pocket(rounds: int, most_error: float) -> list[dict[str, float]]:
    """Steps left out of the bundled model, which is made for 8 levels of its own: here with more, evenly spaced."""
    entry, rows = catalog.find("pocket"), []
    parts = entry.family.load(entry.require_path(), entry.variant, "float32", "cpu")
    for steps in STEPS:
        recipes = [resolve(Request(prompt, steps=steps, schedule="uniform", seed=3)).recipe for prompt in PROMPTS]

        def drawn(recipe: Any) -> np.ndarray:
            *_, state = entry.family.denoise(recipe, parts, [], recipe.seed)
            return entry.family.decode(recipe, parts, state)

        def reused(recipe: Any, steps: int = steps) -> tuple[np.ndarray, float]:
            with reusing(parts, Caching("easy", most_error, round(FIRST_SHARE * steps)), steps) as reuse:
                return drawn(recipe), reuse.num_reused / (reuse.num_reused + reuse.num_computed)

        found = [reused(recipe) for recipe in recipes]
        pairs = [(drawn(recipe), clip) for recipe, (clip, _) in zip(recipes, found, strict=True)]
        share = statistics.mean(share for _, share in found)
        timed = in_turn(rounds, {"exact": lambda r=recipes[0]: drawn(r), "reuse": lambda r=recipes[0]: reused(r)})
        rows.append({"steps": steps, "left out": round(share, 2), **likeness(pairs), **timed})
    return rows


def bfloat16_of_wan(rounds: int) -> dict[str, float]:
    """Two layers of Wan 2.1 1.3B with random weights, at 416x240 and 9 frames."""
    from diffusers.models.transformers.transformer_wan import WanTransformer3DModel

    torch.manual_seed(0)
    wide: Any = WanTransformer3DModel(num_attention_heads=12, attention_head_dim=128, ffn_dim=8960, num_layers=2)
    with tempfile.TemporaryDirectory() as folder:
        wide.save_pretrained(folder)
        networks = {
            dtype: WanTransformer3DModel.from_pretrained(folder, torch_dtype=dtype).eval().requires_grad_(False)
            for dtype in (torch.float32, torch.bfloat16)
        }
    x, t, text = torch.randn(1, 16, 3, 30, 52), torch.tensor([500.0]), torch.randn(1, 512, 4096)

    @torch.no_grad()
    def run(dtype: torch.dtype) -> torch.Tensor:
        return networks[dtype](x.to(dtype), t, text.to(dtype), return_dict=False)[0].float()

    exact, near = run(torch.float32), run(torch.bfloat16)
    error = ((exact - near).norm() / exact.norm()).item()
    sides = {"float32": lambda: run(torch.float32), "bfloat16": lambda: run(torch.bfloat16)}
    return {"relative error": round(error, 4), **in_turn(rounds, sides)}


def answers_of_t5(rounds: int) -> dict[str, float]:
    """T5 base (110 M parameters, random) read and asked, and its answer out of a file."""
    from transformers import T5Config, T5EncoderModel

    ids = torch.arange(256)[None]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as kept_in:
        T5EncoderModel(T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12)).save_pretrained(folder)
        answers = Answers(Path(kept_in), 10**9)

        @torch.no_grad()
        def read() -> torch.Tensor:
            return T5EncoderModel.from_pretrained(folder, dtype=torch.float32)(input_ids=ids)[0]

        @torch.no_grad()
        def kept() -> torch.Tensor:
            with read_later():
                encoder = T5EncoderModel.from_pretrained(folder, dtype=torch.float32)
            with asking([encoder], answers):
                answer = encoder(input_ids=ids)[0]
            return answer if unread([encoder]) else torch.zeros_like(answer)

        kept()
        if not torch.equal(read(), kept()):
            raise SystemExit("the kept answer is another than the computed one")
        return in_turn(rounds, {"read and computed": read, "kept": kept})


def main() -> None:
    """Measure, print and keep."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    found = {
        "machine": {"cpu": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads(),
                    "torch": torch.__version__, "python": platform.python_version(),
                    "load before": round(os.getloadavg()[0], 1)},
        "answers: T5 base, 256 tokens": answers_of_t5(rounds),
        "bfloat16: two layers of Wan 2.1 1.3B, 1170 tokens": bfloat16_of_wan(rounds),
        **{f"reuse {most}: pocket, denoising and decoding": reuse_on_pocket(rounds, most) for most in BOUNDS},
    }  # fmt: skip
    text = json.dumps(found, indent=2)
    (HERE / "results" / "speed.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
