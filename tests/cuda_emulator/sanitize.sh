#!/usr/bin/env bash
# The CUDA kernels on the CPU under the sanitizers: reads and writes outside of memory, undefined
# behaviour, then races within a block (a barrier orders memory, nothing else does).
#   tests/cuda_emulator/sanitize.sh [asan|tsan] [pytest's arguments]
set -euo pipefail
cd "$(dirname "$0")/../.."
case "${1:-}" in asan | tsan) kinds=$1; shift ;; *) kinds="asan tsan" ;; esac
[ $# -gt 0 ] || set -- -q tests/backends/cuda -k "not compile and not spill and not offsets"
for kind in $kinds; do
  echo "== $kind"
  libraries=$(g++ -print-file-name="lib$kind.so"):$(g++ -print-file-name=libstdc++.so)
  CUDA_EMULATOR=$kind LD_PRELOAD=$libraries OMP_NUM_THREADS=1 \
    ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    TSAN_OPTIONS=halt_on_error=1:exitcode=66:report_signal_unsafe=0 \
    "${PYTHON:-python}" -m pytest -p no:cacheprovider "$@"
done
