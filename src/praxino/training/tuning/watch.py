"""Owns what happens after a step: metrics, the held-out loss, samples. Knows no network and no optimizer."""

from __future__ import annotations

from pathlib import Path

from praxino.training.loop import Loop, OnEvent
from praxino.training.tuning import outputs
from praxino.training.tuning.bench import Bench, RecipeOf
from praxino.training.tuning.objective import Objective
from praxino.training.tuning.settings import Tuning


class Watch:
    """Watches a loop. Of several processes one writes; where weights are split between them, all draw and measure."""

    def __init__(
        self, tuning: Tuning, loop: Loop, bench: Bench, *, measure: Objective | None, recipe_of: RecipeOf | None,
        on_event: OnEvent,
    ) -> None:  # fmt: skip
        self.tuning, self.loop, self.bench = tuning, loop, bench
        self.measure, self.recipe_of, self.on_event = measure, recipe_of, on_event
        self.out = Path(tuning.out)
        self._metrics: outputs.Metrics | None = None

    def step(self, loss: float) -> None:
        """Note a step of that loss, and what is due with it."""
        if not (self.loop.peers.writes or self.loop.peers.is_sharded):
            return
        progress, tuning = self.loop.progress, self.tuning
        row = {
            "step": progress.step,
            "loss": loss,
            "learning_rate": self.loop.optimizers[0].param_groups[0]["lr"],
            "seconds": round(progress.active_seconds, 3),
        }
        is_last = progress.step == tuning.steps
        if self.measure is not None and (progress.step % tuning.validate_every == 0 or is_last):
            with self.bench.evaluating():
                row["held_out_loss"] = self.measure.held_out_loss()
        if self.loop.peers.writes:
            self._noted(row)
        if tuning.sample_every and (progress.step % tuning.sample_every == 0 or is_last):
            self._draw(progress.step)

    def finish(self) -> None:
        """Draw the plot of the losses."""
        if self._metrics is not None:
            self._metrics.plot()

    def _noted(self, row: dict[str, float]) -> None:
        if self._metrics is None:
            self._metrics = outputs.Metrics(self.out, int(row["step"]) - 1)
        self._metrics.add(row)

    def _draw(self, step: int) -> None:
        """Draw the samples' prompts with the weights of this step, and the plot of the losses."""
        self.finish()
        if self.recipe_of is None or not self.tuning.samples:
            return
        clips = []
        with self.bench.evaluating(), self.bench.at_hand(self.loop.peers.device):
            for index, prompt in enumerate(self.tuning.samples):
                recipe = self.recipe_of(prompt, self.tuning.seed, index)
                clips.append((self.bench.drawn(recipe), recipe.fps))
        if self.loop.peers.writes:
            written = outputs.write_samples(self.out, step, clips)
            more = f" and {len(clips) - 1} more" if len(clips) > 1 else ""
            self.on_event(f"step {step}: drew {written[0]}{more}")
