// The only place with OpenMP pragmas. Safe to include in hot sources.
#pragma once

#include <stdint.h>
#if defined(TG_STD_THREADS)
#include <atomic>
#include <thread>
#include <vector>
#elif defined(_OPENMP)
#include <omp.h>
#endif

#include "runtime/denormals.h"

namespace tinygrad_cv {
#ifdef TG_ISA
namespace TG_ISA {
#endif

// f(job) for job = 0 .. jobs-1, each once, on any thread; returns when all are done. Denormals count
// as zeros meanwhile, on every thread that takes part, and as before afterwards.
// f must not throw, allocate or call parallel_for. A job owns whole cache lines of its output and
// is worth some 10 us; its result must not depend on the thread that runs it.
template <class F>
static inline void parallel_for(int64_t jobs, int team, const F& f) noexcept {
    if (team > jobs) team = int(jobs);
    if (team <= 1) {  // not `if (team > 1)` on the pragma: that still enters the runtime, 0.2 us
        const DenormalScope zeros(Denormals::zeros);
        for (int64_t job = 0; job < jobs; ++job) f(job);
        return;
    }
#if defined(TG_STD_THREADS)
    std::atomic<int64_t> next{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < team; ++t) {
        threads.emplace_back([&] {
            const DenormalScope zeros(Denormals::zeros);
            for (int64_t job = next++; job < jobs; job = next++) f(job);
        });
    }
    for (std::thread& thread : threads) thread.join();
#elif defined(_OPENMP)
    // A thread that OpenMP makes here has this one's mode for good, in a user's regions too.
    const DenormalScope kept(Denormals::kept);
#pragma omp parallel num_threads(team)
    {
        const DenormalScope zeros(Denormals::zeros);
#pragma omp for schedule(static) nowait
        for (int64_t job = 0; job < jobs; ++job) f(job);
    }
#else
    const DenormalScope zeros(Denormals::zeros);
    for (int64_t job = 0; job < jobs; ++job) f(job);
#endif
}

// As parallel_for, but hands out jobs one by one: for large uneven jobs. f(job, thread), with
// 0 <= thread < team, so that a thread can use its own slice of scratch.
template <class F>
static inline void parallel_for_dynamic(int64_t jobs, int team, const F& f) noexcept {
    if (team > jobs) team = int(jobs);
    if (team <= 1) {
        const DenormalScope zeros(Denormals::zeros);
        for (int64_t job = 0; job < jobs; ++job) f(job, 0);
        return;
    }
#if defined(TG_STD_THREADS)
    std::atomic<int64_t> next{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < team; ++t) {
        threads.emplace_back([&, t] {
            const DenormalScope zeros(Denormals::zeros);
            for (int64_t job = next++; job < jobs; job = next++) f(job, t);
        });
    }
    for (std::thread& thread : threads) thread.join();
#elif defined(_OPENMP)
    const DenormalScope kept(Denormals::kept);
#pragma omp parallel num_threads(team)
    {
        const DenormalScope zeros(Denormals::zeros);
#pragma omp for schedule(dynamic, 1) nowait
        for (int64_t job = 0; job < jobs; ++job) f(job, omp_get_thread_num());
    }
#else
    const DenormalScope zeros(Denormals::zeros);
    for (int64_t job = 0; job < jobs; ++job) f(job, 0);
#endif
}

#ifdef TG_ISA
}  // namespace TG_ISA
#endif
}  // namespace tinygrad_cv
