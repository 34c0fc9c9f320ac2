// The register tile under matrix multiplication and convolution.
#pragma once

#include "simd/vec.h"

namespace tinygrad_cv {
namespace TG_ISA {

// Tile rows and vectors per tile row: MR * NV accumulators, NV of B, 1 of A fit the registers.
//   AVX2, float: 6 x 2 -> 15 of 16.  AVX-512: 12 x 2 -> 27 of 32.  SSE2: 4 x 2 -> 11 of 16.
//   NEON: 8 x 2 -> 19 of 32.
constexpr int kTileNv = 2;
constexpr int kTileMr = kVecBytes == 64 ? 12 : kVecBytes == 32 ? 6 : kVecRegisters == 32 ? 8 : 4;

// acc[i][j] += sum_k a[k * lda_k + i * lda_i] * b[k * ldb + j]      i < MR, j < NV * lanes, k < kc
//   2 * MR * NV * lanes flops for MR + NV loads a step: bound by FMA from kc = 64 on.
//   After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication", 2008.
template <class T, int MR, int NV>
TG_INLINE void gemm_tile(int64_t kc, const T* __restrict a, int64_t lda_k, int64_t lda_i,
                         const T* __restrict b, int64_t ldb, Vec<T> (&acc)[MR][NV]) {
    constexpr int L = kLanes<T>;
    for (int64_t k = 0; k < kc; ++k, a += lda_k, b += ldb) {
        Vec<T> bk[NV];
        TG_UNROLL
        for (int j = 0; j < NV; ++j) bk[j] = load(b + j * L);
        TG_UNROLL
        for (int i = 0; i < MR; ++i) {
            const Vec<T> ai = splat(a[i * lda_i]);
            TG_UNROLL
            for (int j = 0; j < NV; ++j) acc[i][j] = fma(ai, bk[j], acc[i][j]);
        }
    }
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
