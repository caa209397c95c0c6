"""The bench of training: a LoRA of the same small model, by Praxino and by diffusers' own example scripts, in turn.

    python bench/training.py DIFFUSERS [ROUNDS]

DIFFUSERS is a checkout of huggingface/diffusers, whose scripts need datasets and torchvision besides. Each round trains
every family once on either side, A B B A ...: the same miniature, pictures, batch, rank, steps, optimizer, threads and
number format. Steps a second are counted after the first ten; medians and the ratio pair by pair are printed, and kept
with the machine's description in bench/results/training.json. Needs an idle machine to mean anything; decides no test.
"""

import datetime
import json
import os
import platform
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from PIL import Image

STEPS, SKIPPED, BATCH, RANK, RATE = 110, 10, 4, 4, 1e-4
CAPTION = "a picture of noise"
COMMON = ("--max_train_steps", str(STEPS), "--train_batch_size", str(BATCH), "--rank", str(RANK), "--seed", "0",
          "--learning_rate", str(RATE), "--lr_scheduler", "constant", "--lr_warmup_steps", "0",
          "--checkpointing_steps", "100000", "--report_to", "tensorboard", "--mixed_precision", "no")  # fmt: skip
CACHED = ("--instance_data_dir", "{pictures}", "--instance_prompt", CAPTION, "--cache_latents")
ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
FAMILIES = {
    "stable-diffusion": (
        "text_to_image/train_text_to_image_lora.py",
        ("--train_data_dir", "{data}", "--caption_column", "text", "--center_crop"), ATTENTION, 64,
    ),
    "sdxl": (
        "text_to_image/train_text_to_image_lora_sdxl.py",
        ("--train_data_dir", "{data}", "--caption_column", "text", "--center_crop"), ATTENTION, 128,
    ),
    "flux": (
        "dreambooth/train_dreambooth_lora_flux.py",
        (*CACHED, "--guidance_scale", "1", "--max_sequence_length", "{tokens}"),
        ("attn.to_k", "attn.to_q", "attn.to_v", "attn.to_out.0", "attn.add_k_proj", "attn.add_q_proj",
         "attn.add_v_proj", "attn.to_add_out", "ff.net.0.proj", "ff.net.2", "ff_context.net.0.proj",
         "ff_context.net.2"), 64,
    ),
}  # fmt: skip
"""The script, its own arguments, the layers that it puts low-rank weights on, and its side in pixels."""


def main() -> None:
    if sys.argv[1] == "praxino":
        return praxino(*sys.argv[2:])
    if sys.argv[1] == "diffusers":
        return diffusers(Path(sys.argv[2]), sys.argv[3], *sys.argv[4:])
    checkout, rounds = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    load_before = os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        results = {name: measured(name, checkout, Path(folder) / name, rounds) for name in FAMILIES}
    kept = {"machine": described(checkout, load_before), "families": results}
    target = Path(__file__).parent / "results" / "training.json"
    target.write_text(json.dumps(kept, indent=1) + "\n")
    for name, result in results.items():
        print(name, json.dumps(result))
    return None


def measured(name: str, checkout: Path, folder: Path, rounds: int) -> dict:
    """The steps a second of either side, round by round."""
    prepare(name, folder)
    script, _, _, _ = FAMILIES[name]
    found: dict[str, list[float]] = {"praxino": [], "diffusers": []}
    for number in range(rounds):
        order = list(found) if number % 2 == 0 else list(reversed(found))
        for side in order:
            own = [str(checkout / "examples" / script)] if side == "diffusers" else []
            found[side].append(steps_a_second(side, [*own, name, str(folder), str(folder / f"{side}-{number}")]))
    ratios = [ours / theirs for ours, theirs in zip(found["praxino"], found["diffusers"], strict=True)]
    medians = {f"{side}, steps/s": round(statistics.median(rates), 3) for side, rates in found.items()}
    return {**medians, "ratio, median of pairs": round(statistics.median(ratios), 3),
            "ratios": [round(ratio, 3) for ratio in ratios], "script": script}  # fmt: skip


def steps_a_second(side: str, arguments: list[str]) -> float:
    """Of one run in a process of its own, which leaves the moments of its steps in a file."""
    ran = subprocess.run([sys.executable, __file__, side, *arguments], capture_output=True, text=True)
    moments = Path(arguments[-1] + ".moments")
    if ran.returncode or not moments.exists():
        raise SystemExit(f"{side} {' '.join(arguments)} ended with {ran.returncode}:\n{ran.stderr[-3000:]}")
    times = json.loads(moments.read_text())
    return (len(times) - 1 - SKIPPED) / (times[-1] - times[SKIPPED])


def prepare(name: str, folder: Path) -> None:
    """A miniature, and pictures with captions as either side reads them."""
    from praxino.families import families

    folder.mkdir()
    family = families()[name]
    family.miniature(folder / "model")
    side = FAMILIES[name][3]
    for place in ("data", "pictures"):
        (folder / place).mkdir()
    rows = []
    for number in range(8):
        pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), dtype=np.uint8)
        for place in ("data", "pictures"):
            Image.fromarray(pixels).save(folder / place / f"{number}.png")
        rows.append(json.dumps({"file_name": f"{number}.png", "text": CAPTION}))
    (folder / "data" / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    tokens = family.identify(folder / "model").options.get("max_text_tokens", 77)
    told = {"data": f"{folder}/data", "pictures": f"{folder}/pictures", "tokens": str(tokens)}
    (folder / "told.json").write_text(json.dumps(told))


def praxino(name: str, folder: str, out: str) -> None:
    """Train as `praxino train` does, and note when each step was done."""
    import warnings

    from praxino.training.loop import Loop
    from praxino.training.tuning.run import Run, train
    from praxino.training.tuning.settings import Tuning

    warnings.simplefilter("ignore")
    moments: list[float] = []
    step = Loop._step

    def noted(self: Loop) -> float:
        value = step(self)
        moments.append(time.monotonic())
        return value

    Loop._step = noted
    side = FAMILIES[name][3]
    train(Run(Tuning(
        data=f"{folder}/data", model=f"{folder}/model", out=out, steps=STEPS, batch=BATCH, rank=RANK, alpha=RANK,
        targets=FAMILIES[name][2], size=f"{side}x{side}", learning_rate=RATE, warmup=0, weight_decay=0.01,
        caption_dropout=0.0, sample_every=0, save_every=100_000, dtype="float32",
    )))  # fmt: skip
    Path(out + ".moments").write_text(json.dumps(moments))


def diffusers(script: Path, name: str, folder: str, out: str) -> None:
    """Run a script as it is, and note when its bar goes on."""
    from tqdm.auto import tqdm

    moments: list[float] = []
    update = tqdm.update

    def noted(self: tqdm, n: float = 1) -> bool | None:
        if self.desc.startswith("Steps"):
            moments.append(time.monotonic())
        return update(self, n)

    tqdm.update = noted
    own = [argument.format(**json.loads(Path(folder, "told.json").read_text())) for argument in FAMILIES[name][1]]
    side = str(FAMILIES[name][3])
    model = ("--pretrained_model_name_or_path", f"{folder}/model", "--output_dir", out, "--resolution", side)
    sys.argv = [str(script), *model, *COMMON, *own]
    runpy.run_path(str(script), run_name="__main__")
    Path(out + ".moments").write_text(json.dumps(moments))


def described(checkout: Path, load_before: tuple[float, float, float]) -> dict:
    """What was measured where."""
    commit = subprocess.run(["git", "-C", str(checkout), "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "processor": platform.processor() or platform.machine(), "cores": os.cpu_count(),
        "load before and after, one minute": [round(load_before[0], 2), round(os.getloadavg()[0], 2)],
        "scripts of diffusers at": commit.strip() or "unknown",
        "steps": STEPS, "batch": BATCH, "rank": RANK,
        **{package: version(package) for package in ("torch", "diffusers", "peft", "accelerate")},
    }  # fmt: skip


if __name__ == "__main__":
    main()
