// Register tiles of distances: R rows of x against C rows of y, lanes over the elements of a row.
// Each leaves R x C sums, so that a caller can store them or pick the nearest. Hot sources only.
#pragma once

#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {

// R x C accumulators, C of y, 1 of x and a temporary fit the registers.
//   32 registers: 4 x 5 -> 27.  16: 2 x 4 -> 14 (3 x 4 spills).
constexpr int kDistanceRows = kVecRegisters == 32 ? 4 : 2;
constexpr int kDistanceCols = kVecRegisters == 32 ? 5 : 4;

// |v|, NaN included.
TG_INLINE Vec<float> absolute(Vec<float> v) {
    return (Vec<float>)((Vec<int32_t>)v & splat<int32_t>(INT32_MAX));
}
TG_INLINE Vec<double> absolute(Vec<double> v) {
    return (Vec<double>)((Vec<int64_t>)v & splat<int64_t>(INT64_MAX));
}

// A term of the sum over k, added to lanes of partial sums.
struct AbsoluteTerm {
    template <class V>
    TG_INLINE V add(V acc, V x, V y) {
        return acc + absolute(x - y);
    }
};
struct SquareTerm {
    template <class V>
    TG_INLINE V add(V acc, V x, V y) {
        const V difference = x - y;
        return fma(difference, difference, acc);
    }
};
struct ProductTerm {
    template <class V>
    TG_INLINE V add(V acc, V x, V y) {
        return fma(x, y, acc);
    }
};

// sums[i * C + j] = sum_k term(x[i * D + k], y[j * D + k])     i < R, j < C
//   1 to 3 R C operations for R + C loads a step. Partial sums per lane, then the lanes' sum: the
//   order does not depend on R and C, so a pair has the same bits in every tile.
template <class Term, class T, int R, int C>
static void float_tile(int64_t D, const T* __restrict x, const T* __restrict y, T* sums) {
    constexpr int L = kLanes<T>;
    Vec<T> acc[R][C] = {};
    int64_t k = 0;
    for (; k + L <= D; k += L) {
        Vec<T> yk[C];
        TG_UNROLL
        for (int j = 0; j < C; ++j) yk[j] = load(y + j * D + k);
        TG_UNROLL
        for (int i = 0; i < R; ++i) {
            const Vec<T> xi = load(x + i * D + k);
            TG_UNROLL
            for (int j = 0; j < C; ++j) acc[i][j] = Term::add(acc[i][j], xi, yk[j]);
        }
    }
    if (k < D) {
        const int n = int(D - k);
        TG_UNROLL
        for (int i = 0; i < R; ++i) {
            const Vec<T> xi = load_n(x + i * D + k, n);
            TG_UNROLL
            for (int j = 0; j < C; ++j) {
                acc[i][j] = Term::add(acc[i][j], xi, load_n(y + j * D + k, n));
            }
        }
    }
    sum_lanes_each<T, R * C>(&acc[0][0], sums);
}

// The first n bytes (n <= kVecBytes), the others 0.
TG_INLINE Vec<uint8_t> load_bytes(const uint8_t* p, int64_t n) {
    if (n >= kVecBytes) return load(p);
    Vec<uint8_t> v = {};
    __builtin_memcpy(&v, p, size_t(n));
    return v;
}

// Sums of |a - b| over each group of 8 bytes.
TG_INLINE Vec<int64_t> sum_absolute_differences(Vec<uint8_t> a, Vec<uint8_t> b) {
#if defined(__AVX512BW__)
    return (Vec<int64_t>)_mm512_sad_epu8((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (Vec<int64_t>)_mm256_sad_epu8((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (Vec<int64_t>)_mm_sad_epu8((__m128i)a, (__m128i)b);
#else
    const Vec<uint64_t> d = (Vec<uint64_t>)(a > b ? a - b : b - a);
    const Vec<uint64_t> in16 =
        (d & splat<uint64_t>(0x00ff00ff00ff00ff)) + (d >> 8 & splat<uint64_t>(0x00ff00ff00ff00ff));
    const Vec<uint64_t> in32 = (in16 & splat<uint64_t>(0x0000ffff0000ffff)) +
                               (in16 >> 16 & splat<uint64_t>(0x0000ffff0000ffff));
    return (Vec<int64_t>)((in32 & splat<uint64_t>(0xffffffff)) + (in32 >> 32));
#endif
}

// sums[i * C + j] = sum_k |x[i * D + k] - y[j * D + k]|, exact.
template <int R, int C>
static void byte_l1_tile(int64_t D, const uint8_t* __restrict x, const uint8_t* __restrict y,
                         int64_t* sums) {
    Vec<int64_t> acc[R][C] = {};
    for (int64_t k = 0; k < D; k += kVecBytes) {
        Vec<uint8_t> yk[C];
        TG_UNROLL
        for (int j = 0; j < C; ++j) yk[j] = load_bytes(y + j * D + k, D - k);
        TG_UNROLL
        for (int i = 0; i < R; ++i) {
            const Vec<uint8_t> xi = load_bytes(x + i * D + k, D - k);
            TG_UNROLL
            for (int j = 0; j < C; ++j) acc[i][j] += sum_absolute_differences(xi, yk[j]);
        }
    }
    sum_lanes_each<int64_t, R * C>(&acc[0][0], sums);
}

// Products of bytes as the set multiplies them. A row of x is prepared as an Operand, one of y as a
// Y; add() adds products of neighbours to 32-bit lanes, each time at most kMost to a lane.
//   |x - y|^2 = |x|^2 + |y|^2 - 2 x . y, all exact integers: one multiply-add where the direct form
//   takes a subtraction more.
#if defined(__AVX512VNNI__)
// vpdpbusd multiplies unsigned by signed bytes: x - 128 is the signed side.
struct ByteProducts {
    typedef int8_t X;
    typedef uint8_t Y;
    static constexpr int kMost = 4 * 255 * 128;
    static constexpr int kOffset = 128;
    TG_INLINE Vec<int32_t> add(Vec<int32_t> acc, Vec<X> x, Vec<Y> y) {
        return (Vec<int32_t>)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)y, (__m512i)x);
    }
};
#else
struct ByteProducts {
    typedef int16_t X;
    typedef int16_t Y;
    static constexpr int kMost = 2 * 255 * 255;
    static constexpr int kOffset = 0;
    TG_INLINE Vec<int32_t> add(Vec<int32_t> acc, Vec<X> x, Vec<Y> y) {
#if defined(__AVX512BW__)
        return acc + (Vec<int32_t>)_mm512_madd_epi16((__m512i)x, (__m512i)y);
#elif defined(__AVX2__)
        return acc + (Vec<int32_t>)_mm256_madd_epi16((__m256i)x, (__m256i)y);
#elif defined(__SSE2__)
        return acc + (Vec<int32_t>)_mm_madd_epi16((__m128i)x, (__m128i)y);
#else
        const Vec<int32_t> a = (Vec<int32_t>)x, b = (Vec<int32_t>)y;
        return acc + (a << 16 >> 16) * (b << 16 >> 16) + (a >> 16) * (b >> 16);
#endif
    }
};
#endif

// sums[i * C + j] = sum_k x[i * Dp + k] * y[j * Dp + k] over prepared rows, padded with zeros to
// Dp, whole vectors. Exact: 32-bit lanes are emptied before their sum can overflow.
template <int R, int C>
static void byte_dot_tile(int64_t Dp, const ByteProducts::X* __restrict x,
                          const ByteProducts::Y* __restrict y, int64_t* sums) {
    constexpr int64_t step = kLanes<ByteProducts::X>;
    constexpr int64_t chunk = INT32_MAX / (ByteProducts::kMost * kLanes<int32_t>)*step;
    for (int i = 0; i < R * C; ++i) sums[i] = 0;
    for (int64_t k0 = 0; k0 < Dp; k0 += chunk) {
        const int64_t end = Dp - k0 > chunk ? k0 + chunk : Dp;
        Vec<int32_t> acc[R][C] = {};
        for (int64_t k = k0; k < end; k += step) {
            Vec<ByteProducts::Y> yk[C];
            TG_UNROLL
            for (int j = 0; j < C; ++j) yk[j] = load(y + j * Dp + k);
            TG_UNROLL
            for (int i = 0; i < R; ++i) {
                const Vec<ByteProducts::X> xi = load(x + i * Dp + k);
                TG_UNROLL
                for (int j = 0; j < C; ++j) acc[i][j] = ByteProducts::add(acc[i][j], xi, yk[j]);
            }
        }
        int32_t partial[R * C];
        sum_lanes_each<int32_t, R * C>(&acc[0][0], partial);
        for (int i = 0; i < R * C; ++i) sums[i] += partial[i];
    }
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
