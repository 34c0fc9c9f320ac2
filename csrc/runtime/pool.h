// Memory for outputs and scratch: 64-byte aligned, reused from call to call. Fresh pages cost more
// than the arithmetic at these sizes (a first touch of 4 KB takes 1 to 3 us), so blocks that were
// freed are kept, up to a bound, and large ones ask for huge pages.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <memory>

namespace tinygrad_cv {

struct PoolStats {
    int64_t in_use, cached, limit;  // bytes
};

// A block of at least `bytes` bytes; contents are undefined. Throws std::bad_alloc.
void* pool_allocate(size_t bytes);
void pool_free(void* block) noexcept;
PoolStats pool_stats() noexcept;
void pool_release() noexcept;                        // gives every cached block back to the system
void pool_set_limit(int64_t cached_bytes) noexcept;  // the most that is kept for reuse

struct PoolDeleter {
    void operator()(void* block) const noexcept { pool_free(block); }
};
// Owns `count` elements of T from the pool.
template <class T>
using Buffer = std::unique_ptr<T[], PoolDeleter>;
template <class T>
Buffer<T> make_buffer(int64_t count) {
    return Buffer<T>(static_cast<T*>(pool_allocate(size_t(count) * sizeof(T))));
}

}  // namespace tinygrad_cv
