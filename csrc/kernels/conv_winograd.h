// The transforms of Winograd convolution F(M x M, 3 x 3): 2-D, with one tile in every lane.
//   y = A^T [ (G w G^T) . (B^T x B) ] A     x: (M+2) x (M+2) inputs, y: M x M outputs of a tile
// M = 4: points 0, 1, -1, 2, -2, infinity; M = 2: points 0, 1, -1, infinity.
// After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
#pragma once

#include "kernels/conv_lines.h"

namespace tinygrad_cv {
namespace TG_ISA {

template <int M>
struct Winograd;

template <>
struct Winograd<4> {
    static constexpr int kSide = 6;
    template <class V>
    __attribute__((always_inline)) static void input(const V (&d)[6], V (&t)[6]) {  // B^T d
        const V a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
        t[0] = 4 * d[0] - 5 * d[2] + d[4];
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + e;
        t[4] = c - e;
        t[5] = 4 * d[1] - 5 * d[3] + d[5];
    }
    template <class V>
    __attribute__((always_inline)) static void kernel(const V (&w)[3], V (&t)[6]) {  // G w
        const V even = w[0] + w[2], far = w[0] + 4 * w[2];
        t[0] = 0.25f * w[0];
        t[1] = (-1.0f / 6) * (even + w[1]);
        t[2] = (-1.0f / 6) * (even - w[1]);
        t[3] = (1.0f / 24) * (far + 2 * w[1]);
        t[4] = (1.0f / 24) * (far - 2 * w[1]);
        t[5] = w[2];
    }
    template <class V>
    __attribute__((always_inline)) static void output(const V (&m)[6], V (&y)[4]) {  // A^T m
        const V p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
        y[0] = m[0] + p + r;
        y[1] = q + 2 * s;
        y[2] = p + 4 * r;
        y[3] = q + 8 * s + m[5];
    }
    // F(3 x 3, 4 x 4), the gradient of the weights: gradient tiles in the place of the kernel.
    template <class V>
    __attribute__((always_inline)) static void gradient(const V (&g)[4], V (&t)[6]) {
        const V even = g[0] + g[2], odd = g[1] + g[3];
        const V far = g[0] + 4 * g[2], side = 2 * g[1] + 8 * g[3];
        t[0] = 0.25f * g[0];
        t[1] = (-1.0f / 6) * (even + odd);
        t[2] = (-1.0f / 6) * (even - odd);
        t[3] = (1.0f / 24) * (far + side);
        t[4] = (1.0f / 24) * (far - side);
        t[5] = g[3];
    }
    template <class V>
    __attribute__((always_inline)) static void weight(const V (&m)[6], V (&w)[3]) {
        const V p = m[1] + m[2], r = m[3] + m[4];
        w[0] = m[0] + p + r;
        w[1] = m[1] - m[2] + 2 * (m[3] - m[4]);
        w[2] = p + 4 * r + m[5];
    }
};

template <>
struct Winograd<2> {
    static constexpr int kSide = 4;
    template <class V>
    __attribute__((always_inline)) static void input(const V (&d)[4], V (&t)[4]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }
    template <class V>
    __attribute__((always_inline)) static void kernel(const V (&w)[3], V (&t)[4]) {
        const V even = w[0] + w[2];
        t[0] = w[0];
        t[1] = 0.5f * (even + w[1]);
        t[2] = 0.5f * (even - w[1]);
        t[3] = w[2];
    }
    template <class V>
    __attribute__((always_inline)) static void output(const V (&m)[4], V (&y)[2]) {
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2] - m[3];
    }
    template <class V>
    __attribute__((always_inline)) static void gradient(const V (&g)[2], V (&t)[4]) {
        t[0] = g[0];
        t[1] = 0.5f * (g[0] + g[1]);
        t[2] = 0.5f * (g[0] - g[1]);
        t[3] = g[1];
    }
    template <class V>
    __attribute__((always_inline)) static void weight(const V (&m)[4], V (&w)[3]) {
        w[0] = m[0] + m[1] + m[2];
        w[1] = m[1] - m[2];
        w[2] = m[1] + m[2] - m[3];
    }
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
