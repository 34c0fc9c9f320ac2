#!/usr/bin/env bash
# The kernel tests under AddressSanitizer and UndefinedBehaviorSanitizer, once for each instruction
# set of this machine: tests/sanitizers/run.sh [pytest arguments]. Linux with GCC; about five minutes.
# In this build the pool gives blocks of the exact size and keeps none, so that a step over the end
# of an output or of scratch is seen too.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install -q "scikit-build-core>=1.0" "pybind11>=3.1,<3.2" ninja cmake "pytest>=9" hypothesis numpy
SKBUILD_BUILD_DIR=$work/build "$python" -m pip install -q --no-build-isolation . \
  -Ccmake.build-type=Debug -Ccmake.define.CMAKE_CXX_FLAGS_DEBUG="-O1 -g1" -Cinstall.strip=false \
  -Ccmake.define.TINYGRAD_CV_SANITIZE=address,undefined
# Python itself is not built with the sanitizer, so its runtime must be there first.
LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libstdc++.so)"
export LD_PRELOAD ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1 HYPOTHESIS_PROFILE=ci
for isa in $("$python" -c 'from tinygrad_cv import _core; print(*_core.available_isas())'); do
  echo "== $isa"
  TINYGRAD_CV_ISA=$isa "$python" -m pytest -q -s -p no:cacheprovider \
    tests/backends/test_{conv,pool,matmul,distance}.py "$@"
done
