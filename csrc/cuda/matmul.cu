// Matrix products: registers over shared memory, for operands of any strides.
//   matmul_*_t64, _t128   y = a b, + bias, relu; batches; split sums        (gemm_tile.cuh)
//   matmul_tf32_*, matmul_bf16_*, matmul_f16_*   float on tensor cores, rounded   (mma.cuh)
//   sum_splits_*          the second step of a split sum
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "gemm_tile.cuh"
#include "kernel_common.cuh"
#include "mma.cuh"

template <class T>
struct Operand {  // rows of any strides: element (row, k) at p[row * row_step + k * k_step]
    using Line = const T*;
    const T* p;
    long long row_step, k_step;
    int rows;
    bool along_k;

    __device__ Line line(int row) const { return row < rows ? p + row * row_step : nullptr; }
    __device__ T at(Line line, int k) const { return line ? line[k * k_step] : T(0); }
};

template <class T>
struct Rows {  // y (m, n) dense, + bias (n), relu
    T* y;
    const T* bias;
    int m, n;
    bool relu;

    __device__ void store(int i, int j, T v) const {
        if (i >= m || j >= n) return;
        if (bias) v += bias[j];
        y[static_cast<long long>(i) * n + j] = relu ? relu_of(v) : v;
    }
};

// Steps are in elements; batches stand in two nested dimensions, outer and inner.
#define MATMUL_PARAMS                                                                      \
    int m, int n, int k, int batch, int inner, int splits, long long a_row, long long a_k, \
        long long a_outer, long long a_inner, long long b_k, long long b_column,           \
        long long b_outer, long long b_inner, int relu
#define MATMUL_ARGS                                                                               \
    m, n, k, batch, inner, splits, a_row, a_k, a_outer, a_inner, b_k, b_column, b_outer, b_inner, \
        relu

// y[t, i, j] = sum_k a[t, i, k] b[t, k, j] (+ bias[j], relu);  splits > 1: y[s, t, i, j], part s of
// the sum, without bias and relu, which sum_splits adds.
//   a, b: any strides, also 0 and negative. y: dense, no overlap. bias: (n) or null.
//   NaN goes through. 2 m n k flops; reads each operand once a tile of the other.
//   launch: block 256; grid = batch * splits * tiles of m * tiles of n, m fastest, so that
//   neighbouring blocks share the columns of b in L2.
//   error: |y - ref| <= (k + 2) 2^-24 |a| |b| (float), 2^-53 (double); on tensor cores
//   (2 u + u^2 + 2 k 2^-23) |a| |b| with u = 2^-11 (TF32, F16), 2^-8 (BF16); F16: of factors from
//   2^-14 to 65504.
template <class T, class How>
__device__ void matmul(const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ bias,
                       T* __restrict__ y, MATMUL_PARAMS) {
    const int tiles_m = (m + How::kM - 1) / How::kM, tiles_n = (n + How::kN - 1) / How::kN;
    int block = static_cast<int>(blockIdx.x);
    const int m0 = block % tiles_m * How::kM;
    block /= tiles_m;
    const int n0 = block % tiles_n * How::kN;
    block /= tiles_n;
    const int item = block % batch, split = block / batch;
    const long long outer = item / inner, within = item % inner;
    int k0, k1;
    split_range(k, splits, split, How::kK, k0, k1);
    const bool a_along_k = a_k == 1 || a_k == -1, b_along_k = b_column != 1 && b_column != -1;
    const Operand<T> rows{a + outer * a_outer + within * a_inner, a_row, a_k, m, a_along_k};
    const Operand<T> columns{b + outer * b_outer + within * b_inner, b_column, b_k, n, b_along_k};
    T* out = y + (static_cast<long long>(split) * batch + item) * m * n;
    const Rows<T> put{out, bias, m, n, relu != 0};
    How::template product<T>(rows, columns, put, m0, n0, k0, k1);
}

extern "C" __global__ void __launch_bounds__(256)
    matmul_f32_t64(const float* __restrict__ a, const float* __restrict__ b,
                   const float* __restrict__ bias, float* __restrict__ y, MATMUL_PARAMS) {
    matmul<float, Tile64>(a, b, bias, y, MATMUL_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    matmul_f32_t128(const float* __restrict__ a, const float* __restrict__ b,
                    const float* __restrict__ bias, float* __restrict__ y, MATMUL_PARAMS) {
    matmul<float, Tile128>(a, b, bias, y, MATMUL_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    matmul_f64_t64(const double* __restrict__ a, const double* __restrict__ b,
                   const double* __restrict__ bias, double* __restrict__ y, MATMUL_PARAMS) {
    matmul<double, Tile64>(a, b, bias, y, MATMUL_ARGS);
}

extern "C" __global__ void __launch_bounds__(256)
    matmul_tf32_t128(const float* __restrict__ a, const float* __restrict__ b,
                     const float* __restrict__ bias, float* __restrict__ y, MATMUL_PARAMS) {
    matmul<float, TensorTile<Tf32>>(a, b, bias, y, MATMUL_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    matmul_bf16_t128(const float* __restrict__ a, const float* __restrict__ b,
                     const float* __restrict__ bias, float* __restrict__ y, MATMUL_PARAMS) {
    matmul<float, TensorTile<Bf16>>(a, b, bias, y, MATMUL_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    matmul_f16_t128(const float* __restrict__ a, const float* __restrict__ b,
                    const float* __restrict__ bias, float* __restrict__ y, MATMUL_PARAMS) {
    matmul<float, TensorTile<F16>>(a, b, bias, y, MATMUL_ARGS);
}

// y[i] = parts[0, i] + ... + parts[splits - 1, i], in this order, + bias[i % n], relu.
//   parts (splits, count) and y dense, no overlap. NaN goes through.
//   splits flops and (splits + 1) sizeof(T) bytes an element: bound by memory.
//   launch: block 256; grid = min(ceil(count / 256), 32 x SMs), a loop of 64-bit indices.
template <class T>
__device__ void sum_splits(const T* __restrict__ parts, const T* __restrict__ bias,
                           T* __restrict__ y, int splits, long long count, int n, int relu) {
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        T sum = parts[i];
        for (int s = 1; s < splits; ++s) sum += parts[s * count + i];
        if (bias) sum += bias[i % n];
        y[i] = relu ? relu_of(sum) : sum;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    sum_splits_f32(const float* __restrict__ parts, const float* __restrict__ bias,
                   float* __restrict__ y, int splits, long long count, int n, int relu) {
    sum_splits(parts, bias, y, splits, count, n, relu);
}
extern "C" __global__ void __launch_bounds__(256)
    sum_splits_f64(const double* __restrict__ parts, const double* __restrict__ bias,
                   double* __restrict__ y, int splits, long long count, int n, int relu) {
    sum_splits(parts, bias, y, splits, count, n, relu);
}
