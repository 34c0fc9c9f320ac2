"""The quick form of kill_and_resume.py; the whole one is 20 kills."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill_and_resume.py")


def driven(*arguments):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_two_kills_leave_the_same_bytes():
    lines = driven("--kills", "2", "--epochs", "1", "--seed", "1")
    assert [line.split(":")[0] for line in lines] == [
        "kill 1/2", "kill 2/2", "model.safetensors", "steps.csv", "half-written files left",
    ]  # fmt: skip
    assert all(line.endswith("bytes, equal") for line in lines[2:4])


@pytest.mark.slow
def test_twenty_kills_leave_the_same_bytes():
    assert len(driven("--kills", "20")) == 23
