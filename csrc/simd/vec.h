// One vector type for every instruction set: GCC/Clang vector extensions, as wide as the build's
// registers. Included by hot sources only, inside which nothing of the C++ standard library may be
// used (a weak symbol compiled with wide registers could be the copy that the linker keeps).
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#ifndef TG_ISA
#error "simd/vec.h is for sources compiled once per instruction set (TG_ISA)"
#endif

#define TG_INLINE static inline __attribute__((always_inline))
// Before every loop over registers: without it GCC keeps accumulators in memory for short loops.
#if defined(__clang__)
#define TG_UNROLL _Pragma("clang loop unroll(full)")
#else
#define TG_UNROLL _Pragma("GCC unroll 64")
#endif

namespace tinygrad_cv {
namespace TG_ISA {

#if defined(__AVX512F__)
constexpr int kVecBytes = 64;
constexpr int kVecRegisters = 32;
#elif defined(__AVX__)
constexpr int kVecBytes = 32;
constexpr int kVecRegisters = 16;
#elif defined(__aarch64__)
constexpr int kVecBytes = 16;
constexpr int kVecRegisters = 32;
#else
constexpr int kVecBytes = 16;
constexpr int kVecRegisters = 16;
#endif

template <class T>
struct VecOf {
    typedef T type __attribute__((vector_size(kVecBytes)));
};
template <class T>
using Vec = typename VecOf<T>::type;
template <class T>
constexpr int kLanes = kVecBytes / int(sizeof(T));

// Loads and stores are memcpy: one instruction, defined for any alignment.
template <class T>
TG_INLINE Vec<T> load(const T* p) {
    Vec<T> v;
    __builtin_memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
TG_INLINE void store(T* p, Vec<T> v) {
    __builtin_memcpy(p, &v, sizeof v);
}
template <class T>
TG_INLINE Vec<T> splat(T x) {
    return x - Vec<T>{};  // 0 + x would lose the sign of -0.0
}
template <class V>
TG_INLINE V fma(V a, V b, V c) {
    return a * b + c;  // one rounding where the set has FMA, two elsewhere
}

// The first n lanes (0 <= n <= kLanes); the others are 0. Never touches memory past p[n - 1].
TG_INLINE Vec<float> load_n(const float* p, int n) {
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1u), p);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return (Vec<float>)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane));
#else
    Vec<float> v = {};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}
TG_INLINE Vec<double> load_n(const double* p, int n) {
#if defined(__AVX512F__)
    return (Vec<double>)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1u), p);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    return (Vec<double>)_mm256_maskload_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), lane));
#else
    Vec<double> v = {};
    for (int i = 0; i < n; ++i) v[i] = p[i];
    return v;
#endif
}
TG_INLINE void store_n(float* p, Vec<float> v, int n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1u), (__m512)v);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane), (__m256)v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}
TG_INLINE void store_n(double* p, Vec<double> v, int n) {
#if defined(__AVX512F__)
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1u), (__m512d)v);
#elif defined(__AVX2__)
    const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
    _mm256_maskstore_pd(p, _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), lane), (__m256d)v);
#else
    for (int i = 0; i < n; ++i) p[i] = v[i];
#endif
}

TG_INLINE Vec<float> sqrt_lanes(Vec<float> v) {
#if defined(__AVX512F__)
    return (Vec<float>)_mm512_maskz_sqrt_ps((__mmask16)0xffff, (__m512)v);
#elif defined(__AVX2__)
    return (Vec<float>)_mm256_sqrt_ps((__m256)v);
#elif defined(__SSE2__)
    return (Vec<float>)_mm_sqrt_ps((__m128)v);
#else
    for (int i = 0; i < kLanes<float>; ++i) v[i] = __builtin_sqrtf(v[i]);
    return v;
#endif
}
TG_INLINE Vec<double> sqrt_lanes(Vec<double> v) {
#if defined(__AVX512F__)
    return (Vec<double>)_mm512_maskz_sqrt_pd((__mmask8)0xff, (__m512d)v);
#elif defined(__AVX2__)
    return (Vec<double>)_mm256_sqrt_pd((__m256d)v);
#elif defined(__SSE2__)
    return (Vec<double>)_mm_sqrt_pd((__m128d)v);
#else
    for (int i = 0; i < kLanes<double>; ++i) v[i] = __builtin_sqrt(v[i]);
    return v;
#endif
}

// Sum over lanes, halves first: ((0+4)+(2+6)) + ((1+5)+(3+7)), the same order on every run.
template <class T>
TG_INLINE T sum_lanes(Vec<T> v) {
    T lane[kLanes<T>];
    __builtin_memcpy(lane, &v, sizeof v);
    TG_UNROLL
    for (int half = kLanes<T> / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    }
    return lane[0];
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
