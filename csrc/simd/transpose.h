// Squares of registers: transposed, or summed over lanes. Hot sources only, as vec.h.
#pragma once

#include "simd/vec.h"

namespace tinygrad_cv {
namespace TG_ISA {

// The numbers 0 .. N-1 as a parameter pack (std::integer_sequence is not for hot sources).
template <int... I>
struct Lanes {};
template <int N, int... I>
struct MakeLanes : MakeLanes<N - 1, N - 1, I...> {};
template <int... I>
struct MakeLanes<0, I...> {
    typedef Lanes<I...> type;
};

// Exchanges the off-diagonal S x S quarters of the 2S x 2S squares that rows a and b cross.
template <int S, class V, int... I>
TG_INLINE void swap_quarters(V& a, V& b, Lanes<I...>) {
    constexpr int L = int(sizeof...(I));
    const V low = __builtin_shufflevector(a, b, ((I & S) ? I - S + L : I)...);
    const V high = __builtin_shufflevector(a, b, ((I & S) ? I + L : I + S)...);
    a = low;
    b = high;
}

template <class T, int S>
TG_INLINE void transpose_step(Vec<T> (&r)[kLanes<T>]) {
    TG_UNROLL
    for (int i = 0; i < kLanes<T>; ++i) {
        if (!(i & S)) swap_quarters<S>(r[i], r[i + S], typename MakeLanes<kLanes<T>>::type());
    }
    if constexpr (S > 1) transpose_step<T, S / 2>(r);
}

// r[i][j] becomes r[j][i], in log2(lanes) rounds of two-operand shuffles.
//   After Eklundh, "A Fast Computer Method for Matrix Transposing", 1972.
template <class T>
TG_INLINE void transpose(Vec<T> (&r)[kLanes<T>]) {
    transpose_step<T, kLanes<T> / 2>(r);
}

// sums[i] = sum over lanes of v[i], in the order of sum_lanes, for N vectors at once: 3 operations
// each where one by one takes 8.
template <class T, int S, int N>
TG_INLINE Vec<T> fold_lanes(Vec<T> (&r)[kLanes<T>]) {
    TG_UNROLL
    for (int i = 0; i < S; ++i) {
        if (i >= N) break;
        Vec<T> a = r[i], b = i + S < N ? r[i + S] : Vec<T>{};
        swap_quarters<S>(a, b, typename MakeLanes<kLanes<T>>::type());
        r[i] = a + b;
    }
    if constexpr (S > 1) {
        return fold_lanes<T, S / 2, (N < S ? N : S)>(r);
    } else {
        return r[0];
    }
}
template <class T, int N>
TG_INLINE void sum_lanes_each(const Vec<T>* v, T* sums) {
    constexpr int L = kLanes<T>;
    constexpr int now = N < L ? N : L;
    Vec<T> r[L];
    TG_UNROLL
    for (int i = 0; i < now; ++i) r[i] = v[i];
    const Vec<T> folded = fold_lanes<T, L / 2, now>(r);
    __builtin_memcpy(sums, &folded, now * sizeof(T));
    if constexpr (N > L) sum_lanes_each<T, N - L>(v + L, sums + L);
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
