// Distances between all rows of two matrices, by the tiles of a matrix product (gemm_tile.cuh), with
// differences in the place of products: near rows keep their distance, which norms minus twice the
// product would lose.
//   distance_l1_*, distance_sqeuclidean_*      f32, f64: in their own dtype; u8: exact, in int64
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "distance_steps.cuh"
#include "gemm_tile.cuh"
#include "kernel_common.cuh"

template <class Acc>
struct Distances {
    Acc* d;
    int n, m;

    __device__ void store(int i, int j, Acc v) const {
        if (i < n && j < m) d[static_cast<long long>(i) * m + j] = v;
    }
};

// d[i, j] = sum_k |x[i, k] - y[j, k]|, or of the squares.   x (n, depth), y (m, depth), d (n, m) dense.
//   NaN goes through. Bytes are widened to int in shared memory and summed in 64 bits, exact for any
//   depth. 3 n m depth flops; launch: block 256; grid = tiles of n * tiles of m, n fastest.
//   launch bounds: with 256 alone ptxas aims at more blocks a multiprocessor and spills a few bytes.
//   error: |d - ref| <= (depth + 2) 2^-23 d (float), 2^-52 (double).
template <class T, class Acc, class Step, class From>
__device__ void distance(const From* __restrict__ x, const From* __restrict__ y,
                         Acc* __restrict__ d, int n, int m, int depth) {
    const int tiles = (n + Tile64::kM - 1) / Tile64::kM, block = static_cast<int>(blockIdx.x);
    const Vectors<T, From> rows{x, n, depth}, columns{y, m, depth};
    const Distances<Acc> put{d, n, m};
    gemm_block<T, Acc, Tile64, Step>(rows, columns, put, block % tiles * Tile64::kM,
                                     block / tiles * Tile64::kN, 0, depth);
}

extern "C" __global__ void __launch_bounds__(256, 2)
    distance_l1_f32(const float* __restrict__ x, const float* __restrict__ y, float* __restrict__ d,
                    int n, int m, int depth) {
    distance<float, float, Manhattan>(x, y, d, n, m, depth);
}
extern "C" __global__ void __launch_bounds__(256, 1)
    distance_l1_f64(const double* __restrict__ x, const double* __restrict__ y,
                    double* __restrict__ d, int n, int m, int depth) {
    distance<double, double, Manhattan>(x, y, d, n, m, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    distance_l1_u8(const unsigned char* __restrict__ x, const unsigned char* __restrict__ y,
                   long long* __restrict__ d, int n, int m, int depth) {
    distance<int, long long, Manhattan>(x, y, d, n, m, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    distance_sqeuclidean_f32(const float* __restrict__ x, const float* __restrict__ y,
                             float* __restrict__ d, int n, int m, int depth) {
    distance<float, float, Squared>(x, y, d, n, m, depth);
}
extern "C" __global__ void __launch_bounds__(256, 1)
    distance_sqeuclidean_f64(const double* __restrict__ x, const double* __restrict__ y,
                             double* __restrict__ d, int n, int m, int depth) {
    distance<double, double, Squared>(x, y, d, n, m, depth);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    distance_sqeuclidean_u8(const unsigned char* __restrict__ x,
                            const unsigned char* __restrict__ y, long long* __restrict__ d, int n,
                            int m, int depth) {
    distance<int, long long, Squared>(x, y, d, n, m, depth);
}
