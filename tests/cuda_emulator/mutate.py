"""Are the kernels' tests any good? Breaks one barrier, guard or index at a time and runs them.

    python tests/cuda_emulator/mutate.py [conv|conv_direct|distance|matmul|pool …] [--list]

Each mutant changes one place of a source; the tests of its family must fail, plainly or, for a read
that leads to no result, under AddressSanitizer. A mutant that survives is a hole in the tests, or a
line without effect; those known to be the latter are named in `EQUAL`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
CSRC = ROOT / "csrc" / "cuda"
TESTS = {
    "conv": ["test_conv.py"],
    "conv_direct": ["test_conv.py"],
    "distance": ["test_distance.py"],
    "matmul": ["test_matmul.py"],
    "pool": ["test_pool.py"],
}
SHARED_BY = {
    "gemm_tile": "matmul",
    "kernel_common": "pool",
}  # headers, by the family that tries them

# What is weakened: (what it is, pattern, replacement).
MUTATIONS = [
    ("a barrier deleted", r"__syncthreads\(\);", ";"),
    ("a bound one too high", r"(?<=[\w\)\]]) < (?=(?:s\.|rows|m\b|n\b|k1|size|images|length|count|depth))",
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
    ("the first split for all", r"\+ part\b", ""),
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
]  # fmt: skip
# Lines whose mutant changes no result, with the reason.
EQUAL = {
    "if (k0 + BK < k1) {": "the tile behind the last one is fetched as zeros, and not used",
}


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


def survives(mutant: Mutant, family: str, variables: dict[str, str]) -> bool:
    """Whether the family's tests pass although the source is broken."""
    with tempfile.TemporaryDirectory() as folder:
        for file in CSRC.iterdir():
            Path(folder, file.name).write_bytes(file.read_bytes())
        Path(folder, mutant.file).write_text(mutant.text, encoding="utf-8")
        tests = [str(ROOT / "tests/backends/cuda" / name) for name in TESTS[family]]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests],
            env=os.environ
            | {"CUDA_MUTANT": folder, "HYPOTHESIS_PROFILE": "ci", "OMP_NUM_THREADS": "1"}
            | variables,
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
    if (
        done.returncode > 1 and not variables
    ):  # pytest's own trouble; sanitizers have codes of theirs
        raise SystemExit(done.stdout + done.stderr)
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    wanted = [a for a in arguments if not a.startswith("-")] or [*TESTS, *SHARED_BY]
    total, left = 0, []
    for stem in wanted:
        for mutant in mutants(stem):
            place = f"{mutant.file}:{mutant.line}: {mutant.what}"
            if "--list" in arguments:
                print(place)
                continue
            if mutant.code in EQUAL:
                print("the same", place, "--", EQUAL[mutant.code])
                continue
            total += 1
            family = SHARED_BY.get(stem, stem)
            alive = survives(mutant, family, {}) and survives(mutant, family, sanitized())
            print("SURVIVED" if alive else "noticed ", place, flush=True)
            if alive:
                left.append(place)
    if total:
        print(
            f"{total - len(left)} of {total} mutants noticed ({100 * (1 - len(left) / total):.1f} %)"
        )
    return len(left) > 0.05 * total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
