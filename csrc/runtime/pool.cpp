#include "runtime/pool.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <unordered_map>
#include <vector>
#if defined(__linux__)
#include <pthread.h>
#include <sys/mman.h>
#endif

namespace tinygrad_cv {
namespace {

constexpr size_t kAlign = 64;
constexpr size_t kHuge = size_t(2) << 20;
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kDefaultLimit = 0;  // no reuse: a use after the free is seen
#else
constexpr int64_t kDefaultLimit = int64_t(2) << 30;
#endif

// Sizes are rounded up to one of eight steps between powers of two: at most 12.5 % is wasted, and
// a step whose sizes vary a little (a last, smaller batch) still finds its blocks again.
size_t size_class(size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
    return bytes > 0 ? bytes : 1;  // no slack: a write past the end is seen
#endif
    if (bytes <= 1024) return 1024;
    const int top = 63 - __builtin_clzll(bytes - 1);
    const size_t step = size_t(1) << (top >= 3 ? top - 3 : 0);
    const size_t rounded = (bytes + step - 1) / step * step;
    return rounded >= kHuge ? (rounded + kHuge - 1) / kHuge * kHuge : rounded;
}

struct Pool {
    std::mutex mutex;
    std::unordered_map<size_t, std::vector<void*>> free_blocks;  // by size class, last in first out
    std::unordered_map<void*, size_t> size_of;                   // of every block in use
    int64_t in_use = 0, cached = 0, limit = kDefaultLimit;

    void trim() {
        for (auto& [size, blocks] : free_blocks) {
            while (cached > limit && !blocks.empty()) {
                std::free(blocks.back());
                blocks.pop_back();
                cached -= int64_t(size);
            }
        }
    }
};

// Never destroyed: arrays may outlive the static objects of this library at interpreter exit.
Pool& pool() {
    static Pool* the_pool = new Pool;
    return *the_pool;
}

#if defined(__linux__)
// A fork while another thread holds the lock would leave it locked for ever in the child.
[[maybe_unused]] const int registered = pthread_atfork(
    [] { pool().mutex.lock(); }, [] { pool().mutex.unlock(); }, [] { pool().mutex.unlock(); });
#endif

}  // namespace

void* pool_allocate(size_t bytes) {
    Pool& p = pool();
    const size_t size = size_class(bytes);
    if (size < bytes) throw std::bad_alloc();
    {
        std::lock_guard<std::mutex> lock(p.mutex);
        auto found = p.free_blocks.find(size);
        if (found != p.free_blocks.end() && !found->second.empty()) {
            void* block = found->second.back();
            found->second.pop_back();
            p.cached -= int64_t(size);
            p.in_use += int64_t(size);
            p.size_of.emplace(block, size);
            return block;
        }
    }
    void* block = nullptr;
    if (posix_memalign(&block, size >= kHuge ? kHuge : kAlign, size) != 0) throw std::bad_alloc();
#if defined(__linux__)
    if (size >= kHuge) madvise(block, size, MADV_HUGEPAGE);
#endif
    std::lock_guard<std::mutex> lock(p.mutex);
    p.in_use += int64_t(size);
    p.size_of.emplace(block, size);
    return block;
}

void pool_free(void* block) noexcept {
    if (!block) return;
    Pool& p = pool();
    std::lock_guard<std::mutex> lock(p.mutex);
    auto found = p.size_of.find(block);
    const size_t size = found->second;
    p.size_of.erase(found);
    p.in_use -= int64_t(size);
    p.cached += int64_t(size);
    p.free_blocks[size].push_back(block);
    if (p.cached > p.limit) p.trim();
}

PoolStats pool_stats() noexcept {
    Pool& p = pool();
    std::lock_guard<std::mutex> lock(p.mutex);
    return {p.in_use, p.cached, p.limit};
}

void pool_release() noexcept {
    Pool& p = pool();
    std::lock_guard<std::mutex> lock(p.mutex);
    const int64_t limit = p.limit;
    p.limit = 0;
    p.trim();
    p.limit = limit;
}

void pool_set_limit(int64_t cached_bytes) noexcept {
    Pool& p = pool();
    std::lock_guard<std::mutex> lock(p.mutex);
    p.limit = cached_bytes;
    p.trim();
}

}  // namespace tinygrad_cv
