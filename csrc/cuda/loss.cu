// Softmax and cross-entropy of rows of scores, one row a thread: classes are tens to a thousand, and
// a row is read from L1 after its first pass.
//   log_softmax_*, log_softmax_backward_*, cross_entropy_*, cross_entropy_backward_*
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"

// y = x - log sum exp(x) along each row of x (rows, k), the largest x subtracted first.
//   All dense, no overlap. NaN goes through; a row of minus infinities gives NaN.
//   3 k flops, k exponentials and 2 k sizeof(T) bytes a row.
//   launch: block 256; grid = min(ceil(rows / 256), 32 x SMs).
//   error: |y - ref| <= (k + 8) 2^-24 (1 + |y|) (float), 2^-53 (double).
template <class T>
__device__ void log_softmax(const T* __restrict__ x, T* __restrict__ y, long long rows, int k) {
    for (long long row = GRID_START; row < rows; row += GRID_STEP) {
        const T* scores = x + row * k;
        T largest = NEG_INF, sum = 0;
        for (int j = 0; j < k; ++j) largest = scores[j] > largest ? scores[j] : largest;
        for (int j = 0; j < k; ++j) sum += exp(scores[j] - largest);
        const T logarithm = log(sum);
        for (int j = 0; j < k; ++j) y[row * k + j] = scores[j] - largest - logarithm;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    log_softmax_f32(const float* __restrict__ x, float* __restrict__ y, long long rows, int k) {
    log_softmax(x, y, rows, k);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    log_softmax_f64(const double* __restrict__ x, double* __restrict__ y, long long rows, int k) {
    log_softmax(x, y, rows, k);
}

// gx = grad - exp(y) sum grad along each row of y = log_softmax(x) (rows, k).
//   2 k flops, k exponentials and 3 k sizeof(T) bytes a row. launch: as log_softmax.
template <class T>
__device__ void log_softmax_backward(const T* __restrict__ grad, const T* __restrict__ y,
                                     T* __restrict__ gx, long long rows, int k) {
    for (long long row = GRID_START; row < rows; row += GRID_STEP) {
        const long long first = row * k;
        T sum = 0;
        for (int j = 0; j < k; ++j) sum += grad[first + j];
        for (int j = 0; j < k; ++j) gx[first + j] = grad[first + j] - exp(y[first + j]) * sum;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    log_softmax_backward_f32(const float* __restrict__ grad, const float* __restrict__ y,
                             float* __restrict__ gx, long long rows, int k) {
    log_softmax_backward(grad, y, gx, rows, k);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    log_softmax_backward_f64(const double* __restrict__ grad, const double* __restrict__ y,
                             double* __restrict__ gx, long long rows, int k) {
    log_softmax_backward(grad, y, gx, rows, k);
}

// Of each row of x (rows, k) with its label: factor = weight[label] (1 without weight), 0 where the
// label is `ignore`; loss = -factor log softmax(x)[label], exactly 0 where ignored; p = softmax(x).
//   The largest x is subtracted first: scores of 1e4 do not overflow. NaN goes through.
//   All dense, no overlap; weight (k) or null. A label that is no class makes loss and factor NaN.
//   4 k flops, k exponentials and 2 k sizeof(T) bytes a row.
//   launch: block 256; grid = min(ceil(rows / 256), 32 x SMs). Left alone ptxas spills in double.
template <class T>
__device__ void cross_entropy(const T* __restrict__ x, const long long* __restrict__ label,
                              const T* __restrict__ weight, T* __restrict__ loss,
                              T* __restrict__ factor, T* __restrict__ p, long long rows, int k,
                              long long ignore) {
    for (long long row = GRID_START; row < rows; row += GRID_STEP) {
        const T* scores = x + row * k;
        T* probability = p + row * k;
        T largest = NEG_INF, sum = 0;
        for (int j = 0; j < k; ++j) largest = scores[j] > largest ? scores[j] : largest;
        for (int j = 0; j < k; ++j) sum += exp(scores[j] - largest);
        const T logarithm = log(sum);
        for (int j = 0; j < k; ++j) probability[j] = exp(scores[j] - largest - logarithm);
        const long long mine = label[row];
        const bool used = mine != ignore, known = mine >= 0 && mine < k;
        T share = used ? T(1) : T(0), picked = largest;
        if (used && known) {
            picked = scores[mine];
            if (weight) share = weight[mine];
        }
        if (used && !known) share = T(NEG_INF) * T(0);  // NaN
        factor[row] = share;
        loss[row] = used ? (logarithm - (picked - largest)) * share : T(0);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    cross_entropy_f32(const float* __restrict__ x, const long long* __restrict__ label,
                      const float* __restrict__ weight, float* __restrict__ loss,
                      float* __restrict__ factor, float* __restrict__ p, long long rows, int k,
                      long long ignore) {
    cross_entropy(x, label, weight, loss, factor, p, rows, k, ignore);
}
extern "C" __global__ void __launch_bounds__(256, 2)
    cross_entropy_f64(const double* __restrict__ x, const long long* __restrict__ label,
                      const double* __restrict__ weight, double* __restrict__ loss,
                      double* __restrict__ factor, double* __restrict__ p, long long rows, int k,
                      long long ignore) {
    cross_entropy(x, label, weight, loss, factor, p, rows, k, ignore);
}

// gx[row, j] = grad factor[row] (p[row, j] - (j == label[row])), exactly 0 where the label is ignored.
//   grad (rows), or one number for all (each = 0). All dense, no overlap. NaN goes through.
//   3 flops and 2 sizeof(T) bytes an element. launch: block 256; grid = min(ceil(rows k / 256), 32 x SMs).
template <class T>
__device__ void cross_entropy_backward(const T* __restrict__ grad, const T* __restrict__ p,
                                       const long long* __restrict__ label,
                                       const T* __restrict__ factor, T* __restrict__ gx,
                                       long long rows, int k, long long ignore, int each) {
    for (long long i = GRID_START; i < rows * k; i += GRID_STEP) {
        const long long row = i / k, mine = label[row];
        const T hit = i - row * k == mine ? T(1) : T(0);
        gx[i] = mine == ignore ? T(0) : (p[i] - hit) * (grad[each ? row : 0] * factor[row]);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    cross_entropy_backward_f32(const float* __restrict__ grad, const float* __restrict__ p,
                               const long long* __restrict__ label,
                               const float* __restrict__ factor, float* __restrict__ gx,
                               long long rows, int k, long long ignore, int each) {
    cross_entropy_backward(grad, p, label, factor, gx, rows, k, ignore, each);
}
extern "C" __global__ void __launch_bounds__(256)
    cross_entropy_backward_f64(const double* __restrict__ grad, const double* __restrict__ p,
                               const long long* __restrict__ label,
                               const double* __restrict__ factor, double* __restrict__ gx,
                               long long rows, int k, long long ignore, int each) {
    cross_entropy_backward(grad, p, label, factor, gx, rows, k, ignore, each);
}
