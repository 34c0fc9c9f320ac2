// How many threads a kernel may use, and what a planner may know of the machine.
#pragma once

#include <stdint.h>

namespace tinygrad_cv {

struct Machine {
    int threads;         // what set_num_threads allows
    int64_t l1, l2, l3;  // bytes a core; l3 is shared
    int vec_bytes;       // width of the chosen instruction set
};

int num_threads() noexcept;
void set_num_threads(int threads) noexcept;  // >= 1, checked by the caller
// Of kernels that the calling thread calls: a thread of a user that works beside others would bring
// a team of its own, and the cores are taken.
void limit_this_thread(int threads) noexcept;
bool has_openmp() noexcept;
Machine machine() noexcept;

// Threads for `work` (in the kernel's own unit) when one thread should get at least `grain` of it.
inline int team_for(int64_t work, int64_t grain, int threads) noexcept {
    const int64_t most = work / (grain > 0 ? grain : 1);
    return most >= threads ? threads : most < 1 ? 1 : int(most);
}

}  // namespace tinygrad_cv
