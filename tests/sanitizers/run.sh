#!/usr/bin/env bash
# The kernel tests under the compiler's sanitizers. Linux with GCC or Clang's libraries beside it.
#
#   tests/sanitizers/run.sh [--quick] [address] [thread] [-- pytest arguments]
#
# address: AddressSanitizer and UndefinedBehaviorSanitizer, once for each instruction set of this
# machine. The pool then gives blocks of the exact size and keeps none, so that a step over the end
# of an output or of scratch is seen too. Then the graph's tests, for csrc/engine, which reads and fills
# Python's objects: these come from malloc there, one by one, so that a step over the end of one or a
# use after the last reference is seen. thread: ThreadSanitizer, the tests that use several threads.
# Without a name both run. --quick compiles and tests one instruction set (AVX2 on x86-64), of the
# graph's tests those of the shortcuts, and draws few examples: CI's form.
set -euo pipefail
cd "$(dirname "$0")/../.."
quick="" kinds=()
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1 ;;
    address | thread) kinds+=("$1") ;;
    --) shift; break ;;
    *) echo "usage: tests/sanitizers/run.sh [--quick] [address] [thread] [-- pytest arguments]" >&2; exit 2 ;;
  esac
  shift
done
[ ${#kinds[@]} -gt 0 ] || kinds=(address thread)
one=""
if [ -n "$quick" ] && [ "$(uname -m)" = x86_64 ]; then one=avx2; fi
profile=$([ -n "$quick" ] && echo quick || echo ci)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
python=$work/venv/bin/python
"$python" -m pip install -q "scikit-build-core>=1.0" "pybind11>=3.1,<3.2" ninja cmake "pytest>=9" pytest-xdist hypothesis numpy
unset SKBUILD_CMAKE_DEFINE # the builds below have their own
library() { "${CC:-gcc}" -print-file-name="$1"; }
for kind in "${kinds[@]}"; do
  flags=$kind chosen=()
  if [ "$kind" = address ]; then
    flags="address;undefined"
    preload="$(library libasan.so) $(library libstdc++.so)"
    around=(env)
  else
    preload=$(library libtsan.so)
    chosen=(-k "thread or threads")
    # ThreadSanitizer's shadow memory does not fit every random layout of the address space.
    around=(setarch "$(uname -m)" -R)
  fi
  SKBUILD_BUILD_DIR=$work/build-$kind "$python" -m pip install -q --no-build-isolation --force-reinstall --no-deps . \
    -Ccmake.build-type=Debug -Ccmake.define.CMAKE_CXX_FLAGS_DEBUG="-O1 -g1" -Cinstall.strip=false \
    -Ccmake.define.TINYGRAD_CV_SANITIZE="${flags/;/,}" -Ccmake.define.TINYGRAD_CV_ONE_ISA="$one"
  # Python itself is not built with the sanitizer, so its runtime must be there first.
  sane=(env LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=halt_on_error=1
    TSAN_OPTIONS=halt_on_error=1 HYPOTHESIS_PROFILE="$profile")
  for isa in $("${around[@]}" "${sane[@]}" "$python" -c 'from tinygrad_cv import _core; print(*_core.available_isas())'); do
    echo "== $kind, $isa"
    TINYGRAD_CV_ISA=$isa "${around[@]}" "${sane[@]}" "$python" -m pytest -q -s -p no:cacheprovider \
      $(ls tests/backends/test_*.py | grep -v test_isa) ${chosen[@]+"${chosen[@]}"} "$@"
  done
  if [ "$kind" = address ]; then
    echo "== address, engine" # without the chains of 100,000 gates: minutes, nothing new
    PYTHONMALLOC=malloc "${around[@]}" "${sane[@]}" "$python" -m pytest -q -s -p no:cacheprovider \
      tests/engine${quick:+/test_shortcuts.py} -k "not 100_000" "$@"
  fi
done
