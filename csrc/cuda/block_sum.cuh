// Sums over the threads of a block, in shared memory and in a fixed order: the same bits every time.
#pragma once

#include "kernel_common.cuh"

// Given to every thread t of a block of 256: the sum of `value` over the threads t' with
// t' % columns == t % columns. columns: 1 for one sum, 32 where neighbouring threads stand for
// neighbouring columns.
//   All threads of the block must call it. Shared: 256 sizeof(T).
template <class T>
__device__ T block_sum(T value, int columns) {
    SHARED(T, part, [256]);
    const int tid = static_cast<int>(threadIdx.x);
    part[tid] = value;
    for (int half = 128; half >= columns; half /= 2) {
        __syncthreads();  // the sums of the round before are written
        if (tid < half) part[tid] += part[tid + half];
    }
    __syncthreads();  // the last round is written
    const T sum = part[tid % columns];
    __syncthreads();  // all have read; the next call overwrites
    return sum;
}
