// The block of a matrix product that products, convolutions and distances share: registers over
// shared memory over whatever the two loaders read.
#pragma once

#include "kernel_common.cuh"

// acc[m, n] = sum over k in [k0, k1) of step(a(m, k), b(k, n)) for one BM x BN tile; then put(m, n, acc).
//   LoadA: line(m) -> Line once a row; at(line, k) -> T, 0 beyond the operand's end. LoadB alike.
//   kAlongK (runtime or static): whether neighbouring threads read neighbouring k (else m or n).
//   put.store(m, n, value): called for every m < BM, n < BN of the tile, guards included there.
//   Tile: (BM / TM) x (BN / TN) = 256 threads, each TM x TN registers. The next tile of both operands
//   is read into registers while this one is multiplied, so that its latency is hidden.
//   Shared: (BK (BM + 4) + BK (BN + 4)) sizeof(T); the 4 spread a column over banks and keep rows at
//   multiples of 16 bytes.
//   Two barriers a tile: it is full; it is read.
// After Volkov & Demmel 2008, "Benchmarking GPUs to tune dense linear algebra".
constexpr int kThreads = 256;

struct Product {
    template <class T>
    __device__ static T add(T acc, T x, T y) {
        return multiply_add(x, y, acc);
    }
};

template <class T, class Acc, class How, class Step, class LoadA, class LoadB, class Put>
__device__ void gemm_block(const LoadA& a, const LoadB& b, const Put& put, int m0, int n0, int k0,
                           int k1);

template <int BM, int BN, int BK, int TM, int TN>
struct Tile {
    static constexpr int kM = BM, kN = BN, kK = BK, kTm = TM, kTn = TN;
    static_assert((BM / TM) * (BN / TN) == kThreads, "a thread for every TM x TN of the tile");
    static_assert(BM * BK % kThreads == 0 && BN * BK % kThreads == 0, "every thread reads alike");

    // put(a b) for the block's tile at (m0, n0), sums over [k0, k1).
    template <class T, class LoadA, class LoadB, class Put>
    __device__ static void product(const LoadA& a, const LoadB& b, const Put& put, int m0, int n0,
                                   int k0, int k1) {
        gemm_block<T, T, Tile, Product>(a, b, put, m0, n0, k0, k1);
    }
};
using Tile64 = Tile<64, 64, 16, 4, 4>;    // 2 x 4 reads for 16 FMA; small products fill more SMs
using Tile128 = Tile<128, 128, 8, 8, 8>;  // 2 x 8 reads for 64 FMA; 64 accumulators a thread

// Which element of a ROWS x BK tile slot `slot` of thread `tid` reads.
template <int ROWS, int BK>
__device__ void tile_place(int tid, int slot, bool along_k, int& row, int& k) {
    const int i = tid + slot * kThreads;
    row = along_k ? i / BK : i % ROWS;
    k = along_k ? i % BK : i / ROWS;
}

// How an element lies in a tile of shared memory: as it is.
struct Plain {
    template <class Shared, class T>
    __device__ static void store(Shared& tile, int k, int row, T value) {
        tile[k][row] = value;
    }
};

template <class T, int ROWS, int BK, class Load>
struct Feed {
    static constexpr int kSlots = ROWS * BK / kThreads;
    typename Load::Line line[kSlots];
    T value[kSlots];

    __device__ Feed(const Load& load, int tid, int first) {
        UNROLL for (int j = 0; j < kSlots; ++j) {
            int row, k;
            tile_place<ROWS, BK>(tid, j, load.along_k, row, k);
            line[j] = load.line(first + row);
        }
    }
    __device__ void fetch(const Load& load, int tid, int k0, int k1) {
        UNROLL for (int j = 0; j < kSlots; ++j) {
            int row, k;
            tile_place<ROWS, BK>(tid, j, load.along_k, row, k);
            value[j] = k0 + k < k1 ? load.at(line[j], k0 + k) : T(0);
        }
    }
    template <class Kind, class Shared>
    __device__ void put(const Load& load, int tid, Shared& shared) const {
        UNROLL for (int j = 0; j < kSlots; ++j) {
            int row, k;
            tile_place<ROWS, BK>(tid, j, load.along_k, row, k);
            Kind::store(shared, k, row, value[j]);
        }
    }
};

template <class T, class Acc, class How, class Step, class LoadA, class LoadB, class Put>
__device__ void gemm_block(const LoadA& a, const LoadB& b, const Put& put, int m0, int n0, int k0,
                           int k1) {
    constexpr int BM = How::kM, BN = How::kN, BK = How::kK, TM = How::kTm, TN = How::kTn;
    SHARED(T, as, [BK][BM + 4]);
    SHARED(T, bs, [BK][BN + 4]);
    const int tid = static_cast<int>(threadIdx.x);
    const int row = tid / (BN / TN) * TM, column = tid % (BN / TN) * TN;
    Acc acc[TM][TN] = {};
    Feed<T, BM, BK, LoadA> feed_a(a, tid, m0);
    Feed<T, BN, BK, LoadB> feed_b(b, tid, n0);
    feed_a.fetch(a, tid, k0, k1);
    feed_b.fetch(b, tid, k0, k1);
    // k0 and k1 are the same for all threads of a block, so no barrier below is divergent.
    for (; k0 < k1; k0 += BK) {
        feed_a.template put<Plain>(a, tid, as);
        feed_b.template put<Plain>(b, tid, bs);
        __syncthreads();  // the tile is full
        if (k0 + BK < k1) {
            feed_a.fetch(a, tid, k0 + BK, k1);
            feed_b.fetch(b, tid, k0 + BK, k1);
        }
        // All of BK at once would hold 16 rows of both operands in registers, and spill some.
        UNROLL_4 for (int k = 0; k < BK; ++k) {
            T x[TM], y[TN];
            UNROLL for (int i = 0; i < TM; ++i) x[i] = as[k][row + i];
            UNROLL for (int j = 0; j < TN; ++j) y[j] = bs[k][column + j];
            UNROLL for (int i = 0; i < TM; ++i) {
                UNROLL for (int j = 0; j < TN; ++j) acc[i][j] = Step::add(acc[i][j], x[i], y[j]);
            }
        }
        __syncthreads();  // the tile is read; the next round overwrites it
    }
    UNROLL for (int i = 0; i < TM; ++i) {
        UNROLL for (int j = 0; j < TN; ++j) put.store(m0 + row + i, n0 + column + j, acc[i][j]);
    }
}
