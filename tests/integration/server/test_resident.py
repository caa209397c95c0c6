"""A running `praxino serve` draws for the commands of its user: the same bytes, without torch in the command."""

import json
import os
import signal
import subprocess
import sys

import pytest

from praxino.cli.resident import NOTE

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX here")
SECONDS = 300
DRAWS = """
import sys
from praxino.cli.outcome import run
code = run(sys.argv[1:])
print("torch" in sys.modules, file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def environment(home):
    unset = ("PRAXINO_API_KEY", "PRAXINO_DEVICE", "PRAXINO_DATABASE", "PRAXINO_RESULTS")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "PRAXINO_HOME": str(home), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def serving(home, environment):
    command = [sys.executable, "-m", "praxino", "serve", "--port", "0", "--json"]
    with (home / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment)
    line = process.stdout.readline()
    assert line, (home / "log").read_text()
    yield json.loads(line)["url"]
    process.send_signal(signal.SIGTERM)
    process.wait(SECONDS)
    process.stdout.close()
    assert not (home / NOTE).exists()


def drawn(home, environment, *args):
    """The bytes of a file, and what was said."""
    out = home / "out.gif"
    command = [sys.executable, "-c", DRAWS, "a rocket", "--seed", "7", "-o", str(out), *args]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert ran.returncode == 0, ran.stderr
    return out.read_bytes(), ran.stderr


def test_it_draws_the_same_bytes_and_the_command_imports_no_torch(home, environment, serving):
    by_server, said = drawn(home, environment)
    assert f"drawn by praxino serve at {serving}" in said and said.endswith("False\n")
    local, said = drawn(home, environment, "--local")
    assert serving not in said and said.endswith("True\n")
    assert by_server == local


def test_one_that_does_not_answer_is_told_of_and_done_without(home, environment, serving):
    note = home / NOTE
    before = note.read_text()
    note.write_text(json.dumps({**json.loads(before), "url": "http://127.0.0.1:9"}))
    _, said = drawn(home, environment)
    note.write_text(before)
    assert "http://127.0.0.1:9 does not draw it; drawing in this process" in said and said.endswith("True\n")


def test_one_with_keys_wants_the_users(home, environment, serving):
    note = home / NOTE
    before = note.read_text()
    note.write_text(json.dumps({**json.loads(before), "wants_key": True}))
    _, said = drawn(home, environment)
    assert "set PRAXINO_API_KEY" in said and said.endswith("True\n")
    _, said = drawn(home, {**environment, "PRAXINO_API_KEY": "prx_any"})
    note.write_text(before)
    assert said.endswith("False\n")
