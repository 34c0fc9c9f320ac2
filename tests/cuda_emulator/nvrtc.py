"""NVIDIA's run-time compiler without a GPU or a driver: its library is a wheel (nvidia-cuda-nvrtc)."""

from __future__ import annotations

import ctypes
import re
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# What CuPy itself adds to the options of a RawModule, and ptxas's report.
OPTIONS = ["-std=c++17", "-ftz=true", "--device-as-default-execution-space", "--ptxas-options=-v"]


class Use(NamedTuple):
    """What one kernel takes of a multiprocessor."""

    registers: int
    spilled: int  # bytes stored and loaded because the registers did not suffice
    shared: int  # bytes of static shared memory


def compiler() -> ctypes.CDLL | None:
    """libnvrtc, from the wheel or the system; None where there is none."""
    wheels = find_spec("nvidia")  # a folder that several wheels share
    folders = wheels.submodule_search_locations or [] if wheels else []
    found = [file for folder in folders for file in Path(folder).glob("*/lib/libnvrtc.so.*")]
    for name in [*map(str, sorted(found)), "libnvrtc.so"]:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        if hasattr(library, "nvrtcCompileProgram"):
            return library
    return None


def compiled(nvrtc: ctypes.CDLL, source: str, arch: int) -> dict[str, Use]:
    """Compile for sm_<arch>; RuntimeError with the compiler's words, or each kernel's use."""
    program = ctypes.c_void_p()
    assert not nvrtc.nvrtcCreateProgram(
        ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None
    )
    options = [o.encode() for o in (f"-arch=sm_{arch}", *OPTIONS)]
    status = nvrtc.nvrtcCompileProgram(
        program, len(options), (ctypes.c_char_p * len(options))(*options)
    )
    size = ctypes.c_size_t()
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    text = log.value.decode()
    if status:
        raise RuntimeError(f"sm_{arch}: {text}")
    parts = re.split(r"Compiling entry function '(\w+)'", text)
    return {name: _use(report) for name, report in zip(parts[1::2], parts[2::2], strict=True)}


def _use(report: str) -> Use:
    registers = re.search(r"Used (\d+) registers", report)
    assert registers, report
    shared = re.search(r"(\d+) bytes smem", report)
    spilled = sum(map(int, re.findall(r"(\d+) bytes spill", report)))
    return Use(int(registers[1]), spilled, int(shared[1]) if shared else 0)
