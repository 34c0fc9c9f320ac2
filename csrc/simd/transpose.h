// Transposes a square of registers. Hot sources only, as vec.h.
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

}  // namespace TG_ISA
}  // namespace tinygrad_cv
