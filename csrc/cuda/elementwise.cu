// Elementwise functions of dense arrays, an element a thread.
//   activation_*, activation_backward_*, add_relu_*, dropout_*
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "kernel_common.cuh"
#include "philox.cuh"

// How kernels are told which function is meant: its place in the list of backends/cuda/elementwise.py.
enum Activation { kRelu, kRelu6, kLeakyRelu, kSigmoid, kTanh, kExp, kSilu, kGelu, kGeluTanh };

// 1 / (1 + e^-x) that neither overflows nor loses small values.
template <class T>
__device__ T sigmoid(T x) {
    const T below = exp(x < T(0) ? x : -x);  // of NaN too: e^-|x|
    return (x < T(0) ? below : T(1)) / (T(1) + below);
}

// The share of the standard normal distribution below x.
template <class T>
__device__ T normal_below(T x) {
    return erfc(x * T(-0.70710678118654752440)) / T(2);
}

// u = sqrt(2 / pi) (x + 0.044715 x^3). gelu_tanh's (1 + tanh u) / 2 is sigmoid(2 u), which does not
// cancel where tanh is near -1.
template <class T>
__device__ T gelu_inner(T x) {
    return T(0.79788456080286535588) * (x + T(0.044715) * x * x * x);
}

template <int F, class T>
__device__ T value(T x, T alpha) {
    if constexpr (F == kRelu) return relu_of(x);
    if constexpr (F == kRelu6) return x > T(6) ? T(6) : relu_of(x);
    if constexpr (F == kLeakyRelu) return x > T(0) ? x : x * alpha;
    if constexpr (F == kSigmoid) return sigmoid(x);
    if constexpr (F == kTanh) return tanh(x);
    if constexpr (F == kExp) return exp(x);
    if constexpr (F == kSilu) return x * sigmoid(x);
    if constexpr (F == kGelu) return x * normal_below(x);
    if constexpr (F == kGeluTanh) return x * sigmoid(T(2) * gelu_inner(x));
}

// grad f'(x), from y for relu, relu6, sigmoid, tanh and exp, from x for the others.
template <int F, class T>
__device__ T gradient(T grad, T saved, T alpha) {
    const T x = saved, y = saved;
    if constexpr (F == kRelu) return y <= T(0) ? T(0) : grad;
    if constexpr (F == kRelu6) return y <= T(0) || y >= T(6) ? T(0) : grad;
    if constexpr (F == kLeakyRelu) return x > T(0) ? grad : grad * alpha;
    if constexpr (F == kSigmoid) return grad * (y * (T(1) - y));
    if constexpr (F == kTanh) return grad * (T(1) - y * y);
    if constexpr (F == kExp) return grad * y;
    if constexpr (F == kSilu) {
        const T s = sigmoid(x);
        return grad * (s * (T(1) + x * (T(1) - s)));
    }
    if constexpr (F == kGelu) {
        const T density = T(0.39894228040143267794) * exp(x * x / T(-2));
        return grad * (normal_below(x) + x * density);
    }
    if constexpr (F == kGeluTanh) {
        const T s = sigmoid(T(2) * gelu_inner(x)), slope = T(1) + T(3 * 0.044715) * x * x;
        return grad * (s + T(2) * x * s * (T(1) - s) * (T(0.79788456080286535588) * slope));
    }
}

template <int F, class T>
__device__ void map(const T* __restrict__ x, T* __restrict__ y, long long count, T alpha) {
    for (long long i = GRID_START; i < count; i += GRID_STEP) y[i] = value<F>(x[i], alpha);
}

template <int F, class T>
__device__ void map_backward(const T* __restrict__ grad, const T* __restrict__ saved,
                             T* __restrict__ gx, long long count, T alpha) {
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        gx[i] = gradient<F>(grad[i], saved[i], alpha);
    }
}

// One loop for each function, chosen outside of it.
#define FOR_ACTIVATION(which, loop, ...)   \
    switch (which) {                       \
        case kRelu:                        \
            loop<kRelu>(__VA_ARGS__);      \
            break;                         \
        case kRelu6:                       \
            loop<kRelu6>(__VA_ARGS__);     \
            break;                         \
        case kLeakyRelu:                   \
            loop<kLeakyRelu>(__VA_ARGS__); \
            break;                         \
        case kSigmoid:                     \
            loop<kSigmoid>(__VA_ARGS__);   \
            break;                         \
        case kTanh:                        \
            loop<kTanh>(__VA_ARGS__);      \
            break;                         \
        case kExp:                         \
            loop<kExp>(__VA_ARGS__);       \
            break;                         \
        case kSilu:                        \
            loop<kSilu>(__VA_ARGS__);      \
            break;                         \
        case kGelu:                        \
            loop<kGelu>(__VA_ARGS__);      \
            break;                         \
        case kGeluTanh:                    \
            loop<kGeluTanh>(__VA_ARGS__);  \
            break;                         \
    }

// y = f(x), f number `which`. x, y dense, no overlap. NaN gives NaN.
//   2 sizeof(T) bytes an element, which bound all but the double ones.
//   launch: block 256; grid = min(ceil(count / 256), 32 x SMs). Left alone ptxas aims at 8 blocks a
//   multiprocessor in double, and spills.
//   error: that of CUDA's exp, tanh and erfc (1 to 4 ulp), times the factors beside them.
extern "C" __global__ void __launch_bounds__(256)
    activation_f32(const float* __restrict__ x, float* __restrict__ y, long long count, int which,
                   float alpha) {
    FOR_ACTIVATION(which, map, x, y, count, alpha)
}
extern "C" __global__ void __launch_bounds__(256, 2)
    activation_f64(const double* __restrict__ x, double* __restrict__ y, long long count, int which,
                   double alpha) {
    FOR_ACTIVATION(which, map, x, y, count, alpha)
}

// gx = grad f'(x). relu: exactly 0 where y <= 0, grad where y > 0 or NaN.
//   3 sizeof(T) bytes an element. launch: as activation.
extern "C" __global__ void __launch_bounds__(256)
    activation_backward_f32(const float* __restrict__ grad, const float* __restrict__ saved,
                            float* __restrict__ gx, long long count, int which, float alpha) {
    FOR_ACTIVATION(which, map_backward, grad, saved, gx, count, alpha)
}
extern "C" __global__ void __launch_bounds__(256, 2)
    activation_backward_f64(const double* __restrict__ grad, const double* __restrict__ saved,
                            double* __restrict__ gx, long long count, int which, double alpha) {
    FOR_ACTIVATION(which, map_backward, grad, saved, gx, count, alpha)
}

// y = max(a + b, 0), the end of a residual block; NaN stays.
//   3 sizeof(T) bytes an element. launch: as activation.
template <class T>
__device__ void add_relu(const T* __restrict__ a, const T* __restrict__ b, T* __restrict__ y,
                         long long count) {
    for (long long i = GRID_START; i < count; i += GRID_STEP) y[i] = relu_of(a[i] + b[i]);
}

extern "C" __global__ void __launch_bounds__(256)
    add_relu_f32(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ y,
                 long long count) {
    add_relu(a, b, y, count);
}
extern "C" __global__ void __launch_bounds__(256)
    add_relu_f64(const double* __restrict__ a, const double* __restrict__ b, double* __restrict__ y,
                 long long count) {
    add_relu(a, b, y, count);
}

// y[i] = x[i] scale where draw i >= p, else 0 x[i].
//   draws (count) in [0, 1), or null: draw i is 2^-24 times the upper 24 bits of word i % 4 of
//   Philox(counter i / 4, key), so that the backward pass draws the same again and keeps nothing.
//   2 sizeof(T) bytes an element and 10 rounds for 4 of them. NaN goes through.
//   launch: block 256; grid = min(ceil(count / 1024), 32 x SMs), four neighbours a thread.
template <class T>
__device__ void dropout(const T* __restrict__ x, const T* __restrict__ draws, T* __restrict__ y,
                        long long count, long long key, T p, T scale) {
    for (long long four = GRID_START; four * 4 < count; four += GRID_STEP) {
        const Philox words(static_cast<unsigned long long>(four),
                           static_cast<unsigned long long>(key));
        for (int j = 0; j < 4; ++j) {
            const long long i = four * 4 + j;
            if (i >= count) break;
            const T draw = draws ? draws[i] : T(words.word[j] >> 8) * T(1.0 / (1 << 24));
            y[i] = x[i] * (draw >= p ? scale : T(0));
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
    dropout_f32(const float* __restrict__ x, const float* __restrict__ draws, float* __restrict__ y,
                long long count, long long key, float p, float scale) {
    dropout(x, draws, y, count, key, p, scale);
}
extern "C" __global__ void __launch_bounds__(256)
    dropout_f64(const double* __restrict__ x, const double* __restrict__ draws,
                double* __restrict__ y, long long count, long long key, double p, double scale) {
    dropout(x, draws, y, count, key, p, scale);
}
