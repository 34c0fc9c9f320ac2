// The block of a matrix product on tensor cores: the loaders and the store of gemm_tile.cuh, warps in
// the place of threads. Operands are float in memory and are rounded on their way into the cores;
// sums are float.
//   Tf32: 10 bits of fraction, float's exponent.   Bf16: 7 bits, float's exponent.
// From sm_80 on; below, the kernels stop with a trap, and no plan chooses them.
#pragma once

#include "gemm_tile.cuh"
#include "kernel_common.cuh"

#ifndef CUDA_EMULATOR
// Rounded to nearest, ties away from zero.
__device__ inline unsigned tf32_of(float x) {
    unsigned bits = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#endif
    return bits;
}

// Rounded to nearest, ties to even; `low` in the lower half.
__device__ inline unsigned bf16_pair_of(float low, float high) {
    unsigned bits = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
#endif
    return bits;
}

// d (16 x 8) += a (16 x 8) b (8 x 8), a warp together. PTX ISA, "Matrix fragments for mma.m16n8k8":
// with g = lane / 4 and t = lane % 4, register r of a holds (g + 8 (r % 2), t + 4 (r / 2)), that of b
// (t + 4 r, g), and d[i] is (g + 8 (i / 2), 2 t + i % 2).
__device__ inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

// The same for k = 16, two k in a register, the lower one in its lower half: register r of a holds
// (g + 8 (r % 2), 2 t + 8 (r / 2) + {0, 1}), that of b (2 t + 8 r + {0, 1}, g).
__device__ inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}
#endif

// How a warp reads its fragments from a tile [k][row]: both operands alike, register `half` of a row.
struct Tf32 {
    static constexpr int kDepth = 8;

    template <class Shared>
    __device__ static unsigned read(const Shared& tile, int k, int row, int t, int half) {
        return tf32_of(tile[k + t + 4 * half][row]);
    }
    __device__ static void multiply(float* d, const unsigned* a, const unsigned* b) {
        mma_tf32(d, a, b);
    }
};

struct Bf16 {
    static constexpr int kDepth = 16;

    template <class Shared>
    __device__ static unsigned read(const Shared& tile, int k, int row, int t, int half) {
        const int first = k + 2 * t + 8 * half;
        return bf16_pair_of(tile[first][row], tile[first + 1][row]);
    }
    __device__ static void multiply(float* d, const unsigned* a, const unsigned* b) {
        mma_bf16(d, a, b);
    }
};

// 8 warps, each 64 x 32 of a tile of 128 x 128: 64 accumulators a thread, and for each step of k
// 4 + 4 fragments read for 16 products. 32 flops a byte from L2.
template <class Kind>
struct TensorTile {
    static constexpr int kM = 128, kN = 128, kK = 16;
    static constexpr int kWarpM = 64, kWarpN = 32;  // of one warp
    static constexpr int kRows = kWarpM / 16, kColumns = kWarpN / 8;
    static_assert((kM / kWarpM) * (kN / kWarpN) * 32 == kThreads, "a warp for every part");

    // As Tile::product. Shared: 2 * 16 * 136 * 4 = 17,408 bytes; the 8 put the rows k + t of a
    // fragment 8 banks apart, so that its 32 floats lie in 32 banks (Tf32; Bf16 reads twice as many).
    // Two barriers a tile: it is full; it is read.
    template <class T, class LoadA, class LoadB, class Put>
    __device__ static void product(const LoadA& a, const LoadB& b, const Put& put, int m0, int n0,
                                   int k0, int k1) {
        SHARED(float, as, [kK][kM + 8]);
        SHARED(float, bs, [kK][kN + 8]);
        const int tid = static_cast<int>(threadIdx.x), warp = tid / 32;
        const int g = tid % 32 / 4, t = tid % 4;
        const int row = warp / (kN / kWarpN) * kWarpM, column = warp % (kN / kWarpN) * kWarpN;
        float acc[kRows][kColumns][4] = {};
        Feed<float, kM, kK, LoadA> feed_a(a, tid, m0);
        Feed<float, kN, kK, LoadB> feed_b(b, tid, n0);
        feed_a.fetch(a, tid, k0, k1);
        feed_b.fetch(b, tid, k0, k1);
        // k0 and k1 are the same for all threads of a block, so no barrier below is divergent.
        for (; k0 < k1; k0 += kK) {
            feed_a.put(a, tid, as);
            feed_b.put(b, tid, bs);
            __syncthreads();  // the tile is full
            if (k0 + kK < k1) {
                feed_a.fetch(a, tid, k0 + kK, k1);
                feed_b.fetch(b, tid, k0 + kK, k1);
            }
            UNROLL for (int k = 0; k < kK; k += Kind::kDepth) {
                unsigned y[kColumns][2];
                UNROLL for (int j = 0; j < kColumns; ++j) {
                    UNROLL for (int r = 0; r < 2; ++r) {
                        y[j][r] = Kind::read(bs, k, column + 8 * j + g, t, r);
                    }
                }
                UNROLL for (int i = 0; i < kRows; ++i) {
                    unsigned x[4];  // one row of fragments at a time: all four would spill
                    UNROLL for (int r = 0; r < 4; ++r) {
                        x[r] = Kind::read(as, k, row + 16 * i + g + 8 * (r % 2), t, r / 2);
                    }
                    UNROLL for (int j = 0; j < kColumns; ++j) Kind::multiply(acc[i][j], x, y[j]);
                }
            }
            __syncthreads();  // the tile is read; the next round overwrites it
        }
        UNROLL for (int i = 0; i < kRows; ++i) {
            UNROLL for (int j = 0; j < kColumns; ++j) {
                UNROLL for (int r = 0; r < 4; ++r) {
                    put.store(m0 + row + 16 * i + g + 8 * (r / 2),
                              n0 + column + 8 * j + 2 * t + r % 2, acc[i][j][r]);
                }
            }
        }
    }
};
