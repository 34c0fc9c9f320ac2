// Moves between lanes, and lanes chosen by a mask: even and odd lanes of two vectors, zips, loads
// and stores of some lanes, small indices stored as bytes. Included by hot sources only.
#pragma once

#include "simd/vec.h"

// Behind the parameters of a lambda that is called where it stands.
#define TG_INLINE_LAMBDA __attribute__((always_inline))

namespace tinygrad_cv {
namespace TG_ISA {

// The integer as wide as T: what comparisons of vectors of T give (0 or -1 in each lane).
template <class T>
struct IntOf {
    typedef int32_t type;
};
template <>
struct IntOf<double> {
    typedef int64_t type;
};
template <class T>
using Int = typename IntOf<T>::type;
template <class T>
using IVec = Vec<Int<T>>;

// (a0, a2, ..., b0, b2, ...): every second lane of a, then of b.
template <class V>
TG_INLINE V even_lanes(V a, V b) {
    constexpr int lanes = sizeof(V) / sizeof(a[0]);
    if constexpr (lanes == 16) {
        return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28,
                                       30);
    } else if constexpr (lanes == 8) {
#if defined(__AVX2__) && !defined(__AVX512F__)
        // Two instructions; GCC 12 makes three with table loads of the shuffle below.
        const __m256 pairs = _mm256_shuffle_ps((__m256)a, (__m256)b, 0x88);
        return (V)_mm256_permute4x64_pd((__m256d)pairs, 0xd8);
#endif
        return __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14);
    } else if constexpr (lanes == 4) {
        return __builtin_shufflevector(a, b, 0, 2, 4, 6);
    } else {
        return __builtin_shufflevector(a, b, 0, 2);
    }
}
template <class V>
TG_INLINE V odd_lanes(V a, V b) {
    constexpr int lanes = sizeof(V) / sizeof(a[0]);
    if constexpr (lanes == 16) {
        return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29,
                                       31);
    } else if constexpr (lanes == 8) {
#if defined(__AVX2__) && !defined(__AVX512F__)
        const __m256 pairs = _mm256_shuffle_ps((__m256)a, (__m256)b, 0xdd);
        return (V)_mm256_permute4x64_pd((__m256d)pairs, 0xd8);
#endif
        return __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15);
    } else if constexpr (lanes == 4) {
        return __builtin_shufflevector(a, b, 1, 3, 5, 7);
    } else {
        return __builtin_shufflevector(a, b, 1, 3);
    }
}

// (a0, b0, a1, b1, ...): the lower and the upper half of the zip of a and b.
template <class V>
TG_INLINE V zip_low(V a, V b) {
    constexpr int lanes = sizeof(V) / sizeof(a[0]);
    if constexpr (lanes == 16) {
        return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7,
                                       23);
    } else if constexpr (lanes == 8) {
        return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    } else if constexpr (lanes == 4) {
        return __builtin_shufflevector(a, b, 0, 4, 1, 5);
    } else {
        return __builtin_shufflevector(a, b, 0, 2);
    }
}
template <class V>
TG_INLINE V zip_high(V a, V b) {
    constexpr int lanes = sizeof(V) / sizeof(a[0]);
    if constexpr (lanes == 16) {
        return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30,
                                       15, 31);
    } else if constexpr (lanes == 8) {
        return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
    } else if constexpr (lanes == 4) {
        return __builtin_shufflevector(a, b, 2, 6, 3, 7);
    } else {
        return __builtin_shufflevector(a, b, 1, 3);
    }
}

// One bit a lane, from a comparison's result.
template <class I>
TG_INLINE unsigned lane_bits(I mask) {
#if defined(__AVX512F__)
    if constexpr (sizeof(mask[0]) == 4) {
        return _mm512_movepi32_mask((__m512i)mask);
    } else {
        return _mm512_movepi64_mask((__m512i)mask);
    }
#elif defined(__AVX2__)
    if constexpr (sizeof(mask[0]) == 4) {
        return unsigned(_mm256_movemask_ps((__m256)mask));
    } else {
        return unsigned(_mm256_movemask_pd((__m256d)mask));
    }
#else
    unsigned bits = 0;
    for (unsigned i = 0; i < sizeof(I) / sizeof(mask[0]); ++i) bits |= unsigned(mask[i] & 1) << i;
    return bits;
#endif
}

// Lanes lo .. hi-1 of the vector at p, the others 0; touches no other memory. p itself may lie
// outside its array.
template <class T>
TG_INLINE Vec<T> load_range(const T* p, int lo, int hi) {
#if defined(__AVX512F__)
    const unsigned bits = ((1u << hi) - 1u) & ~((1u << lo) - 1u);
    if constexpr (sizeof(T) == 4) {
        return (Vec<T>)_mm512_maskz_loadu_ps((__mmask16)bits, p);
    } else {
        return (Vec<T>)_mm512_maskz_loadu_pd((__mmask8)bits, p);
    }
#elif defined(__AVX2__)
    IVec<T> lane;
    for (int i = 0; i < kLanes<T>; ++i) lane[i] = i;
    const __m256i wanted = (__m256i)((lane >= Int<T>(lo)) & (lane < Int<T>(hi)));
    if constexpr (sizeof(T) == 4) {
        return (Vec<T>)_mm256_maskload_ps(p, wanted);
    } else {
        return (Vec<T>)_mm256_maskload_pd(p, wanted);
    }
#else
    Vec<T> v = {};
    for (int i = 0; i < kLanes<T>; ++i) v[i] = i >= lo && i < hi ? p[i] : T(0);
    return v;
#endif
}

// n lanes, of which n is usually all.
template <class T>
TG_INLINE Vec<T> load_some(const T* p, int n) {
    return n == kLanes<T> ? load(p) : load_n(p, n);
}
template <class T>
TG_INLINE void store_some(T* p, Vec<T> v, int n) {
    if (n == kLanes<T>) {
        store(p, v);
    } else {
        store_n(p, v, n);
    }
}
TG_INLINE void store_some(int32_t* p, Vec<int32_t> v, int n) {
    store_some(reinterpret_cast<float*>(p), (Vec<float>)v, n);
}
TG_INLINE void store_some(int64_t* p, Vec<int64_t> v, int n) {
    store_some(reinterpret_cast<double*>(p), (Vec<double>)v, n);
}

// Small indices in memory: bytes or 32-bit integers; in registers as wide as the numbers they
// belong to (I: int32_t beside float, int64_t beside double).
template <class I, class A>
struct IndexLanes {
    typedef A type __attribute__((vector_size(sizeof(A) * size_t(kLanes<I>))));
};

// Bytes take intrinsics: GCC 12 converts vectors of other widths one lane after the other.
template <class I, class A>
TG_INLINE Vec<I> widen(typename IndexLanes<I, A>::type v) {
#if defined(__AVX2__)
    if constexpr (sizeof(A) == 1) {
        __m128i low = {};
        __builtin_memcpy(&low, &v, sizeof v);
#if defined(__AVX512F__)
        // Masked by all ones: GCC 12 warns of its own header for the plain form.
        if constexpr (sizeof(I) == 4) return (Vec<I>)_mm512_maskz_cvtepu8_epi32(0xffff, low);
        return (Vec<I>)_mm512_maskz_cvtepu8_epi64(0xff, low);
#else
        if constexpr (sizeof(I) == 4) return (Vec<I>)_mm256_cvtepu8_epi32(low);
        return (Vec<I>)_mm256_cvtepu8_epi64(low);
#endif
    }
#endif
    return __builtin_convertvector(v, Vec<I>);
}
template <class I, class A>
TG_INLINE typename IndexLanes<I, A>::type narrow(Vec<I> v) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    if constexpr (sizeof(A) == 1 && sizeof(I) == 4) {
        const __m256i lowest =
            _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,  //
                             0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
        const __m256i four = _mm256_shuffle_epi8((__m256i)v, lowest);  // bytes 0-3 of each half
        const __m128i eight =
            _mm_unpacklo_epi32(_mm256_castsi256_si128(four), _mm256_extracti128_si256(four, 1));
        typename IndexLanes<I, A>::type bytes;
        __builtin_memcpy(&bytes, &eight, sizeof bytes);
        return bytes;
    }
#elif defined(__SSE2__) && !defined(__AVX2__)
    if constexpr (sizeof(A) == 1 && sizeof(I) == 4) {
        const __m128i words = _mm_packs_epi32((__m128i)v, (__m128i)v);
        const __m128i four = _mm_packus_epi16(words, words);
        typename IndexLanes<I, A>::type bytes;
        __builtin_memcpy(&bytes, &four, sizeof bytes);
        return bytes;
    }
#endif
    return __builtin_convertvector(v, typename IndexLanes<I, A>::type);
}

template <class I, class A>
TG_INLINE void store_index(A* p, Vec<I> v, int n) {
    const typename IndexLanes<I, A>::type index = narrow<I, A>(v);
    if (n == kLanes<I>) {
        __builtin_memcpy(p, &index, sizeof index);
        return;
    }
#if defined(__AVX512F__)
    if constexpr (sizeof index == 16 && sizeof(A) == 1) {
        _mm_mask_storeu_epi8(p, (__mmask16)((1u << n) - 1u), (__m128i)index);
        return;
    }
#endif
    A lane[kLanes<I>];
    __builtin_memcpy(lane, &index, sizeof index);
    for (int i = 0; i < n; ++i) p[i] = lane[i];
}
template <class I, class A>
TG_INLINE Vec<I> load_index(const A* p, int n) {
    typename IndexLanes<I, A>::type index;
    if (n == kLanes<I>) {
        __builtin_memcpy(&index, p, sizeof index);
        return widen<I, A>(index);
    }
#if defined(__AVX512F__)
    if constexpr (sizeof index == 16 && sizeof(A) == 1) {
        index =
            (typename IndexLanes<I, A>::type)_mm_maskz_loadu_epi8((__mmask16)((1u << n) - 1u), p);
        return widen<I, A>(index);
    }
#endif
    A lane[kLanes<I>] = {};
    for (int i = 0; i < n; ++i) lane[i] = p[i];
    __builtin_memcpy(&index, lane, sizeof index);
    return widen<I, A>(index);
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
