#include "runtime/threads.h"

#include <atomic>
#include <thread>
#if defined(_OPENMP)
#include <omp.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

#include "simd/dispatch.h"

namespace tinygrad_cv {
namespace {

int default_threads() noexcept {
#if defined(TG_STD_THREADS)
    const unsigned n = std::thread::hardware_concurrency();
    return n ? int(n) : 1;
#elif defined(_OPENMP)
    return omp_get_max_threads();  // heeds OMP_NUM_THREADS and the affinity mask
#else
    return 1;
#endif
}

std::atomic<int> threads_allowed{0};  // 0: not set yet
thread_local int own_limit = 0;       // 0: none

// A child that enters a parallel region after its parent did hangs with libgomp, unless the
// parent's team is released before the fork.
void release_team() {
#if defined(_OPENMP) && !defined(TG_STD_THREADS) && _OPENMP >= 201811
    if (!omp_in_parallel()) omp_pause_resource_all(omp_pause_hard);
#endif
}

#if defined(__unix__) || defined(__APPLE__)
[[maybe_unused]] const int registered = pthread_atfork(release_team, nullptr, nullptr);
#endif

int64_t cache_bytes([[maybe_unused]] int name, int64_t fallback) noexcept {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    const long bytes = sysconf(name);
    if (bytes > 0) return bytes;
#endif
    return fallback;
}

}  // namespace

int num_threads() noexcept {
    int n = threads_allowed.load(std::memory_order_relaxed);
    if (n == 0) {
        n = default_threads();
        threads_allowed.store(n, std::memory_order_relaxed);
    }
    return own_limit > 0 && own_limit < n ? own_limit : n;
}

void set_num_threads(int threads) noexcept {
    threads_allowed.store(threads, std::memory_order_relaxed);
}

void limit_this_thread(int threads) noexcept { own_limit = threads; }

bool has_openmp() noexcept {
#if defined(_OPENMP) && !defined(TG_STD_THREADS)
    return true;
#else
    return false;
#endif
}

Machine machine() noexcept {
#if defined(_SC_LEVEL1_DCACHE_SIZE)
    static const int64_t l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE, 32 << 10);
    static const int64_t l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE, 512 << 10);
    static const int64_t l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE, 8 << 20);
#else
    static const int64_t l1 = 32 << 10, l2 = 512 << 10, l3 = 8 << 20;
#endif
#if defined(__x86_64__) || defined(_M_X64)
    const int vec_bytes = isa() >= Isa::avx512 ? 64 : isa() == Isa::avx2 ? 32 : 16;
#else
    const int vec_bytes = 16;
#endif
    return {num_threads(), l1, l2, l3, vec_bytes};
}

}  // namespace tinygrad_cv
