"""Compiles the package's CUDA sources for the CPU (emulator.h) and launches their kernels."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

HEADER = Path(__file__).with_name("emulator.h")
CACHE = Path(tempfile.gettempdir()) / f"tinygrad-cv-emulator-{os.getuid()}"
SCHEDULES = (0, 1, 2, 3)  # ascending, descending, two random ones
KIND = os.environ.get("CUDA_EMULATOR", "fast")  # asan and tsan are set by sanitize.sh

_FLAGS = ["-std=c++17", "-shared", "-fPIC", "-ffp-contract=off", "-Wno-unknown-pragmas"]
KINDS = {
    "fast": ["-O2", "-march=native"],
    "asan": ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "tsan": ["-O1", "-g", "-fsanitize=thread"],
}
_ENTRY = re.compile(r'extern\s+"C"\s+__global__\s+void\s+__launch_bounds__\([^)]*\)\s*(\w+)\s*\(')
_CODES = {"f4": "f", "f8": "d", "i4": "i", "i8": "q", "u8": "P"}


class EmulatorError(RuntimeError):
    """What a GPU would answer with a wrong result, a hang or a fault."""


class Kernel:
    """One entry point: ``kernel(grid, block, arguments)``."""

    def __init__(self, library: ctypes.CDLL, name: str) -> None:
        self.name = name
        self._launch = getattr(library, f"emulator_launch_{name}")
        self._launch.restype = ctypes.c_char_p
        signature = getattr(library, f"emulator_signature_{name}")
        signature.restype = ctypes.c_char_p
        self.signature = signature().decode()

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        arguments: tuple[Any, ...],
        schedule: int = 0,
        blocks: tuple[int, int] | None = None,
    ) -> None:
        """Run the blocks [first, last) of the grid, by default all, under a schedule.

        Arguments are NumPy scalars of the parameters' types; pointers are uint64.
        """
        if len(arguments) != len(self.signature):
            raise EmulatorError(
                f"{self.name} takes {len(self.signature)} arguments, got {len(arguments)}"
            )
        pointers = (ctypes.c_void_p * len(arguments))()
        held = []
        for i, (given, want) in enumerate(zip(arguments, self.signature, strict=True)):
            code = _CODES.get(given.dtype.str[1:])
            if code != want:
                raise EmulatorError(
                    f"{self.name}: argument {i} is passed as {given.dtype}, but the kernel reads "
                    f"{want!r} of {self.signature}"
                )
            held.append(np.array(given))
            pointers[i] = held[-1].ctypes.data
        shape = np.array([*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3]], np.uint32)
        part = np.array(blocks or (0, int(np.prod(grid))), np.int64)
        error = self._launch(
            pointers,
            ctypes.c_void_p(shape.ctypes.data),
            ctypes.c_void_p(part.ctypes.data),
            schedule,
        )
        if error:
            raise EmulatorError(f"{self.name}: {error.decode()}")


def build(source: str, kind: str = KIND) -> dict[str, Kernel]:
    """Compile a source (its includes in place) and return its kernels; compiled once, kept on disk."""
    names = _ENTRY.findall(source)
    text = source + "".join(
        f'\nextern "C" const char* emulator_launch_{name}(void** arguments, const unsigned* shape, '
        "const long long* slice, int schedule) {\n"
        f"    return emulator::call(&{name}, arguments, shape, slice, schedule);\n}}\n"
        f'extern "C" const char* emulator_signature_{name}() '
        f"{{ return emulator::signature(&{name}); }}\n"
        for name in names
    )
    flags = [*_FLAGS, *KINDS[kind]]
    key = hashlib.sha256("\0".join([text, HEADER.read_text(), *flags]).encode()).hexdigest()[:20]
    library = CACHE / f"{key}.so"
    if not library.exists():
        CACHE.mkdir(exist_ok=True)
        file = CACHE / f"{key}-{os.getpid()}.cpp"
        file.write_text(text)
        made = file.with_suffix(".so")
        command = ["g++", *flags, "-include", str(HEADER), str(file), "-o", str(made)]
        # A sanitizer that Python was started with is no concern of the compiler's.
        environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise EmulatorError(done.stderr)
        made.replace(library)  # at once, for another process that waits for the same file
        file.unlink()
    return _loaded(str(library), tuple(names))


@cache
def _loaded(library: str, names: tuple[str, ...]) -> dict[str, Kernel]:
    loaded = ctypes.CDLL(library)
    return {name: Kernel(loaded, name) for name in names}
