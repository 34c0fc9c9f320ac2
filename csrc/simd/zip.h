// Even and odd lanes of two vectors, and their inverse, the zip. Hot sources only, as vec.h.
#pragma once

#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {

template <int Start, class V, int... I>
TG_INLINE V every_second(V a, V b, Lanes<I...>) {
    return __builtin_shufflevector(a, b, (2 * I + Start)...);
}
template <int Start, class V, int... I>
TG_INLINE V zip_from(V a, V b, Lanes<I...>) {
    constexpr int L = int(sizeof...(I));
    return __builtin_shufflevector(a, b, (I % 2 * L + I / 2 + Start)...);
}
template <class V>
using LanesOf = typename MakeLanes<int(sizeof(V) / sizeof(V{}[0]))>::type;

// (a0, a2, ..., b0, b2, ...) and (a1, a3, ..., b1, b3, ...)
template <class V>
TG_INLINE V even_lanes(V a, V b) {
    return every_second<0>(a, b, LanesOf<V>());
}
template <class V>
TG_INLINE V odd_lanes(V a, V b) {
    return every_second<1>(a, b, LanesOf<V>());
}
// (a0, b0, a1, b1, ...): the lower and the upper half.
template <class V>
TG_INLINE V zip_low(V a, V b) {
    return zip_from<0>(a, b, LanesOf<V>());
}
template <class V>
TG_INLINE V zip_high(V a, V b) {
    return zip_from<int(sizeof(V) / sizeof(V{}[0])) / 2>(a, b, LanesOf<V>());
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
