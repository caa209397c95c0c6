"""Owns the order of a fine-tuning run: survey, load, encode, train, write. Decides nothing itself.

Must not know how any family learns, nor print; it reports by a callable.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from praxino.errors import UserError
from praxino.plain import to_plain
from praxino.training.loop import Loop, LoopSettings, OnEvent
from praxino.training.peers import Peers, found, whole
from praxino.training.tuning import adapters, inversion, memory, outputs
from praxino.training.tuning.bench import Bench, RecipeOf
from praxino.training.tuning.cache import Cache, Tensors
from praxino.training.tuning.examples import Survey, check
from praxino.training.tuning.material import Encoder, Material
from praxino.training.tuning.objective import ALONE, Encoded, Objective, Share
from praxino.training.tuning.optimizer import num_weights, optimizers
from praxino.training.tuning.settings import Tuning
from praxino.training.tuning.watch import Watch
from praxino.vocabulary import WORDS_FILE, Vocabulary
from praxino.weights import catalog

STATE, CACHE, SETTINGS = "state", "cache", "settings.json"
FREE_TO_CHANGE = {"steps", "samples", "sample_every", "save_every", "validate_every", "out", "data"}
"""Settings that a run taken up again may have otherwise than at its start."""


@dataclass(frozen=True)
class Run:
    """What a run needs to know beyond its settings."""

    tuning: Tuning
    resume: bool = False
    device: str = "cpu"
    recipe_of: RecipeOf | None = None
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
    peers = found(run.device)
    before, given = _check_folder(out, tuning, resume=run.resume), _given(tuning, told)
    _check_checkpoint(before, given, tuning)
    _check_peers(tuning, peers)
    on_event = run.on_event if peers.writes else lambda message: None
    for line in told.lines():
        on_event(line)
    if before.get("examples", given["examples"]) != given["examples"]:
        on_event("the clips or captions are not those that this run had last: it goes on with these")
    if peers.count > 1:
        on_event(f"{peers.count} processes" + (", the weights split between them" if peers.is_sharded else ""))
    bench = Bench.prepared(tuning, peers.device)
    trained, every = (
        num_weights(p for p in bench.learnt.parameters() if p.requires_grad),
        num_weights(bench.network.parameters()),
    )
    on_event(f"{trained:,} of {every:,} weights are trained")
    peers.wait()
    if peers.writes:
        out.mkdir(parents=True, exist_ok=True)
        partial = out / f"{SETTINGS}.part"
        partial.write_text(json.dumps({**to_plain(tuning), **given}, indent=1), encoding="utf-8")
        partial.replace(out / SETTINGS)
    cache = Cache(out / CACHE, given["checkpoint"])
    material = Encoder(bench, cache, tuning, run.recipe_of, on_event).material(told)
    bench.set_aside(is_drawn_with=bool(tuning.samples and tuning.sample_every))
    watch = _begun(run, peers, bench, material, on_event)
    watch.loop.run(resume=run.resume, on_losses=watch.step, stopped=run.stopped)
    _write(tuning, bench, told, peers)
    if peers.writes:
        watch.finish()
    return out


def _begun(run: Run, peers: Peers, bench: Bench, material: Material, on_event: OnEvent) -> Watch:
    """The loop over the material, and what watches it."""
    tuning = run.tuning
    bench.network.train()
    alone = _objective(bench, bench.network, material.learnt, material.empty, tuning)
    on_event(
        memory.told(memory.peak(alone.largest, bench.network, bench.learnt, tuning, bench.beside()), peers, tuning)
    )
    network = peers.joined(bench.network)
    objective = _objective(bench, network, material.learnt, material.empty, tuning, Share(peers.rank, peers.count))
    loop = Loop(
        bench.learnt,
        optimizers(bench.learnt, tuning),
        objective,
        _loop_settings(tuning),
        folder=Path(tuning.out) / STATE,
        on_event=on_event,
        peers=peers,
    )
    held = _objective(bench, bench.network, material.held_out, material.empty, tuning) if material.held_out else None
    return Watch(tuning, loop, bench, measure=held, recipe_of=run.recipe_of, on_event=on_event)


def _objective(
    bench: Bench, network: nn.Module, examples: list[Encoded], empty: Tensors, tuning: Tuning, share: Share = ALONE
) -> Objective:
    is_word = tuning.method == "textual-inversion"
    untaught = None if tuning.method == "full" or is_word else lambda: adapters.untaught(bench.network)
    read = (lambda caption: bench.learner.read(bench.parts, caption)) if is_word else None
    variant = bench.entry.variant
    return Objective(bench.learner, bench.parts, network, variant, examples, empty, tuning, share, untaught, read)


def _check_peers(tuning: Tuning, peers: Peers) -> None:
    """Raise UserError for what is learnt in one process alone, or where none has whole weights."""
    if peers.count > 1 and tuning.method == "textual-inversion":
        raise UserError("a new word is learnt in one process; start it without accelerate launch.")
    if not peers.is_sharded:
        return
    if tuning.optimizer != "adamw":
        raise UserError(f"optimizer is {tuning.optimizer!r}, which needs whole weights; under FSDP choose adamw.")
    if tuning.prior:
        raise UserError(f"prior is {tuning.prior}; under FSDP there is nothing against forgetting: leave it out.")
    if tuning.dtype == "float8":
        raise UserError("dtype is 'float8', which is not split between processes; under FSDP choose bfloat16.")
    if tuning.method == "dora":
        raise UserError("method is 'dora', which needs whole weights; under FSDP learn a LoRA, or all of the network.")


def _given(tuning: Tuning, told: Survey) -> dict[str, str]:
    """Digests of what a run begins from, to tell when it is taken up again with something else."""
    examples = sorted((e.digest, e.caption, e.piece.frames, sorted(e.beside.items())) for e in told.examples)
    return {
        "checkpoint": catalog.find(tuning.model).fingerprint(),
        "examples": hashlib.sha256(json.dumps(examples).encode()).hexdigest(),
    }


def _check_checkpoint(before: dict[str, Any], given: dict[str, str], tuning: Tuning) -> None:
    if before.get("checkpoint", given["checkpoint"]) != given["checkpoint"]:
        raise UserError(
            f"{tuning.model} is not what it was when this run began, and its new weights are of no use to another "
            "checkpoint; bring that one back, or begin anew in another folder."
        )


def _check_folder(out: Path, tuning: Tuning, *, resume: bool) -> dict[str, Any]:
    """Refuse to mix two runs in one folder; what the run in it was told before, if there is one."""
    settings = out / SETTINGS
    if not settings.exists():
        if out.is_dir() and any(out.iterdir()):
            raise UserError(f"{out} is not empty, and holds no run; name another folder with out = ...")
        if resume:
            raise UserError(f"{out} holds no run to go on with; leave --resume out.")
        return {}
    if not resume:
        raise UserError(f"{out} already holds a run; add --resume to go on with it, or name another folder.")
    before, now = json.loads(settings.read_text(encoding="utf-8")), to_plain(tuning)
    for name, value in now.items():
        if name not in FREE_TO_CHANGE and before.get(name, value) != value:
            raise UserError(
                f"{name} was {before[name]!r} when this run began and is {value!r} now; "
                "change it back, or begin anew in another folder."
            )
    return before


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


def _write(tuning: Tuning, bench: Bench, told: Survey, peers: Peers) -> None:
    """Write what was learnt; where weights are split between processes, all have to come here."""
    out = Path(tuning.out)
    if tuning.method == "full":
        _write_full(bench, out / "model", peers, tuning.trigger)
    elif isinstance(bench.learnt, inversion.NewWord):
        bench.learnt.write(out)
    else:
        learnt = adapters.weights(bench.network, tuning)
        if peers.writes:
            adapters.write(learnt, bench.network, bench.learner, tuning, out)
    if not peers.writes:
        return
    if tuning.trigger and bench.entry.variant.vocabulary and tuning.method != "full":
        (out / WORDS_FILE).write_text(json.dumps({"words": [tuning.trigger]}), encoding="utf-8")
    about = {
        "base model": tuning.model, "method": tuning.method, "trigger": tuning.trigger or "none",
        "examples": f"{len(told.examples)} of {len(told.used)} clips", "steps": str(tuning.steps),
        "batch": str(tuning.batch * tuning.accumulate), "learning rate": f"{tuning.learning_rate:g}",
        "rank": f"{tuning.rank} (alpha {tuning.alpha:g})" if tuning.method in ("lora", "dora") else "",
    }  # fmt: skip
    outputs.write_card(out, {name: value for name, value in about.items() if value}, tuning)


def _write_full(bench: Bench, folder: Path, peers: Peers, trigger: str) -> None:
    """The checkpoint with the trained network in place of its own, and the trigger among the words it knows."""
    learnt = _whole_copy(bench.network) if peers.is_sharded else bench.network
    if not peers.writes:
        return
    path, component = bench.entry.require_path(), bench.learner.component
    partial = folder.with_name(folder.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(path, partial, ignore=lambda root, names: [component] if Path(root) == path else [])
    learnt.save_pretrained(partial / component)
    if trigger and (words := bench.entry.variant.vocabulary):
        known = Vocabulary.read(path / words).taught([trigger])
        (partial / words).write_text(json.dumps(known.data, ensure_ascii=False), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _whole_copy(network: Any) -> Any:
    """On the CPU, a network of which each process holds a part; all of them have to ask for it."""
    from accelerate import init_empty_weights

    tensors = {name: whole(tensor).cpu() for name, tensor in network.state_dict().items()}
    kind = next(kind for kind in type(network).__mro__ if not kind.__name__.startswith("FSDP"))
    with init_empty_weights():
        copy = kind.from_config(network.config)
    copy.load_state_dict(tensors, strict=True, assign=True)
    return copy
