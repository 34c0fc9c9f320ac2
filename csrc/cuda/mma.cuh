// The block of a matrix product on tensor cores: the loaders and the store of gemm_tile.cuh, warps in
// the place of threads. Operands are float in memory and are rounded on their way into the cores;
// sums are float.
//   Tf32: 10 bits of fraction, float's exponent.   Bf16: 7 bits, float's exponent.
//   F16: 10 bits, and 2^-24 to 65504: what is larger becomes infinite, what is smaller 0.
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

// Rounded to nearest, ties to even.
__device__ inline unsigned short bf16_of(float x) {
    unsigned short bits = 0;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(bits) : "f"(x));
#endif
    return bits;
}

// The same.
__device__ inline unsigned short f16_of(float x) {
    unsigned short bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(x));
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
#if __CUDA_ARCH__ >= 800
#define MMA_K16(format)                                                     \
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32." format "." format \
                 ".f32 "                                                    \
                 "{%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"       \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])           \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#else
#define MMA_K16(format) __trap()
#endif
__device__ inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) { MMA_K16("bf16"); }
__device__ inline void mma_f16(float* d, const unsigned* a, const unsigned* b) { MMA_K16("f16"); }
#endif

// How a tile [k / kPerWord][row] of shared memory is filled, and how a warp reads its fragments from
// it: both operands alike, register `half` of a row.
struct Tf32 : Plain {
    using Word = float;
    static constexpr int kDepth = 8, kPerWord = 1;

    template <class Shared>
    __device__ static unsigned read(const Shared& tile, int k, int row, int t, int half) {
        return tf32_of(tile[k + t + 4 * half][row]);
    }
    __device__ static void multiply(float* d, const unsigned* a, const unsigned* b) {
        mma_tf32(d, a, b);
    }
};

// Two neighbouring k of a row as a register of a fragment holds them: rounded once, when the tile is
// filled, so that a fragment is read by one load. (Rounding when it is read left no registers for the
// patches of a convolution's input gradient on sm_80.)
struct alignas(4) Pair {
    unsigned short of[2];
};

template <unsigned short (*round)(float), void (*mma)(float*, const unsigned*, const unsigned*)>
struct Halves {
    using Word = Pair;
    static constexpr int kDepth = 16, kPerWord = 2;

    template <class Shared>
    __device__ static void store(Shared& tile, int k, int row, float value) {
        tile[k / 2][row].of[k % 2] = round(value);
    }
    template <class Shared>
    __device__ static unsigned read(const Shared& tile, int k, int row, int t, int half) {
        const Pair pair = tile[k / 2 + t + 4 * half][row];
        return pair.of[0] | static_cast<unsigned>(pair.of[1]) << 16;
    }
    __device__ static void multiply(float* d, const unsigned* a, const unsigned* b) {
        mma(d, a, b);
    }
};
using Bf16 = Halves<bf16_of, mma_bf16>;
using F16 = Halves<f16_of, mma_f16>;

// 8 warps, each 64 x 32 of a tile of 128 x 128: 64 accumulators a thread, and for each step of k
// 4 + 4 fragments read for 16 products. 32 flops a byte from L2.
template <class Kind>
struct TensorTile {
    static constexpr int kM = 128, kN = 128, kK = 16;
    static constexpr int kWarpM = 64, kWarpN = 32;  // of one warp
    static constexpr int kRows = kWarpM / 16, kColumns = kWarpN / 8;
    static_assert((kM / kWarpM) * (kN / kWarpN) * 32 == kThreads, "a warp for every part");

    // As Tile::product. Shared: 2 * 16 * 136 * 4 = 17,408 bytes, half of it for pairs; the 8 put the
    // rows t of a fragment 8 banks apart, so that its 32 words lie in 32 banks.
    // Two barriers a tile: it is full; it is read.
    template <class T, class LoadA, class LoadB, class Put>
    __device__ static void product(const LoadA& a, const LoadB& b, const Put& put, int m0, int n0,
                                   int k0, int k1) {
        using Word = typename Kind::Word;
        SHARED(Word, as, [kK / Kind::kPerWord][kM + 8]);
        SHARED(Word, bs, [kK / Kind::kPerWord][kN + 8]);
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
            feed_a.template put<Kind>(a, tid, as);
            feed_b.template put<Kind>(b, tid, bs);
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
