// Copies a strip of a strided matrix to dense scratch, k outermost. Hot sources only.
#pragma once

#include "simd/transpose.h"

namespace tinygrad_cv {
namespace TG_ISA {

// Rows of dst lie side by side in memory: copy each.
template <class T>
static void pack_rows(const T* src, int64_t s_k, int64_t kc, int64_t n, int64_t width, T* dst) {
    constexpr int L = kLanes<T>;
    const int64_t whole = n / L;
    const int rest = int(n % L);
    for (int64_t k = 0; k < kc; ++k, src += s_k, dst += width) {
        for (int64_t v = 0; v < whole; ++v) store(dst + v * L, load(src + v * L));
        if (rest) store(dst + whole * L, load_n(src + whole * L, rest));
        for (int64_t i = n + (rest ? L - rest : 0); i < width; i += L) store(dst + i, Vec<T>{});
    }
}

// Columns of dst lie side by side: squares of lanes x lanes are transposed in registers, last
// column of squares first, since its stores may spill over into the next row's beginning.
template <class T>
static void pack_columns(const T* src, int64_t s_i, int64_t kc, int64_t n, int64_t width, T* dst) {
    constexpr int L = kLanes<T>;
    for (int64_t i0 = (width - 1) / L * L; i0 >= 0; i0 -= L) {
        const int rows = int(n - i0 < 0 ? 0 : n - i0 > L ? L : n - i0);
        for (int64_t k0 = 0; k0 < kc; k0 += L) {
            const int ks = int(kc - k0 > L ? L : kc - k0);
            Vec<T> square[L];
            if (rows == L && ks == L) {
                TG_UNROLL
                for (int i = 0; i < L; ++i) square[i] = load(src + (i0 + i) * s_i + k0);
            } else {
                for (int i = 0; i < L; ++i) {
                    square[i] = i < rows ? load_n(src + (i0 + i) * s_i + k0, ks) : Vec<T>{};
                }
            }
            transpose<T>(square);
            T* d = dst + k0 * width + i0;
            if (ks == L) {
                TG_UNROLL
                for (int k = 0; k < L; ++k) store(d + k * width, square[k]);
            } else {
                for (int k = 0; k < ks; ++k) store(d + k * width, square[k]);
            }
        }
    }
}

// dst[k * width + i] = src[k * s_k + i * s_i] for i < n, 0 for n <= i < width;  k < kc, width >= n.
//   May write up to lanes - 1 elements behind dst + kc * width.
template <class T>
static void pack(const T* src, int64_t s_k, int64_t s_i, int64_t kc, int64_t n, int64_t width,
                 T* dst) {
    if (s_i == 1) {
        pack_rows(src, s_k, kc, n, width, dst);
    } else if (s_k == 1) {
        pack_columns(src, s_i, kc, n, width, dst);
    } else {
        for (int64_t k = 0; k < kc; ++k) {
            for (int64_t i = 0; i < n; ++i) dst[k * width + i] = src[k * s_k + i * s_i];
            for (int64_t i = n; i < width; ++i) dst[k * width + i] = 0;
        }
    }
}

}  // namespace TG_ISA
}  // namespace tinygrad_cv
