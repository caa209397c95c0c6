"""Owns the order of a fine-tuning run: survey, load, encode, train, write. Decides nothing itself.

Must not know how any family learns, nor print; it reports by a callable.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from praxino.errors import UserError
from praxino.plain import to_plain
from praxino.recipe import Recipe
from praxino.training.loop import Loop, LoopSettings, OnEvent
from praxino.training.tuning import adapters, buckets, inversion, outputs
from praxino.training.tuning.cache import Cache, Tensors
from praxino.training.tuning.examples import Example, Survey, check
from praxino.training.tuning.objective import ALONE, Encoded, Objective, Share
from praxino.training.tuning.optimizer import num_weights, optimizers
from praxino.training.tuning.prior import mixed, prompts
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.trainee import Trainee, trainee
from praxino.vocabulary import WORDS_FILE
from praxino.weights import catalog
from praxino.weights.fingerprint import fingerprint

STATE, CACHE, SETTINGS = "state", "cache", "settings.json"
FREE_TO_CHANGE = {"steps", "samples", "sample_every", "save_every", "validate_every", "out", "data"}
"""Settings that a run taken up again may have otherwise than at its start."""
ADAM_BYTES = 16
"""A trained number in float32 with its gradient and two moments."""


@dataclass(frozen=True)
class Run:
    """What a run needs to know beyond its settings."""

    tuning: Tuning
    resume: bool = False
    device: str = "cpu"
    recipe_of: Callable[[str, int], Recipe] | None = None
    """Resolves a prompt and a seed, as for a run of the model without what is learnt."""
    on_event: OnEvent = lambda message: None
    stopped: Callable[[], bool] = lambda: False
    """Asked after every step; yes saves and ends the run."""


def train(run: Run) -> Path:
    """Train, and return the folder of what was learnt.

    Raises:
        UserError: the settings, the data or the run's folder do not allow it; nothing has been written then.
        ModelError: the checkpoint cannot be loaded.
    """
    tuning, told = run.tuning, check(run.tuning)
    out = Path(tuning.out)
    _check_folder(out, tuning, resume=run.resume)
    share, device, wrap = _processes(run.device)
    if share.count > 1 and tuning.method == "textual-inversion":
        raise UserError("a new word is learnt in one process; start it without accelerate launch.")
    run = dataclasses.replace(run, device=device)
    if share.rank:
        run = dataclasses.replace(run, on_event=lambda message: None)
    for line in told.lines():
        run.on_event(line)
    bench = _Bench.prepared(run)
    if share.rank == 0:
        out.mkdir(parents=True, exist_ok=True)
        (out / SETTINGS).write_text(json.dumps(to_plain(tuning), indent=1), encoding="utf-8")
    material = _encoded(run, bench, told)
    bench.network.train()
    network = wrap(bench.network)
    objective = _objective(bench, network, material.learnt, material.empty, tuning, share)
    loop = Loop(
        bench.learnt,
        optimizers(bench.learnt, tuning),
        objective,
        _loop_settings(tuning),
        folder=out / STATE,
        on_event=run.on_event,
        writes=share.rank == 0,
    )
    held = _objective(bench, bench.network, material.held_out, material.empty, tuning) if material.held_out else None
    watch = _Watch(run, loop, held, bench)
    loop.run(resume=run.resume, on_losses=watch.step if share.rank == 0 else None, stopped=run.stopped)
    if share.rank == 0:
        _write(run, bench, told)
        watch.finish()
    return out


@dataclass(frozen=True)
class _Bench:
    """The model on the bench: loaded, with what is to be trained made trainable."""

    entry: catalog.Entry
    learner: Trainee
    parts: Any
    network: Any
    learnt: nn.Module
    """What has the weights that are trained: the network, or a new word."""

    @classmethod
    def prepared(cls, run: Run) -> _Bench:
        tuning, entry = run.tuning, catalog.find(run.tuning.model)
        path, learner = entry.require_path(), trainee(entry.family.name, tuning.expert)
        if tuning.method == "full" and not (path / learner.component).is_dir():
            raise UserError(
                f"method is full, and {path} has no {learner.component}/ to put what is learnt in place of; "
                "begin from a folder in diffusers' layout, or learn a LoRA."
            )
        dtype = tuning.dtype or ("float32" if run.device == "cpu" or tuning.method == "full" else "bfloat16")
        parts = entry.family.load(path, entry.variant, dtype, run.device)
        network: Any = learner.network(parts)
        torch.manual_seed(tuning.seed)
        learnt: nn.Module = network
        if tuning.method == "textual-inversion":
            learnt = inversion.NewWord(parts.base, tuning)
        else:
            adapters.prepare(network, learner, tuning)
        if tuning.checkpointing:
            network.enable_gradient_checkpointing()
        trained = num_weights(p for p in learnt.parameters() if p.requires_grad)
        every = num_weights(network.parameters())
        run.on_event(f"{trained:,} of {every:,} weights are trained; {_memory(network, trained)}")
        return cls(entry, learner, parts, network, learnt)


@dataclass(frozen=True)
class _Material:
    """The examples as the networks take them."""

    learnt: list[Encoded]
    """With what the model knew before."""
    held_out: list[Encoded]
    empty: Tensors


def _encoded(run: Run, bench: _Bench, told: Survey) -> _Material:
    cache = Cache(Path(run.tuning.out) / CACHE, fingerprint(bench.entry.require_path()))
    learnt, held_out = _split(told.examples, run.tuning)
    encoded = [_encode(example, cache, bench) for example in learnt]
    held = [_encode(example, cache, bench) for example in held_out]
    empty = _read("", cache, bench)
    run.on_event(f"{len(encoded)} examples to learn from, {len(held)} held out; {cache.made} newly encoded")
    remembered = _remembered(run, cache, bench)
    return _Material(mixed(encoded, remembered, run.tuning.prior_share), held, empty)


def _objective(
    bench: _Bench, network: nn.Module, examples: list[Encoded], empty: Tensors, tuning: Tuning, share: Share = ALONE
) -> Objective:
    is_word = tuning.method == "textual-inversion"
    untaught = None if tuning.method == "full" or is_word else lambda: adapters.untaught(bench.network)
    read = (lambda caption: bench.learner.read(bench.parts, caption)) if is_word else None
    variant = bench.entry.variant
    return Objective(bench.learner, bench.parts, network, variant, examples, empty, tuning, share, untaught, read)


class _Watch:
    """What happens after a step: metrics, the held-out loss, samples."""

    def __init__(self, run: Run, loop: Loop, measure: Objective | None, bench: _Bench) -> None:
        self.run, self.loop, self.measure, self.bench = run, loop, measure, bench
        self.out = Path(run.tuning.out)
        self._metrics: outputs.Metrics | None = None

    def step(self, loss: float) -> None:
        step, tuning = self.loop.progress.step, self.run.tuning
        if self._metrics is None:
            self._metrics = outputs.Metrics(self.out, step - 1)
        rate = self.loop.optimizers[0].param_groups[0]["lr"]
        row = {
            "step": step,
            "loss": loss,
            "learning_rate": rate,
            "seconds": round(self.loop.progress.active_seconds, 3),
        }
        if self.measure is not None and (step % tuning.validate_every == 0 or step == tuning.steps):
            with _evaluating(self.bench.network):
                row["held_out_loss"] = self.measure.held_out_loss()
        self._metrics.add(row)
        if tuning.sample_every and (step % tuning.sample_every == 0 or step == tuning.steps):
            self.draw(step)
            self._metrics.plot()

    def draw(self, step: int) -> None:
        """Draw the samples' prompts with the weights of this step."""
        if self.run.recipe_of is None or not self.run.tuning.samples:
            return
        clips = []
        with _evaluating(self.bench.network):
            for prompt in self.run.tuning.samples:
                recipe = self.run.recipe_of(prompt, self.run.tuning.seed)
                clips.append((_drawn(self.bench, recipe), recipe.fps))
        written = outputs.write_samples(self.out, step, clips)
        self.run.on_event(f"step {step}: drew {written[0]}" + (f" and {len(clips) - 1} more" if len(clips) > 1 else ""))

    def finish(self) -> None:
        if self._metrics is not None:
            self._metrics.plot()


def _drawn(bench: _Bench, recipe: Recipe) -> np.ndarray:
    (*_, last) = bench.entry.family.denoise(recipe, bench.parts, [], recipe.seed)
    return bench.entry.family.decode(recipe, bench.parts, last)


@contextlib.contextmanager
def _evaluating(network: Any) -> Any:
    """Dropout off while the block runs, and torch's own chance as it was afterwards.

    diffusers' pipelines cast what they are given, and new weights are learnt in float32: they are kept from it.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        network.eval()
        network.to = lambda *_, **__: network
        try:
            yield
        finally:
            del network.to
            network.train()


def _processes(device: str) -> tuple[Share, str, Callable[[nn.Module], nn.Module]]:
    """Which process this is of those that were launched together, its device, and how a network is wrapped for them."""
    from accelerate import PartialState

    on_cpu = device == "cpu"
    state = PartialState(cpu=on_cpu)
    if state.num_processes == 1:
        return ALONE, device, lambda network: network
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=on_cpu)
    mine = device if on_cpu else str(accelerator.device)
    return Share(state.process_index, state.num_processes), mine, accelerator.prepare_model


def _check_folder(out: Path, tuning: Tuning, *, resume: bool) -> None:
    """Refuse to mix two runs in one folder."""
    settings = out / SETTINGS
    if not settings.exists():
        if out.is_dir() and any(out.iterdir()):
            raise UserError(f"{out} is not empty, and holds no run; name another folder with out = ...")
        if resume:
            raise UserError(f"{out} holds no run to go on with; leave --resume out.")
        return
    if not resume:
        raise UserError(f"{out} already holds a run; add --resume to go on with it, or name another folder.")
    before, now = json.loads(settings.read_text(encoding="utf-8")), to_plain(tuning)
    for name, value in now.items():
        if name not in FREE_TO_CHANGE and before.get(name, value) != value:
            raise UserError(
                f"{name} was {before[name]!r} when this run began and is {value!r} now; "
                "change it back, or begin anew in another folder."
            )


def _loop_settings(tuning: Tuning) -> LoopSettings:
    return LoopSettings(
        seconds=0,
        max_steps=tuning.steps,
        warmup_steps=tuning.warmup,
        fall="cosine" if tuning.schedule == "cosine" else "linear",
        decay_from=1.0 if tuning.schedule == "constant" else 0.0,
        floor=0.0,
        ema_decay=tuning.ema,
        clip_norm=tuning.clip_norm,
        accumulate=tuning.accumulate,
        checkpoint_steps=tuning.save_every,
    )


def _split(examples: Sequence[Example], tuning: Tuning) -> tuple[list[Example], list[Example]]:
    """Learnt and held out: whole clips, chosen by their content, so that adding one moves no other."""
    digests = sorted({example.digest for example in examples})
    count = min(round(len(digests) * tuning.validation), len(digests) - 1)
    held = set(digests[:count])
    return [e for e in examples if e.digest not in held], [e for e in examples if e.digest in held]


def _encode(example: Example, cache: Cache, bench: _Bench) -> Encoded:
    bucket, frames = example.piece.bucket, example.piece.frames
    key = {"clip": example.digest, "frames": list(frames), "bucket": dataclasses.astuple(bucket)}

    @torch.no_grad()
    def make() -> Tensors:
        return bench.learner.encode(bench.parts, buckets.fitted(example.clip.read()[0][list(frames)], bucket))

    text = _read(example.caption, cache, bench) if bench.learnt is bench.network else {}
    return Encoded(bucket, cache.get(key, make), text, example.caption)


def _remembered(run: Run, cache: Cache, bench: _Bench) -> list[Encoded]:
    """What the untaught model draws, encoded."""
    wanted = prompts(bench.entry, run.tuning)
    if not wanted or run.recipe_of is None:
        return []
    before, found = cache.made, []
    for index, prompt in enumerate(wanted):
        recipe = run.recipe_of(prompt, run.tuning.seed + index)

        def make(recipe: Recipe = recipe) -> Tensors:
            with _evaluating(bench.network):
                return bench.learner.encode(bench.parts, _drawn(bench, recipe))

        bucket = buckets.Bucket(recipe.num_frames, recipe.height, recipe.width)
        clip = cache.get({"prior": recipe.identity()}, make)
        found.append(Encoded(bucket, clip, _read(recipe.caption, cache, bench), is_prior=True))
    run.on_event(f"{len(found)} clips of what it knows already; {cache.made - before} newly drawn")
    return found


def _read(caption: str, cache: Cache, bench: _Bench) -> Tensors:
    with torch.no_grad():
        return cache.get({"caption": caption}, lambda: bench.learner.read(bench.parts, caption))


def _memory(network: nn.Module, trained: int) -> str:
    """What is known of the memory before the start: activations come on top."""
    weights = sum(parameter.numel() * parameter.element_size() for parameter in network.parameters())
    return f"at least {(weights + trained * (ADAM_BYTES - 4)) / 2**30:.2f} GiB without activations"


def _write(run: Run, bench: _Bench, told: Survey) -> None:
    tuning, out = run.tuning, Path(run.tuning.out)
    if tuning.method == "full":
        _write_full(bench, out / "model")
    elif isinstance(bench.learnt, inversion.NewWord):
        bench.learnt.write(out)
    else:
        adapters.write(bench.network, bench.learner, tuning, out)
        if tuning.trigger and bench.entry.variant.vocabulary:
            (out / WORDS_FILE).write_text(json.dumps({"words": [tuning.trigger]}), encoding="utf-8")
    about = {
        "base model": tuning.model, "method": tuning.method, "trigger": tuning.trigger or "none",
        "examples": f"{len(told.examples)} of {len(told.used)} clips", "steps": str(tuning.steps),
        "batch": str(tuning.batch * tuning.accumulate), "learning rate": f"{tuning.learning_rate:g}",
        "rank": f"{tuning.rank} (alpha {tuning.alpha:g})" if tuning.method in ("lora", "dora") else "",
    }  # fmt: skip
    outputs.write_card(out, {name: value for name, value in about.items() if value}, tuning)


def _write_full(bench: _Bench, folder: Path) -> None:
    """The checkpoint with the trained network in place of its own."""
    path, component = bench.entry.require_path(), bench.learner.component
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(path, partial, ignore=lambda root, names: [component] if Path(root) == path else [])
    bench.network.save_pretrained(partial / component)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
