// The few words that a CUDA compiler and the CPU emulator of the tests spell differently, and what
// every family uses. Included first by every .cu; Python puts its text in the place of the #include
// before compiling, because CuPy's cache of compiled kernels does not see included files.
#pragma once

#ifdef CUDA_EMULATOR
// One variable for all threads of a block, found by the address of a key.
#define SHARED(T, name, dims)         \
    typedef T name##_array dims;      \
    static const char name##_key = 0; \
    name##_array& name =              \
        *static_cast<name##_array*>(emulator::shared_variable(&name##_key, sizeof(name##_array)))
#define UNROLL
#define UNROLL_4
#else
#define SHARED(T, name, dims) __shared__ __align__(16) T name dims
#define UNROLL _Pragma("unroll")
#define UNROLL_4 _Pragma("unroll 4")
#endif

// NVRTC knows no INFINITY (nvcc does).
#define NEG_INF __int_as_float(static_cast<int>(0xff800000))

// The first index and the step of a loop over all elements of a grid, in 64 bits.
#define GRID_START (static_cast<long long>(blockIdx.x) * blockDim.x + threadIdx.x)
#define GRID_STEP (static_cast<long long>(gridDim.x) * blockDim.x)

// max(v, 0) that keeps NaN.
template <class T>
__device__ T relu_of(T v) {
    return v < T(0) ? T(0) : v;
}

// x y + z, rounded once.
__device__ inline float multiply_add(float x, float y, float z) { return __fmaf_rn(x, y, z); }
__device__ inline double multiply_add(double x, double y, double z) { return __fma_rn(x, y, z); }

// Part `split` of `splits` of [0, k): multiples of `step`, so that only the last part has a ragged end.
__device__ inline void split_range(int k, int splits, int split, int step, int& k0, int& k1) {
    const int steps = (k + step - 1) / step, each = (steps + splits - 1) / splits;
    k0 = min(split * each * step, k);
    k1 = min(k0 + each * step, k);
}

// n / d and n % d for 0 <= n < 2^31, 1 <= d < 2^31, by a multiplication: a division of the hardware
// costs ten times as much, and index arithmetic is full of them.
// Granlund & Montgomery 1994, "Division by invariant integers using multiplication", figure 4.1.
struct FastDivide {
    unsigned divisor, factor;
    int shift;

    __device__ explicit FastDivide(int d) : divisor(static_cast<unsigned>(d)), shift(0) {
        while ((1ull << shift) < divisor) ++shift;
        factor = static_cast<unsigned>((((1ull << shift) - divisor) << 32) / divisor + 1);
    }
    __device__ int quotient(int n) const {
        const unsigned u = static_cast<unsigned>(n);
        return static_cast<int>((__umulhi(u, factor) + u) >> shift);
    }
    // Splits n into quotient (returned) and remainder.
    __device__ int split(int n, int& remainder) const {
        const int q = quotient(n);
        remainder = n - q * static_cast<int>(divisor);
        return q;
    }
};
