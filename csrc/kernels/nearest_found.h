// The nearest rows found so far, and the grid of jobs that looks for them. Hot sources only.
#pragma once

#include "kernels/distance_strips.h"
#include "kernels/nearest.h"
#include "runtime/parallel.h"

namespace tinygrad_cv {
namespace TG_ISA {

constexpr int64_t kNoRow = INT64_MAX;

// The `kept` nearest rows for each row of x: a heap each, the farthest on top. Of equally far rows
// the one with the higher index is the farther.
struct Found {
    double* d;
    int64_t* index;
    int64_t kept;

    void clear(int64_t begin, int64_t end) const {
        for (int64_t i = begin * kept; i < end * kept; ++i) {
            d[i] = __builtin_inf();
            index[i] = kNoRow;
        }
    }
    double worst(int64_t row) const { return d[row * kept]; }

    static bool nearer(double d0, int64_t index0, double d1, int64_t index1) {
        return d0 < d1 || (d0 == d1 && index0 < index1);
    }

    // Takes the candidate in place of the farthest, if it is nearer.
    void offer(int64_t row, int64_t candidate, double distance) const {
        double* const heap = d + row * kept;
        int64_t* const rows = index + row * kept;
        if (distance != distance) distance = __builtin_inf();
        if (nearer(distance, candidate, heap[0], rows[0])) {
            sink(heap, rows, kept, distance, candidate);
        }
    }

    // Puts an entry at the top of a heap of n and lets it sink to its place.
    static void sink(double* heap, int64_t* rows, int64_t n, double distance, int64_t candidate) {
        int64_t at = 0;
        for (int64_t child = 1; child < n; child = 2 * at + 1) {
            if (child + 1 < n &&
                nearer(heap[child], rows[child], heap[child + 1], rows[child + 1])) {
                ++child;
            }
            if (!nearer(distance, candidate, heap[child], rows[child])) break;
            heap[at] = heap[child];
            rows[at] = rows[child];
            at = child;
        }
        heap[at] = distance;
        rows[at] = candidate;
    }

    // Nearest first; the heap is one no more.
    void sort(int64_t row) const {
        double* const heap = d + row * kept;
        int64_t* const rows = index + row * kept;
        for (int64_t n = kept - 1; n > 0; --n) {
            const double last = heap[n];
            const int64_t last_row = rows[n];
            heap[n] = heap[0];
            rows[n] = rows[0];
            sink(heap, rows, n, last, last_row);
        }
    }
};

// Offers the sums of a tile as distances.
template <class T>
TG_INLINE void offer_tile(const T* sums, int64_t i0, int rows, int64_t j0, int cols,
                          const Found& found) {
    for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < cols; ++j) {
            const double d = double(sums[i * cols + j]);
            if (!(d > found.worst(i0 + i))) found.offer(i0 + i, j0 + j, d);
        }
    }
}

// Where the jobs of part `part` of y keep what they find: in the result, if there is one part.
template <class T>
TG_INLINE Found found_of(const NearestArgs<T>& g, const NearestPlan& p, char* scratch, int part) {
    if (p.jobs_m == 1) return {g.d, g.index, g.k};
    const int64_t each = g.N * g.k;
    double* const d = (double*)scratch + part * each;
    return {d, (int64_t*)((double*)scratch + p.jobs_m * each) + part * each, g.k};
}
template <class T>
TG_INLINE int64_t found_bytes(const NearestArgs<T>& g, const NearestPlan& p) {
    return p.jobs_m == 1 ? 0 : (p.jobs_m * g.N * g.k * 16 + 63) / 64 * 64;
}

// Calls job(rectangle, found, part) for each part of x beside each part of y's rows [m0, m1).
template <class T, class Job>
TG_INLINE void for_each_part(const NearestArgs<T>& g, const NearestPlan& p, int64_t m0, int64_t m1,
                             char* scratch, const Job& job) {
    const int jobs = p.jobs_n * p.jobs_m;
    parallel_for(jobs, jobs, [&](int64_t at) {
        const int64_t n = at % p.jobs_n, m = at / p.jobs_n, rows = m1 - m0;
        const Rectangle r = {g.N * n / p.jobs_n, g.N * (n + 1) / p.jobs_n, m0 + rows * m / p.jobs_m,
                             m0 + rows * (m + 1) / p.jobs_m};
        job(r, found_of(g, p, scratch, int(m)), m);
    });
}

template <class T>
static void start(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    for (int part = 0; part < p.jobs_m; ++part) found_of(g, p, scratch, part).clear(0, g.N);
}

// Brings the parts together and puts the nearest first.
template <class T>
static void finish(const NearestArgs<T>& g, const NearestPlan& p, char* scratch) {
    const Found result = {g.d, g.index, g.k};
    const int team = p.jobs_n * p.jobs_m;
    parallel_for(team, team, [&](int64_t job) {
        const int64_t begin = g.N * job / team, end = g.N * (job + 1) / team;
        if (p.jobs_m > 1) result.clear(begin, end);
        for (int64_t row = begin; row < end; ++row) {
            for (int part = 0; p.jobs_m > 1 && part < p.jobs_m; ++part) {
                const Found f = found_of(g, p, scratch, part);
                for (int64_t i = row * f.kept; i < (row + 1) * f.kept; ++i) {
                    if (f.index[i] != kNoRow) result.offer(row, f.index[i], f.d[i]);
                }
            }
            result.sort(row);
        }
    });
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
