"""How the OpenMP runtime is loaded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def loaded_with(**variables: str) -> list[str]:
    """GOMP_SPINCOUNT as the extension's module sees it when it is imported, and afterwards."""
    program = (
        "import builtins, os, sys\n"
        "class Spy:\n"
        "    def find_spec(self, name, path, target=None):\n"
        "        if name == 'tinygrad_cv._core':\n"
        "            print(os.environ.get('GOMP_SPINCOUNT'))\n"
        "sys.meta_path.insert(0, Spy())\n"
        "import tinygrad_cv\n"
        "print(os.environ.get('GOMP_SPINCOUNT'))\n"
    )
    clean = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**clean, **variables},
    )
    return done.stdout.split()


def test_the_runtime_is_loaded_with_a_short_spin_and_nothing_stays_in_the_environment():
    from tinygrad_cv._openmp import SPINS

    assert loaded_with() == [SPINS, "None"]


@pytest.mark.parametrize(
    "variables", [{"GOMP_SPINCOUNT": "77"}, {"OMP_WAIT_POLICY": "passive"}], ids=str
)
def test_what_the_user_set_is_left_alone(variables):
    assert loaded_with(**variables) == [variables.get("GOMP_SPINCOUNT", "None")] * 2
