// Steps of optimizers, one pass over memory, in place.
//   sgd_step_*, adam_step_*, adam_step_counted_*
//   unscale_*, update_scale        what a GradScaler does around them
// A `skip` is the scaler's flag: where it is set, the step changes nothing, and the host need not know.
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"

// The gradient to go down along: turned round to go up, with weight decay.
template <class T>
__device__ T direction(T w, T grad, T decay, int maximize) {
    const T d = maximize ? -grad : grad;
    return decay != T(0) ? d + decay * w : d;
}

// d = +-grad + decay w; velocity = momentum velocity + keep d; w -= lr velocity, with nesterov
// w -= lr (d + momentum velocity); without velocity (null) w -= lr d. skip: may be null.
//   All dense, of `count` elements; no overlap. 5 flops and up to 5 sizeof(T) bytes an element, which
//   bound it. launch: block 256; grid = min(ceil(count / 256), 32 x SMs).
template <class T>
__device__ void sgd_step(T* __restrict__ w, const T* __restrict__ grad, T* __restrict__ velocity,
                         long long count, T lr, T momentum, T keep, T decay, int nesterov,
                         int maximize, const int* __restrict__ skip) {
    if (skip && *skip) return;
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const T d = direction(w[i], grad[i], decay, maximize);
        T step = d;
        if (velocity) {
            const T v = momentum * velocity[i] + keep * d;
            velocity[i] = v;
            step = nesterov ? d + momentum * v : v;
        }
        w[i] -= lr * step;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    sgd_step_f32(float* __restrict__ w, const float* __restrict__ grad,
                 float* __restrict__ velocity, long long count, float lr, float momentum,
                 float keep, float decay, int nesterov, int maximize,
                 const int* __restrict__ skip) {
    sgd_step(w, grad, velocity, count, lr, momentum, keep, decay, nesterov, maximize, skip);
}
extern "C" __global__ void __launch_bounds__(256)
    sgd_step_f64(double* __restrict__ w, const double* __restrict__ grad,
                 double* __restrict__ velocity, long long count, double lr, double momentum,
                 double keep, double decay, int nesterov, int maximize,
                 const int* __restrict__ skip) {
    sgd_step(w, grad, velocity, count, lr, momentum, keep, decay, nesterov, maximize, skip);
}

// w *= shrink; d = +-grad + decay w; m += rest1 (d - m); v = beta2 v + rest2 d^2; top (or null) takes
// the larger of itself and v, NaN if either is; w -= step m / (sqrt(v or top) / divisor + eps).
//   rest1 = 1 - beta1, rest2 = 1 - beta2, subtracted in double. All dense, of `count` elements.
//   14 flops and up to 9 sizeof(T) bytes an element, which bound it.
//   launch: block 256; grid = min(ceil(count / 256), 32 x SMs).
// Kingma & Ba 2014, "Adam: a method for stochastic optimization", algorithm 1.
template <class T>
__device__ void adam_step(T* __restrict__ w, const T* __restrict__ grad, T* __restrict__ m,
                          T* __restrict__ v, T* __restrict__ top, long long count, T rest1, T beta2,
                          T rest2, T step, T divisor, T eps, T decay, T shrink, int maximize) {
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const T x = w[i] * shrink, d = direction(x, grad[i], decay, maximize);
        const T mean = m[i] + rest1 * (d - m[i]);
        T square = beta2 * v[i] + rest2 * d * d;
        m[i] = mean;
        v[i] = square;
        if (top) {
            square = square != square || top[i] < square ? square : top[i];
            top[i] = square;
        }
        w[i] = x - step * mean / (sqrt(square) / divisor + eps);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    adam_step_f32(float* __restrict__ w, const float* __restrict__ grad, float* __restrict__ m,
                  float* __restrict__ v, float* __restrict__ top, long long count, float rest1,
                  float beta2, float rest2, float step, float divisor, float eps, float decay,
                  float shrink, int maximize) {
    adam_step(w, grad, m, v, top, count, rest1, beta2, rest2, step, divisor, eps, decay, shrink,
              maximize);
}
extern "C" __global__ void __launch_bounds__(256)
    adam_step_f64(double* __restrict__ w, const double* __restrict__ grad, double* __restrict__ m,
                  double* __restrict__ v, double* __restrict__ top, long long count, double rest1,
                  double beta2, double rest2, double step, double divisor, double eps, double decay,
                  double shrink, int maximize) {
    adam_step(w, grad, m, v, top, count, rest1, beta2, rest2, step, divisor, eps, decay, shrink,
              maximize);
}

// As adam_step, the steps counted here: now = taken + 1, or taken where *skip, and then nothing else
// changes. step = lr / (1 - beta1^now) and divisor = sqrt(1 - beta2^now), in double; without `corrected`
// lr and 1. `now` is no `taken`, which other blocks may still read.
template <class T>
__device__ void adam_step_counted(T* __restrict__ w, const T* __restrict__ grad, T* __restrict__ m,
                                  T* __restrict__ v, T* __restrict__ top,
                                  const int* __restrict__ skip, const long long* __restrict__ taken,
                                  long long* __restrict__ now, long long count, double lr,
                                  double beta1, double beta2, T eps, T decay, T shrink,
                                  int corrected, int maximize) {
    const bool idle = *skip != 0;
    const long long steps = *taken + !idle;
    if (GRID_START == 0) *now = steps;
    if (idle) return;  // all threads of all blocks
    SHARED(T, correction, [2]);
    if (threadIdx.x == 0) {  // two powers a block, not a thread: double is slow on most GPUs
        const double t = static_cast<double>(steps);
        correction[0] = T(corrected ? lr / (1 - pow(beta1, t)) : lr);
        correction[1] = T(corrected ? sqrt(1 - pow(beta2, t)) : 1);
    }
    __syncthreads();  // the two are there
    adam_step(w, grad, m, v, top, count, T(1 - beta1), T(beta2), T(1 - beta2), correction[0],
              correction[1], eps, decay, shrink, maximize);
}

extern "C" __global__ void __launch_bounds__(256)
    adam_step_counted_f32(float* __restrict__ w, const float* __restrict__ grad,
                          float* __restrict__ m, float* __restrict__ v, float* __restrict__ top,
                          const int* __restrict__ skip, const long long* __restrict__ taken,
                          long long* __restrict__ now, long long count, double lr, double beta1,
                          double beta2, float eps, float decay, float shrink, int corrected,
                          int maximize) {
    adam_step_counted(w, grad, m, v, top, skip, taken, now, count, lr, beta1, beta2, eps, decay,
                      shrink, corrected, maximize);
}
extern "C" __global__ void __launch_bounds__(256)
    adam_step_counted_f64(double* __restrict__ w, const double* __restrict__ grad,
                          double* __restrict__ m, double* __restrict__ v, double* __restrict__ top,
                          const int* __restrict__ skip, const long long* __restrict__ taken,
                          long long* __restrict__ now, long long count, double lr, double beta1,
                          double beta2, double eps, double decay, double shrink, int corrected,
                          int maximize) {
    adam_step_counted(w, grad, m, v, top, skip, taken, now, count, lr, beta1, beta2, eps, decay,
                      shrink, corrected, maximize);
}

// grad /= *scale, as a product with 1 / *scale rounded to float; *found = 1 if an element of grad was
// infinite or NaN.
//   grad dense. The only atomic operation here: whoever sets the flag, it is the same flag.
//   1 flop and 2 sizeof(T) bytes an element, which bound it.
//   launch: block 256; grid = min(ceil(count / 256), 32 x SMs).
template <class T>
__device__ void unscale(T* __restrict__ grad, const float* __restrict__ scale,
                        int* __restrict__ found, long long count) {
    const T inverse = T(static_cast<float>(1 / static_cast<double>(*scale)));
    bool finite = true;
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const T g = grad[i];
        finite = finite && isfinite(g);
        grad[i] = g * inverse;
    }
    if (!finite) atomicOr(found, 1);
}

extern "C" __global__ void __launch_bounds__(256)
    unscale_f32(float* __restrict__ grad, const float* __restrict__ scale, int* __restrict__ found,
                long long count) {
    unscale(grad, scale, found, count);
}
extern "C" __global__ void __launch_bounds__(256)
    unscale_f64(double* __restrict__ grad, const float* __restrict__ scale, int* __restrict__ found,
                long long count) {
    unscale(grad, scale, found, count);
}

// Where a gradient overflowed, scale * backoff and no streak; else a longer streak, and after `interval`
// steps of it scale * growth, if that is finite, and a new streak. One block, whose first thread does it.
extern "C" __global__ void __launch_bounds__(256)
    update_scale(const float* __restrict__ scale, const int* __restrict__ streak,
                 const int* __restrict__ found, float* __restrict__ new_scale,
                 int* __restrict__ new_streak, double growth, double backoff, int interval) {
    if (threadIdx.x != 0) return;
    const bool overflowed = *found != 0;
    const bool grows = !overflowed && *streak + 1 == interval;
    const float larger = static_cast<float>(*scale * growth);
    const float smaller = static_cast<float>(*scale * backoff);
    *new_scale = overflowed ? smaller : grows && isfinite(larger) ? larger : *scale;
    *new_streak = overflowed || grows ? 0 : *streak + 1;
}
