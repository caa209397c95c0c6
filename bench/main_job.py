"""The bench of the main job: a sentence becomes a GIF, by Praxino and by a plain diffusers script, in turn.

    python bench/main_job.py [ROUNDS]

Each round starts processes of either side in turn: cold, the command `praxino` and the script; warm, a process that
draws several times. Medians and the ratio pair by pair are printed, and kept with the machine's description in
bench/results/main_job.json. Needs an idle machine to mean anything; decides no test.
"""

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from workloads import PROMPT

from praxino.weights.catalog import find

HERE = Path(__file__).parent
COMPILED = Path(tempfile.gettempdir()) / "praxino-bench-compiled"
"""Where compiled modules lie, as they do beside those of an installed package."""
WARM_REPEATS = 6
SIDES = ("praxino", "diffusers")
COMMAND = ["-m", "praxino", PROMPT, "--seed", "0", "--local", "--no-history", "-q", "-o"]


def measure(arguments: list[str]) -> tuple[float, float, str]:
    """Wall seconds, peak memory in MiB and standard output of a child process."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(COMPILED), "PYTHONDONTWRITEBYTECODE": ""}
        command = [sys.executable, *arguments]
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.monotonic() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise SystemExit(f"{' '.join(arguments)} ended with {child.returncode}")
        output.seek(0)
        return seconds, used.ru_maxrss / 1024, output.read().decode()


def one_round(folder: Path, out: Path) -> dict[str, dict[str, float]]:
    """The figures of either side, once."""
    figures: dict[str, dict[str, float]] = {}
    for side in SIDES:
        workload = [str(HERE / "workloads.py"), side, str(folder), str(out)]
        cold, memory, _ = measure([*COMMAND, str(out)] if side == "praxino" else [*workload, "1"])
        _, _, printed = measure([*workload, str(WARM_REPEATS)])
        warm = json.loads(printed)["rounds"][1:]
        figures[side] = {"process start to file, s": cold, "peak memory, MiB": memory}
        for name, label in {
            "whole": "warm request to file, s",
            "step": "one denoising step, ms",
            "decode": "decode, ms",
            "file": "write the GIF, ms",
        }.items():
            value = statistics.median(seconds[name] for seconds in warm)
            figures[side][label] = value * (1000 if label.endswith("ms") else 1)
    return figures


def command_times(rounds: int) -> dict[str, float]:
    """Median seconds of whole `praxino` commands."""
    commands = {"praxino --help, s": ["--help"], "praxino models list, s": ["models", "list"]}
    return {
        label: statistics.median(measure(["-m", "praxino", *arguments])[0] for _ in range(rounds))
        for label, arguments in commands.items()
    }


def main() -> None:
    """Run the rounds, print the table, keep the JSON."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    folder = find("pocket").require_path()
    with tempfile.TemporaryDirectory() as scratch:
        one_round(folder, Path(scratch) / "out.gif")  # modules are compiled, files are in memory
        results = [one_round(folder, Path(scratch) / "out.gif") for _ in range(rounds)]
    table = {}
    for label in results[0]["praxino"]:
        ours, theirs = ([result[side][label] for result in results] for side in SIDES)
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        table[label] = {
            "praxino": statistics.median(ours),
            "diffusers": statistics.median(theirs),
            "ratio": statistics.median(ratios),
            "ratio_range": [min(ratios), max(ratios)],
        }
        row = table[label]
        print(f"{label:28} {row['praxino']:9.2f} {row['diffusers']:9.2f}   x{row['ratio']:.2f}")
    commands = command_times(rounds)
    for label, seconds in commands.items():
        print(f"{label:28} {seconds:9.2f}")
    kept = {
        "date": datetime.date.today().isoformat(),
        "rounds": rounds,
        "machine": machine(),
        **commands,
        "table": table,
    }
    (HERE / "results" / "main_job.json").write_text(json.dumps(kept, indent=1) + "\n")


def machine() -> dict[str, object]:
    """What the figures were measured on."""
    packages = {name: version(name) for name in ("praxino", "torch", "diffusers", "transformers")}
    return {"cpu": platform.processor() or platform.machine(), "cores": os.cpu_count(), "packages": packages}


if __name__ == "__main__":
    main()
