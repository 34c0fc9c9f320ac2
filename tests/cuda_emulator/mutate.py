"""Are the kernels' tests any good? Breaks one barrier, guard or index at a time and runs them.

    python tests/cuda_emulator/mutate.py [conv|loss|matmul|…] [--list]

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
    "adaptive_pool": ["test_adaptive_pool.py"],
    "conv": ["test_conv.py"],
    "conv_direct": ["test_conv.py"],
    "distance": ["test_distance.py"],
    "elementwise": ["test_elementwise.py"],
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
    "distance_steps": "nearest",
    "gemm_tile": "matmul",
    "kernel_common": "pool",
    "mma": "tensor_cores",
    "philox": "elementwise",
    "planes": "pool",
}

# What is weakened: (what it is, pattern, replacement).
MUTATIONS = [
    ("a barrier deleted", r"__syncthreads\(\);", ";"),
    ("a bound one too high", r"(?<=[\w\)\]]) < (?=(?:s\.|rows|m\b|n\b|k\b|k1|size|images|length|count|depth))",
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
    ("the largest not taken away", r" - largest", ""),
    ("an ignored label counts", r"mine == ignore \? T\(0\) : ", ""),
    ("an ignored label counts", r"const bool used = [^;]*;", "const bool used = true;"),
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
    ("a mean not taken away", r" - (?:mean|average|sum|sums)\b(?:\[k\])?(?! \*)", ""),
    ("another column", r"tid % columns", "0"),
    ("ties go to the last", r"d < (?=worst|distance\[)", "d <= "),
    ("NaN is near", r"d != d \? -NEG_INF : d", "d"),
    ("a part's end ignored", r"min\(How::kN, last - n0\)", "How::kN"),
    ("a list left open", r"if \(keeps\) list\.close\(\);", ""),
    ("a kink on the other side", r"(?<=x) > (?=T\(0\) \? (?:x|grad))", " >= "),
    ("a kink on the other side", r"(?<=y) <= (?=T\(0\))", " < "),
    ("a draw on the other side", r"draw >= p", "draw > p"),
    ("a round less", r"round < 10", "round < 9"),
    ("the other half", r" \+ [48] \* half", ""),
    ("the other half", r"of\[k % 2\]", "of[0]"),
    ("the other half", r"pair\.of\[1\]", "pair.of[0]"),
    ("the other half", r" \+ 8 \* \(r [%/] 2\)", ""),
    ("another word", r"word\[j\]", "word[0]"),
    ("the smaller taken", r"top\[i\] < square", "top[i] > square"),
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
# Lines whose mutant changes no result, with the reason.
EQUAL = {
    "if (k0 + BK < k1) {": "the tile behind the last one is fetched as zeros, and not used",
    "if (k0 + kK < k1) {": "the same",
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
