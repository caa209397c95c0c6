"""Owns what a fine-tuning run is told: every setting declared once, read from TOML, and written as a commented TOML.

Knows no clip, no network and no torch.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from praxino.errors import UserError
from praxino.plain import field_types, from_plain
from praxino.request import Option, option

Extraction = Literal["first", "middle", "spread", "pieces"]


@dataclass(frozen=True)
class Tuning:
    """A fine-tuning run. Folders are relative to the TOML file's own."""

    data: str = option("", "folder of clips and pictures with their captions", "what", metavar="FOLDER")
    model: str = option("pocket", "the checkpoint to begin from: a name or a folder", "what")
    spatial_base: str = option(
        "", "an SDXL checkpoint, by name or folder, that a model's temporal layers are trained over", "what"
    )
    out: str = option("", "folder of the run: what is learnt, its state, samples", "what", metavar="FOLDER")
    method: Literal["lora", "dora", "full", "textual-inversion"] = option(
        "lora", "what is trained: low-rank weights (dora adds a magnitude), all of it, or a new word's vectors", "what",
        choices=("lora", "dora", "full", "textual-inversion"),
    )  # fmt: skip
    expert: Literal["high", "low"] | None = option(
        None, "of a model of two networks, the one that is trained: that of high or that of low noise", "what",
        choices=("high", "low"),
    )  # fmt: skip
    trigger: str = option("", "a word put before every caption, and into prompts to call what was learnt", "what")

    steps: int = option(1000, "optimizer steps", "length", min=1, max=10_000_000)
    batch: int = option(1, "clips in a step, on each process", "length", min=1, max=4096)
    accumulate: int = option(1, "batches that are summed up before the optimizer's step", "length", min=1, max=4096)
    seed: int = option(0, "of new weights, order, noise and times", "length", min=0, max=2**31)

    rank: int = option(16, "rank of the low-rank weights", "low-rank weights", min=1, max=1024)
    alpha: int = option(16, "their scale is alpha / rank", "low-rank weights", min=1, max=4096)
    targets: tuple[str, ...] = option(
        (), "ends of the names of the layers that get them; the family's own when empty", "low-rank weights"
    )

    control: Literal["", "canny", "canny-map", "depth-map", "pose-map", "detailer-map"] = option(
        "", "what is followed: each clip's edges, or the reference beside it; drawn after with --control", "control",
        choices=("", "canny", "canny-map", "depth-map", "pose-map", "detailer-map"),
    )  # fmt: skip

    initial_words: str = option("", "words that the trigger means at first, as in robot toy", "textual inversion")
    vectors: int = option(
        0, "of the trigger; 0 is one for each token of the initial words", "textual inversion", min=0, max=75
    )

    optimizer: Literal["adamw", "adamw-8bit", "prodigy", "muon"] = option(
        "adamw", "adamw-8bit needs bitsandbytes, prodigy needs prodigyopt (and learning_rate 1)", "optimizer",
        choices=("adamw", "adamw-8bit", "prodigy", "muon"),
    )  # fmt: skip
    learning_rate: float = option(1e-4, "of the optimizer", "optimizer", min=0, max=10)
    schedule: Literal["constant", "cosine", "linear"] = option(
        "constant",
        "how the learning rate goes on after warming up",
        "optimizer",
        choices=("constant", "cosine", "linear"),
    )
    warmup: int = option(10, "steps over which the learning rate rises", "optimizer", min=0, max=1_000_000)
    weight_decay: float = option(0.0, "of AdamW", "optimizer", min=0, max=1)
    clip_norm: float = option(1.0, "largest norm of the gradient", "optimizer", min=0.0001, max=1e6)
    ema: float = option(0.0, "decay of the averaged weights; 0 keeps no average", "optimizer", min=0, max=0.99999)

    size: str = option("", "WIDTHxHEIGHT; the model's own area in each clip's aspect when empty", "clips")
    frames: int = option(0, "most frames of a clip; the model's own number when 0", "clips", min=0, max=10_000)
    extraction: Literal["first", "middle", "spread", "pieces"] = option(
        "first", "which frames of a longer clip: its first, its middle, spread over all of it, or piece after piece",
        "clips", choices=("first", "middle", "spread", "pieces"),
    )  # fmt: skip
    caption_dropout: float = option(0.1, "share of clips whose caption is left out", "clips", min=0, max=1)
    image_share: float = option(
        0.5, "share of steps that are given the first frame: image to video", "clips", min=0, max=1
    )
    prior: int = option(
        0, "clips that the model draws itself before it starts, and goes on learning so as not to forget", "clips",
        min=0, max=100_000,
    )  # fmt: skip
    prior_share: float = option(0.5, "share of those among the clips of a step", "clips", min=0.01, max=0.99)
    prior_prompts: tuple[str, ...] = option(
        (), "what they show; of a model that knows certain words only, those when empty", "clips"
    )
    validation: float = option(
        0.0, "share of the clips that is held out to measure the loss on", "clips", min=0, max=0.9
    )

    times: Literal["own", "uniform", "logit-normal", "mode"] = option(
        "own", "how the noise levels of training are drawn; own is as the family's recipe has it", "noise and loss",
        choices=("own", "uniform", "logit-normal", "mode"),
    )  # fmt: skip
    logit_mean: float = option(
        0.0, "of the logit-normal times; above 0 is more noise", "noise and loss", min=-10, max=10
    )
    logit_std: float = option(1.0, "of the logit-normal times", "noise and loss", min=0.01, max=10)
    mode_scale: float = option(
        1.29, "of the mode times; above 0 is more of the middle", "noise and loss", min=-1, max=1.75
    )
    time_shift: float = option(
        0.0, "of flow matching: above 1 is more noise; the family's own when 0", "noise and loss", min=0, max=100
    )
    noise_offset: float = option(
        0.0, "deviation of what each channel's noise is moved by as a whole; the family's own when 0",
        "noise and loss", min=0, max=1,
    )  # fmt: skip
    min_snr: float = option(
        0.0, "gamma of min-SNR weighting, usually 5, where noise or v is answered; 0 is off", "noise and loss",
        min=0, max=1000,
    )  # fmt: skip
    weighting: Literal["none", "sigma-sqrt", "cosmap"] = option(
        "none", "of flow matching: how much each noise level counts", "noise and loss",
        choices=("none", "sigma-sqrt", "cosmap"),
    )  # fmt: skip
    loss: Literal["square", "huber"] = option(
        "square", "huber lets errors far above huber_c count less", "noise and loss", choices=("square", "huber")
    )
    huber_c: float = option(0.1, "where huber goes from square to straight", "noise and loss", min=0.0001, max=100)
    huber_schedule: Literal["constant", "exponential", "snr"] = option(
        "constant", "from 1 at no noise to huber_c at most: evenly, or by the noise's power (diffusion)",
        "noise and loss", choices=("constant", "exponential", "snr"),
    )  # fmt: skip

    save_every: int = option(250, "steps between two saves", "while it runs", min=1, max=1_000_000)
    sample_every: int = option(
        250, "steps between two rounds of samples; 0 draws none", "while it runs", min=0, max=10**6
    )
    samples: tuple[str, ...] = option((), "prompts that are drawn as it goes", "while it runs")
    validate_every: int = option(
        100, "steps between two measurements of the held-out loss", "while it runs", min=1, max=10**6
    )
    dtype: Literal["float32", "bfloat16", "float8"] | None = option(
        None, "number format of weights that stay; float32 is computed in, too; the device's best when left out",
        "while it runs", choices=("float32", "bfloat16", "float8"),
    )  # fmt: skip
    checkpointing: bool = option(False, "recompute activations: slower, in less memory", "while it runs")

    def __post_init__(self) -> None:
        for name, declared in declarations().items():
            _check(name, getattr(self, name), declared)


def declarations() -> dict[str, Option]:
    """The declaration of every setting, in order."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(Tuning)}


def read(path: Path) -> Tuning:
    """The settings of a TOML file, its folders made absolute.

    Raises:
        UserError: it cannot be read, has an unknown key, or a value that is not allowed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"there is no file {path}; praxino train new {path} writes one.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise UserError(f"{path} cannot be read as TOML: {problem}") from problem
    for key in data:
        if key not in field_types(Tuning):
            near = difflib.get_close_matches(key, field_types(Tuning), n=1, cutoff=0.4)
            raise UserError(
                f"{path} has {key!r}, which is no setting." + (f" Do you mean {near[0]!r}?" if near else "")
            )
    try:
        tuning = from_plain(Tuning, data)
    except ValueError as problem:
        raise UserError(f"{path}: {str(problem).removeprefix('Tuning.')}") from problem
    if not tuning.data:
        raise UserError(f'{path} names no clips; add a line such as data = "my-clips".')
    home = path.resolve().parent
    out = tuning.out or f"runs/{path.stem}"
    return dataclasses.replace(
        tuning,
        data=str(home / Path(tuning.data).expanduser()),
        out=str(home / Path(out).expanduser()),
        model=_placed(home, tuning.model),
        spatial_base=_placed(home, tuning.spatial_base),
    )


def _placed(home: Path, name: str) -> str:
    """A name, or the folder of that name beside the settings if one is there."""
    return str(home / name) if name and (home / name).exists() else name


def named_from(home: Path, name: str) -> str:
    """How a file or folder that is there is called in settings that lie in `home`; any other name as it is."""
    if not name or Path(name).is_absolute() or not Path(name).exists():
        return name
    try:
        return Path(os.path.relpath(name, home)).as_posix()
    except ValueError:  # on another drive
        return Path(name).resolve().as_posix()


def template(values: dict[str, Any]) -> str:
    """A TOML of every setting with its help; those in `values` are set, the rest stand as comments with defaults."""
    lines, group = (
        ["# Folders are looked for beside this file. A setting behind a # is as it would be without the line."],
        "",
    )
    for field in dataclasses.fields(Tuning):
        declared: Option = field.metadata["option"]
        if declared.group != group:
            group = declared.group
            lines += ["", f"# {group}"]
        choices = f" ({', '.join(choice or _toml('') for choice in declared.choices)})" if declared.choices else ""
        shown = values.get(field.name, field.default)
        line = f"{field.name} = {_toml(declared.choices[0] if shown is None else shown)}"
        lines.append(f"# {declared.help}{choices}")
        lines.append(line if field.name in values else f"# {line}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


def _check(name: str, value: Any, declared: Option) -> None:
    if value is None:
        return
    if declared.choices and value not in declared.choices:
        raise UserError(f"{name} is {value!r}; allowed are {', '.join(declared.choices)}.")
    if declared.min is None or declared.max is None:
        return
    if not math.isfinite(value) or not declared.min <= value <= declared.max:
        raise UserError(f"{name} is {value}; allowed is {declared.min:g} to {declared.max:g}.")
