// Steps of optimizers, one pass over memory, in place.
//   sgd_step_*, adam_step_*
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"

// The gradient to go down along: turned round to go up, with weight decay.
template <class T>
__device__ T direction(T w, T grad, T decay, int maximize) {
    const T d = maximize ? -grad : grad;
    return decay != T(0) ? d + decay * w : d;
}

// d = +-grad + decay w; velocity = momentum velocity + keep d; w -= lr velocity, with nesterov
// w -= lr (d + momentum velocity); without velocity (null) w -= lr d.
//   All dense, of `count` elements; no overlap. 5 flops and up to 5 sizeof(T) bytes an element, which
//   bound it. launch: block 256; grid = min(ceil(count / 256), 32 x SMs).
template <class T>
__device__ void sgd_step(T* __restrict__ w, const T* __restrict__ grad, T* __restrict__ velocity,
                         long long count, T lr, T momentum, T keep, T decay, int nesterov,
                         int maximize) {
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
                 float keep, float decay, int nesterov, int maximize) {
    sgd_step(w, grad, velocity, count, lr, momentum, keep, decay, nesterov, maximize);
}
extern "C" __global__ void __launch_bounds__(256)
    sgd_step_f64(double* __restrict__ w, const double* __restrict__ grad,
                 double* __restrict__ velocity, long long count, double lr, double momentum,
                 double keep, double decay, int nesterov, int maximize) {
    sgd_step(w, grad, velocity, count, lr, momentum, keep, decay, nesterov, maximize);
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
