"""Are the kernels' tests any good? Breaks one barrier, guard or index at a time and runs them.

    python tests/cuda_emulator/mutate.py [conv|loss|matmul|…] [--only PLACE] [--list]

Each mutant changes one place of a source; the tests of its family must fail, plainly or, for a read
that leads to no result, under AddressSanitizer. A mutant that survives is a hole in the tests, or a
line without effect; those known to be the latter are named in `EQUAL`.
"""

from __future__ import annotations

import argparse
import mmap
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import NamedTuple

import emulator
import pytest

from tinygrad_cv.backends.cuda import sources

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc" / "cuda"
TESTS = {
    "adaptive_pool": ["test_adaptive_pool.py"],
    "conv": ["test_conv.py"],
    "conv_direct": ["test_conv.py"],
    "distance": ["test_distance.py"],
    "elementwise": ["test_elementwise.py"],
    "kernel_common": ["test_norm.py", "test_matmul.py"],
    "loss": ["test_loss.py"],
    "matmul": ["test_matmul.py"],
    "nearest": ["test_nearest.py"],
    "norm": ["test_norm.py"],
    "optim": ["test_optim.py", "test_loss_scaling.py"],
    "pool": ["test_pool.py", "test_lp_pool.py"],
    "tensor_cores": ["test_tensor_cores.py"],
}
# Headers, by the family that tries them.
SHARED_BY = {
    "block_sum": "norm",
    "conv_shape": "conv",
    "distance_steps": "nearest",
    "gemm_tile": "matmul",
    "mma": "tensor_cores",
    "philox": "elementwise",
    "planes": "pool",
}

# Of a test run, beyond which it counts as a loop without an end: several times what it takes.
MOST_SECONDS, MOST_SANITIZED, MOST_BYTES = 60, 600, 3 << 30
HIGH = "a bound one too high"
KINK = "a kink on the other side"
CAST, NARROW = "a product in 32 bits", "an offset in 32 bits"  # for test_large_offsets.py to see
# What is weakened: (what it is, pattern, replacement).
MUTATIONS = [
    ("a barrier deleted", r"__syncthreads\(\);", ";"),
    (HIGH, r"(?<=[\w\)\]]) < (?=(?:s\.|rows|m\b|n\b|k\b|k1|size|images|length|count|depth))",
     " <= "),
    ("a bound one too low", r"(?<=[\w\)\]]) >= (?=(?:s\.|images|m\b|n\b))", " > "),
    ("a lower guard gone", r"\b(?:i|j|row|column) >= 0 && ", ""),
    ("a lower guard gone", r"\b(?:i|j|row|column) < 0 \|\| ", ""),
    ("padding of the other sign", r" - (?=s\.p[hw]\b)", " + "),
    ("padding of the other sign", r" \+ (?=s\.p[hw]\b)", " - "),
    ("dilation ignored", r" \* s\.d[hw]\b", ""),
    ("stride ignored", r" \* s\.s[hw]\b", ""),
    ("rows for columns", r"\bs\.sw\b", "s.sh"),
    ("rows for columns", r"\bs\.kw\b", "s.kh"),
    ("rows for columns", r"\bs\.ow\b", "s.oh"),
    ("rows for columns", r"\bs\.w\b", "s.h"),
    ("the first split for all", r"\+ part\b(?!\.)", ""),
    ("a remainder that counts", r"rest_p == 0 && ", ""),
    ("a remainder that counts", r"rest_p \|\| ", ""),
    ("ties go to the last", r"value > best", "value >= best"),
    ("NaN is passed over", r" \|\| value != value", ""),
    ("an empty window is forgotten", r"empty \|\| ", ""),
    ("relu forgotten", r"relu \? relu_of\((\w+)\) : \w+", r"\1"),
    ("bias forgotten", r"if \(bias\) (\w+) \+= bias\[[^\]]*\];", ""),
    ("the other accumulator", r"acc\[i\]\[j\] = ", "acc[i][0] = "),
    ("the next tile not fetched", r"fetch\(a, tid, k0 \+ BK, k1\)", "fetch(a, tid, k0, k1)"),
    ("a sum that drops a part", r"int s = 1; s < splits", "int s = 2; s < splits"),
    ("the largest not taken away", r" - largest", ""),
    ("an ignored label counts", r"mine == ignore \? T\(0\) : ", ""),
    ("an ignored label counts", r"used = mine != ignore", "used = true"),
    ("weights forgotten", r"weight \? weight\[[^\]]*\] : ", ""),
    ("another row's gradient", r"each \? row : 0", "0"),
    ("a direction turned", r"maximize \? -grad : grad", "grad"),
    ("decay forgotten", r"decay != T\(0\) \? d \+ decay \* w : d", "d"),
    ("a factor forgotten", r"\b(?:momentum|keep|beta2|rest1|rest2|step|shrink|lr) \* ", ""),
    ("a factor forgotten", r" \* (?:shrink|share|scale)\b", ""),
    ("nesterov forgotten", r"nesterov \? [^:]* : ", ""),
    ("eps forgotten", r" \+ eps\b", ""),
    ("a part counts fully", r" \* \(added / now\)", ""),
    ("parts' distance forgotten", r" \+\s*apart \* apart \* \([^)]*\)", ""),
    ("relu forgotten", r"if \(relu\) g = [^;]*;", ""),
    ("a mean not taken away", r" - (?:mean|average|sum|sums)\b(?:\[(?:k|row)\])?(?! \*)", ""),
    ("another column", r"tid % columns", "0"),
    ("ties go to the last", r"d < (?=worst|distance\[)", "d <= "),
    ("NaN is near", r"d != d \? -NEG_INF : d", "d"),
    ("a part's end ignored", r"min\(How::kN, last - n0\)", "How::kN"),
    ("a list left open", r"if \(keeps\) list\.close\(\);", ""),
    (KINK, r"(?<=x) > (?=T\(0\) \? (?:x|grad))", " >= "),
    (KINK, r"(?<=y) <= (?=T\(0\))", " < "),
    ("a draw on the other side", r"draw >= p", "draw > p"),
    ("a round less", r"round < 10", "round < 9"),
    ("the other half", r" \+ [48] \* half", ""),
    ("the other half", r"of\[k % 2\]", "of[0]"),
    ("the other half", r"pair\.of\[1\]", "pair.of[0]"),
    ("the other half", r" \+ 8 \* \(r [%/] 2\)", ""),
    ("another word", r"word\[j\]", "word[0]"),
    ("the smaller taken", r"top\[i\] < square", "top[i] > square"),
    ("a part's end ignored", r"min\(k0 \+ each \* step, k\)", "k0 + each * step"),
    ("a part's start past the end", r"min\(split \* each \* step, k\)", "split * each * step"),
    ("parts rounded down", r"\(k \+ step - 1\) / step", "k / step"),
    ("parts rounded down", r"\(steps \+ splits - 1\) / splits", "steps / splits"),
    ("NaN is clipped", r"v < T\(0\) \? T\(0\) : v", "v > T(0) ? v : T(0)"),
    ("a quotient too small", r" / divisor \+ 1\)", " / divisor)"),
    # But for places in a plane and numbers of channels, which 32 bits hold.
    (CAST, r"static_cast<long long>\((?!(?:i|p|row)\) \* s\.o?w\b"
     r"|(?:block\.group|k / s\.o_group\(\))\) \* (?:rows;|s\.[co]_group\(\)))", "static_cast<int>("),
    (NARROW, r"\blong long (?=\w+ = )", "int "),
    ("a flag ignored", r"if \((?:skip && \*skip|idle)\) return;", ""),
    ("a skipped step counted", r"\+ !idle", "+ 1"),
    ("an overflow unseen", r"if \(!finite\)", "if (false)"),
    ("an overflow unseen", r"finite && (?=isfinite)", ""),
    ("a scale that stays", r"g \* inverse", "g"),
    ("a streak too long", r" \+ 1 == interval", " == interval"),
    ("a scale beyond float", r" && isfinite\(larger\)", ""),
    ("a streak that goes on", r"overflowed \|\| grows \? 0 : ", ""),
    ("a start that nothing makes up for", r"corrected \? (?:lr /|sqrt)[^:]* : ", ""),
    ("a pole", r"value == T\(0\) \|\| g == T\(0\)", "false"),
    ("a pole", r"whole == T\(0\) \? T\(0\) : ", ""),
    ("a window cut short", r"first \+ length \+ count - 1", "first + length"),
    ("every window of one size", r"T\(adaptive_span\([^)]*\)\.length\(\)\)", "T(1)"),
    ("a later NaN", r" && best == best", ""),
    ("a lower guard gone", r"from >= 0 && ", ""),
]  # fmt: skip
# Lines, or all of a file, whose mutant changes no result, with the reason.
EQUAL = {
    (HIGH, "for (long long four = GRID_START; four * 4 < count; four += GRID_STEP) {"):
        "each of the four elements is guarded again",
    (HIGH, "if (k0 + BK < k1) {"): "the tile behind the last one is fetched as zeros, and not used",
    (HIGH, "if (k0 + kK < k1) {"): "the same",
    (KINK, "if constexpr (F == kLeakyRelu) return x > T(0) ? x : x * alpha;"):
        "0 on both sides of 0",
    (CAST, "#define GRID_STEP (static_cast<long long>(gridDim.x) * blockDim.x)"):
        "a loop over elements has at most 32 blocks a multiprocessor",
    (CAST, "pool.cu"): "x and y of a launch have fewer than 2^31 elements",
    (NARROW, "const long long first = static_cast<long long>(place.plane) * s.oh * s.ow;"):
        "the same",
    (CAST, "__device__ long long inputs() const { return static_cast<long long>(planes) * h * w; }"):
        "the same",
    (CAST, "__device__ long long outputs() const { return static_cast<long long>(planes) * oh * ow; }"):
        "the same",
    (CAST, "return (static_cast<long long>(at.plane) * h + row) * w + column;"): "the same",
    (CAST, "return (static_cast<long long>(at.plane) * oh + row) * ow + column;"): "the same",
    (NARROW, "const long long window = s.output(place, p, q);"): "the same",
    (NARROW, "const long long outer = item / inner, within = item % inner;"):
        "multiplied by numbers of 64 bits",
    (NARROW, "const long long window = first + static_cast<long long>(p) * s.ow + q;"): "the same",
    (CAST, "partial[static_cast<long long>(part.part) * c + part.channel] = sum;"):
        "a block each, fewer than 2^31",
    (CAST, "const long long outputs = static_cast<long long>(s.images) * s.o * s.out_plane();"):
        "outputs of a launch are fewer than 2^31",
    (NARROW, "const long long outputs = static_cast<long long>(s.images) * s.o * s.out_plane();"):
        "the same",
    (CAST, "const long long inputs = static_cast<long long>(s.images) * s.c * s.in_plane();"):
        "inputs of a launch are fewer than 2^31",
    (NARROW, "const long long inputs = static_cast<long long>(s.images) * s.c * s.in_plane();"):
        "the same",
    (NARROW, "const long long image = by_plane.split(k, pixel);"):
        "multiplied by a number of 64 bits",
    (NARROW, "const long long channel = static_cast<long long>(k / s.o_group()) * s.c_group() + c;"):
        "added to a number of 64 bits before it is multiplied",
}  # fmt: skip


class Mutant(NamedTuple):
    """One place of one file, changed."""

    file: str
    line: int
    code: str  # as it was
    what: str
    text: str  # of the whole file, broken


def mutants(stem: str) -> list[Mutant]:
    """All mutants of a source or header."""
    file = next(CSRC.glob(f"{stem}.cu*"))
    text = file.read_text(encoding="utf-8")
    found = []
    for what, pattern, replacement in MUTATIONS:
        for match in re.finditer(pattern, text):
            start = text.rfind("\n", 0, match.start()) + 1
            if text[start : match.start()].lstrip().startswith("//"):
                continue
            changed = text[: match.start()] + match.expand(replacement) + text[match.end() :]
            line = text.count("\n", 0, match.start())
            code = text.splitlines()[line].strip()
            found.append(Mutant(file.name, line + 1, code, what, changed))
    return found


def sanitized() -> dict[str, str]:
    """Variables that have the emulator notice reads outside of memory; three times as slow."""
    names = ["libasan.so", "libstdc++.so"]
    found = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True).stdout
        for name in names
    ]
    options = "detect_leaks=0:detect_stack_use_after_return=0"
    preload = ":".join(path.strip() for path in found)
    return {"CUDA_EMULATOR": "asan", "LD_PRELOAD": preload, "ASAN_OPTIONS": options}


def pytest_status(
    arguments: list[str], variables: dict[str, str], sanitize: bool
) -> tuple[int, str]:
    """Exit status and output of pytest in a fork of this process, which has loaded what tests load.

    A loop without an end is killed, above all one through large arrays.
    """
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os.environ.update(variables)
            seconds = MOST_SANITIZED if sanitize else MOST_SECONDS
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
            if sanitize:  # its libraries come first in a process
                os.environ.update(sanitized())
                os.execv(sys.executable, [sys.executable, "-m", "pytest", *arguments])
            status = pytest.main(arguments)
            sys.stdout.flush()
            os._exit(status)
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            time.sleep(0.02)
            pages = int(Path(f"/proc/{child}/statm").read_text().split()[1])
            if pages * mmap.PAGESIZE > MOST_BYTES:
                os.kill(child, signal.SIGKILL)
        output.seek(0)
        return os.waitstatus_to_exitcode(ended[1]), output.read().decode()


def compile_broken(folder: str, family: str) -> None:
    """Compile the family's broken source, which its tests then find compiled.

    A mutant that is no program would fail every test, and count as noticed.
    """
    sources.FOLDER = Path(folder)
    sources.source.cache_clear()
    stem = family if (CSRC / f"{family}.cu").exists() else "conv"  # which has most headers
    emulator.build(sources.source(stem), "fast")


def survives(mutant: Mutant, family: str, sanitize: bool) -> bool:
    """Whether the family's tests pass although the source is broken.

    They stop at the first failure, and begin with the test that noticed the mutant before.
    """
    with tempfile.TemporaryDirectory() as folder:
        for file in CSRC.iterdir():
            Path(folder, file.name).write_bytes(file.read_bytes())
        Path(folder, mutant.file).write_text(mutant.text, encoding="utf-8")
        compile_broken(folder, family)
        names = TESTS[family] + ["test_large_offsets.py"] * (mutant.what in (CAST, NARROW))
        tests = [str(ROOT / "tests/backends/cuda" / name) for name in names]
        seen = f"cache_dir={emulator.CACHE / 'mutants' / family}"
        status, output = pytest_status(
            ["-q", "-x", "--failed-first", "-o", seen, *tests],
            {"CUDA_MUTANT": folder, "HYPOTHESIS_PROFILE": "ci", "OMP_NUM_THREADS": "1"},
            sanitize,
        )
    if status > 1 and not sanitize:  # pytest's own trouble; sanitizers have codes of theirs
        raise SystemExit(output)
    return status == 0


@cache
def check_whole(stem: str, family: str, sanitize: bool) -> None:
    """The tests pass on the source as it is: else they would notice every mutant."""
    file = next(CSRC.glob(f"{stem}.cu*"))
    whole = Mutant(file.name, 0, "", NARROW, file.read_text(encoding="utf-8"))
    if not survives(whole, family, sanitize):
        raise SystemExit(f"{file.name}: its tests fail on the source as it is")


def noticed(mutant: Mutant, stem: str, family: str) -> bool:
    """Whether the family's tests fail, plainly or under AddressSanitizer."""
    for sanitize in (False, True):
        check_whole(stem, family, sanitize)
        if not survives(mutant, family, sanitize):
            return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description="Which broken kernels do the tests not notice?")
    parser.add_argument("sources", nargs="*", help="names of sources and headers; all without")
    parser.add_argument("--only", default="", help="part of 'file:line: what it is', to run again")
    parser.add_argument("--list", action="store_true", help="name the mutants, run none")
    how = parser.parse_args()
    emulator.KINDS["fast"] = ["-O0"]  # compiled more often than run
    os.chdir(ROOT)
    total, left = 0, 0
    for stem in how.sources or sorted(file.stem for file in CSRC.iterdir()):
        family = SHARED_BY.get(stem, stem)
        for mutant in mutants(stem):
            place = f"{mutant.file}:{mutant.line}: {mutant.what}"
            keys = (mutant.what, mutant.code), (mutant.what, mutant.file)
            reasons = [EQUAL[key] for key in keys if key in EQUAL]
            if how.only not in place:
                continue
            if how.list or reasons:
                print("        " if how.list else "the same", place, *reasons, flush=True)
                continue
            seen = noticed(mutant, stem, family)
            print("noticed " if seen else "SURVIVED", place, flush=True)
            total, left = total + 1, left + (not seen)
    if total:
        print(f"{total - left} of {total} mutants noticed ({100 * (1 - left / total):.1f} %)")
    return left > 0.05 * total


if __name__ == "__main__":
    sys.exit(main())
