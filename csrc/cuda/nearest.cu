// The k nearest rows, without a matrix of distances: a tile of them lies in shared memory, and what
// is near enough goes from there into short sorted lists.
//   nearest_l1_*, nearest_sqeuclidean_*   the k nearest of each part of y;   merge_nearest_*   of all
//   f32, f64: sums in their own dtype; u8: exact in 32 bits, four bytes an instruction
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "distance_steps.cuh"
#include "gemm_tile.cuh"
#include "kernel_common.cuh"

// Lists of k pairs (distance, row of y), nearest first, equal ones by row; the j-th pair of list i at
// j * lists + i, so that neighbouring threads write neighbouring places.
template <class T>
struct Nearest {
    T* distance;
    int* row;
    long long lists, list;
    int k, count;
    T worst;

    __device__ Nearest(T* d, int* r, long long all, long long which, int most)
        : distance(d), row(r), lists(all), list(which), k(most), count(0), worst(0) {}
    // Rows must come in rising order: a tie goes behind what is there.
    __device__ void offer(T d, int index) {
        if (count == k && !(d < worst)) return;
        int j = count < k ? count++ : k - 1;
        for (; j > 0 && d < distance[(j - 1) * lists + list]; --j) {
            distance[j * lists + list] = distance[(j - 1) * lists + list];
            row[j * lists + list] = row[(j - 1) * lists + list];
        }
        distance[j * lists + list] = d;
        row[j * lists + list] = index;
        worst = distance[(count - 1) * lists + list];
    }
    __device__ void close() {
        for (; count < k; ++count) row[count * lists + list] = -1;
    }
};

// NaN counts as infinitely far.
__device__ inline float or_infinity(float d) { return d != d ? -NEG_INF : d; }
__device__ inline double or_infinity(double d) { return d != d ? -NEG_INF : d; }
__device__ inline unsigned or_infinity(unsigned d) { return d; }

template <class Acc, int M, int N>
struct SharedTile {
    Acc (*d)[N + 1];
    int m0, n0;

    __device__ void store(int i, int j, Acc v) const { d[i - m0][j - n0] = or_infinity(v); }
};

// Of part s of the rows of y (m, depth): the k nearest to each row i of x (n, depth), in list
// s * n + i of distance and row (k, parts n). Fewer than k: the rest of the list has row -1.
//   x, y dense. A part is a multiple of 64 rows. 3 n m depth flops (u8: 2 / 4 instructions each);
//   x and y are read once a tile of the other, nothing of size n m is written.
//   launch: block 256; grid = ceil(n / 64) * parts. parts * n < 2^31.
//   Shared: a tile of distances, 64 x 65, beside the tiles of the product. One thread in four reads
//   it, 64 distances each, which is little beside 64 x 64 x depth / 256 steps of sums a thread.
//   error: |d - ref| <= (depth + 2) 2^-23 d (float), 2^-52 (double); u8 exact below 2^32.
template <class T, class Acc, class How, class Step>
__device__ void nearest(const T* __restrict__ x, const T* __restrict__ y,
                        Acc* __restrict__ distance, int* __restrict__ row, int n, int m, int depth,
                        int k, int parts) {
    SHARED(Acc, tile, [How::kM][How::kN + 1]);
    const int tiles = (n + How::kM - 1) / How::kM, block = static_cast<int>(blockIdx.x);
    const int m0 = block % tiles * How::kM, part = block / tiles;
    const int mine = m0 + static_cast<int>(threadIdx.x);
    const bool keeps = threadIdx.x < How::kM && mine < n;
    const Vectors<T, T> rows{x, n, depth}, columns{y, m, depth};
    Nearest<Acc> list(distance, row, parts * n, part * n + mine, k);
    int first, last;
    split_range(m, parts, part, How::kN, first, last);
    // first and last are the same for all threads of a block, so no barrier is divergent. The next
    // tile's first barrier, in gemm_block, keeps its distances from what is still read here.
    for (int n0 = first; n0 < last; n0 += How::kN) {
        const SharedTile<Acc, How::kM, How::kN> put{tile, m0, n0};
        gemm_block<T, Acc, How, Step>(rows, columns, put, m0, n0, 0, depth);
        __syncthreads();  // the tile of distances is full
        if (!keeps) continue;
        const int end = min(How::kN, last - n0);
        for (int j = 0; j < end; ++j) list.offer(tile[threadIdx.x][j], n0 + j);
    }
    if (keeps) list.close();
}

// In double half the depth a step, or the tiles would not fit into 48 KB.
using TileF64 = Tile<64, 64, 8, 4, 4>;

#define NEAREST_SIZES int n, int m, int depth, int k, int parts

extern "C" __global__ void __launch_bounds__(256, 2)
    nearest_l1_f32(const float* __restrict__ x, const float* __restrict__ y,
                   float* __restrict__ distance, int* __restrict__ row, NEAREST_SIZES) {
    nearest<float, float, Tile64, Manhattan>(x, y, distance, row, n, m, depth, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 1)
    nearest_l1_f64(const double* __restrict__ x, const double* __restrict__ y,
                   double* __restrict__ distance, int* __restrict__ row, NEAREST_SIZES) {
    nearest<double, double, TileF64, Manhattan>(x, y, distance, row, n, m, depth, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    nearest_l1_u8(const unsigned int* __restrict__ x, const unsigned int* __restrict__ y,
                  unsigned int* __restrict__ distance, int* __restrict__ row, NEAREST_SIZES) {
    nearest<unsigned int, unsigned int, Tile64, ManhattanOfBytes>(x, y, distance, row, n, m, depth,
                                                                  k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    nearest_sqeuclidean_f32(const float* __restrict__ x, const float* __restrict__ y,
                            float* __restrict__ distance, int* __restrict__ row, NEAREST_SIZES) {
    nearest<float, float, Tile64, Squared>(x, y, distance, row, n, m, depth, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 1)
    nearest_sqeuclidean_f64(const double* __restrict__ x, const double* __restrict__ y,
                            double* __restrict__ distance, int* __restrict__ row, NEAREST_SIZES) {
    nearest<double, double, TileF64, Squared>(x, y, distance, row, n, m, depth, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    nearest_sqeuclidean_u8(const unsigned int* __restrict__ x, const unsigned int* __restrict__ y,
                           unsigned int* __restrict__ distance, int* __restrict__ row,
                           NEAREST_SIZES) {
    nearest<unsigned int, unsigned int, Tile64, SquaredOfBytes>(x, y, distance, row, n, m, depth, k,
                                                                parts);
}

// Merges the lists of all parts: nearest[i, j] and index[i, j] (n, k) for each row i of x.
//   Parts are in the order of rows, so ties keep it. k comparisons a part at most, and few moves.
//   launch: block 256; grid = min(ceil(n / 256), 32 x SMs), a row a thread. Left alone ptxas spills.
template <class T, class Out>
__device__ void merge_nearest(const T* __restrict__ distance, const int* __restrict__ row,
                              T* __restrict__ merged, int* __restrict__ merged_row,
                              Out* __restrict__ nearest, long long* __restrict__ index, int n,
                              int k, int parts) {
    const long long lists = parts * n;  // in 64 bits, because j lists are an offset
    for (long long i = GRID_START; i < n; i += GRID_STEP) {
        Nearest<T> list(merged, merged_row, n, i, k);
        for (int s = 0; s < parts; ++s) {
            for (int j = 0; j < k; ++j) {
                const long long at = j * lists + s * n + i;
                if (row[at] < 0) break;
                list.offer(distance[at], row[at]);
            }
        }
        for (int j = 0; j < k; ++j) {
            nearest[i * k + j] = Out(merged[static_cast<long long>(j) * n + i]);
            index[i * k + j] = merged_row[static_cast<long long>(j) * n + i];
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 2)
    merge_nearest_f32(const float* __restrict__ distance, const int* __restrict__ row,
                      float* __restrict__ merged, int* __restrict__ merged_row,
                      float* __restrict__ nearest, long long* __restrict__ index, int n, int k,
                      int parts) {
    merge_nearest(distance, row, merged, merged_row, nearest, index, n, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    merge_nearest_f64(const double* __restrict__ distance, const int* __restrict__ row,
                      double* __restrict__ merged, int* __restrict__ merged_row,
                      double* __restrict__ nearest, long long* __restrict__ index, int n, int k,
                      int parts) {
    merge_nearest(distance, row, merged, merged_row, nearest, index, n, k, parts);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    merge_nearest_u8(const unsigned int* __restrict__ distance, const int* __restrict__ row,
                     unsigned int* __restrict__ merged, int* __restrict__ merged_row,
                     double* __restrict__ nearest, long long* __restrict__ index, int n, int k,
                     int parts) {
    merge_nearest(distance, row, merged, merged_row, nearest, index, n, k, parts);
}
