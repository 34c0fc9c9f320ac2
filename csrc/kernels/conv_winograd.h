// The transforms of Winograd convolution F(M x M, R x R): 2-D, with one tile in every lane.
//   y = A^T [ (G w G^T) . (B^T x B) ] A     x: (M+R-1)^2 inputs, y: M x M outputs of a tile
// The gradient of the weights, F(R x R, M x M), has a tile of the gradient in the kernel's place.
// After Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016.
#pragma once

#include "kernels/conv_lines.h"

namespace tinygrad_cv {
namespace TG_ISA {

// Transposed in x, it is the gradient of the input, tiles overlapping by R - 1:
//   gx += B [ (G w G^T) . (A gy A^T) ] B^T

// The one-dimensional transforms for as many points as a tile has inputs on a side:
//   input: B^T d.  input_back: B t.
//   evaluate: A w, N values as a polynomial's coefficients at the points.  spread: G w, scaled besides.
//   gather: A^T m, N values from the points.
template <int Side>
struct WinogradPoints;

template <>
struct WinogradPoints<6> {  // 0, 1, -1, 2, -2, infinity
    template <class V>
    __attribute__((always_inline)) static void input(const V (&d)[6], V (&t)[6]) {
        const V a = d[4] - 4 * d[2], b = d[3] - 4 * d[1], c = d[4] - d[2], e = 2 * (d[3] - d[1]);
        t[0] = 4 * d[0] - 5 * d[2] + d[4];
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + e;
        t[4] = c - e;
        t[5] = 4 * d[1] - 5 * d[3] + d[5];
    }
    template <class V>
    __attribute__((always_inline)) static void input_back(const V (&t)[6], V (&d)[6]) {
        const V p = t[1] + t[2], q = t[1] - t[2], r = t[3] + t[4], s = t[3] - t[4];
        d[0] = 4 * t[0];
        d[1] = 4 * (t[5] - q) - 2 * s;
        d[2] = -5 * t[0] - 4 * p - r;
        d[3] = q + 2 * s - 5 * t[5];
        d[4] = t[0] + p + r;
        d[5] = t[5];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void evaluate(const V (&w)[N], V (&t)[6]) {
        static_assert(N == 3 || N == 4, "");
        V odd = w[1], side = 2 * w[1];
        if constexpr (N > 3) odd += w[3], side += 8 * w[3];
        const V even = w[0] + w[2], far = w[0] + 4 * w[2];
        t[0] = w[0];
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = far + side;
        t[4] = far - side;
        t[5] = w[N - 1];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void spread(const V (&w)[N], V (&t)[6]) {
        constexpr float kScale[6] = {0.25f, -1.0f / 6, -1.0f / 6, 1.0f / 24, 1.0f / 24, 1};
        evaluate(w, t);
        TG_UNROLL
        for (int i = 0; i < 5; ++i) t[i] *= kScale[i];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void gather(const V (&m)[6], V (&y)[N]) {
        static_assert(N == 3 || N == 4, "");
        const V p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
        y[0] = m[0] + p + r;
        y[1] = q + 2 * s;
        y[2] = p + 4 * r;
        if constexpr (N > 3) y[3] = q + 8 * s;
        y[N - 1] += m[5];
    }
};

template <>
struct WinogradPoints<4> {  // 0, 1, -1, infinity
    template <class V>
    __attribute__((always_inline)) static void input(const V (&d)[4], V (&t)[4]) {
        t[0] = d[0] - d[2];
        t[1] = d[1] + d[2];
        t[2] = d[2] - d[1];
        t[3] = d[1] - d[3];
    }
    template <class V>
    __attribute__((always_inline)) static void input_back(const V (&t)[4], V (&d)[4]) {
        d[0] = t[0];
        d[1] = t[1] - t[2] + t[3];
        d[2] = t[1] + t[2] - t[0];
        d[3] = -t[3];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void evaluate(const V (&w)[N], V (&t)[4]) {
        static_assert(N == 2 || N == 3, "");
        V even = w[0];
        if constexpr (N > 2) even += w[2];
        t[0] = w[0];
        t[1] = even + w[1];
        t[2] = even - w[1];
        t[3] = -w[N - 1];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void spread(const V (&w)[N], V (&t)[4]) {
        evaluate(w, t);
        t[1] *= 0.5f;
        t[2] *= 0.5f;
        t[3] = w[N - 1];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void gather(const V (&m)[4], V (&y)[N]) {
        static_assert(N == 2 || N == 3, "");
        y[0] = m[0] + m[1] + m[2];
        y[1] = m[1] - m[2];
        if constexpr (N > 2) y[2] = m[1] + m[2];
        y[N - 1] -= m[3];
    }
};

template <>
struct WinogradPoints<8> {  // 0, 1, -1, 2, -2, 1/2, -1/2, infinity
    template <class V>
    __attribute__((always_inline)) static void input(const V (&d)[8], V (&t)[8]) {
        const V a = d[2] + d[6] - 4.25f * d[4], b = d[1] + d[5] - 4.25f * d[3];
        const V c = d[6] + 0.25f * d[2] - 1.25f * d[4], e = d[5] + 0.25f * d[1] - 1.25f * d[3];
        const V f = d[6] + 4 * d[2] - 5 * d[4], h = d[5] + 4 * d[1] - 5 * d[3];
        t[0] = d[0] - d[6] + 5.25f * (d[4] - d[2]);
        t[1] = a + b;
        t[2] = a - b;
        t[3] = c + 2 * e;
        t[4] = c - 2 * e;
        t[5] = f + 0.5f * h;
        t[6] = f - 0.5f * h;
        t[7] = d[7] - d[1] + 5.25f * (d[3] - d[5]);
    }
    template <class V>
    __attribute__((always_inline)) static void input_back(const V (&t)[8], V (&d)[8]) {
        const V a = t[1] + t[2], b = t[1] - t[2], c = t[3] + t[4], e = t[3] - t[4];
        const V f = t[5] + t[6], h = t[5] - t[6];
        d[0] = t[0];
        d[1] = b + 0.5f * e + 2 * h - t[7];
        d[2] = a + 0.25f * c + 4 * f - 5.25f * t[0];
        d[3] = 5.25f * t[7] - 4.25f * b - 2.5f * (e + h);
        d[4] = 5.25f * t[0] - 4.25f * a - 1.25f * c - 5 * f;
        d[5] = b + 2 * e + 0.5f * h - 5.25f * t[7];
        d[6] = a + c + f - t[0];
        d[7] = t[7];
    }
    // At 1/2 and -1/2 times 2^(N-1): in an evaluation and the gathering beside it together 128.
    template <class V, int N>
    __attribute__((always_inline)) static void evaluate(const V (&w)[N], V (&t)[8]) {
        static_assert(N == 4 || N == 5, "");
        V even = w[0] + w[2], odd = w[1] + w[3], far = w[0] + 4 * w[2], side = w[1] + 4 * w[3];
        V near = w[2] + 4 * w[0], edge = w[3] + 4 * w[1];
        if constexpr (N == 5) {
            even += w[4], far += 16 * w[4];
            near = w[4] + 4 * near;
        }
        t[0] = w[0];
        t[1] = even + odd;
        t[2] = even - odd;
        t[3] = far + 2 * side;
        t[4] = far - 2 * side;
        if constexpr (N == 5) {
            t[5] = near + 2 * edge;
            t[6] = near - 2 * edge;
        } else {
            t[5] = 2 * near + edge;
            t[6] = 2 * near - edge;
        }
        t[7] = w[N - 1];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void spread(const V (&w)[N], V (&t)[8]) {
        constexpr float kScale[8] = {1,         -2.0f / 9,  -2.0f / 9,  1.0f / 90,
                                     1.0f / 90, 1.0f / 180, 1.0f / 180, 1};
        evaluate(w, t);
        TG_UNROLL
        for (int i = 1; i < 7; ++i) t[i] *= kScale[i];
    }
    template <class V, int N>
    __attribute__((always_inline)) static void gather(const V (&m)[8], V (&y)[N]) {
        static_assert(N == 4 || N == 5, "");
        constexpr float kTop = N == 5 ? 16 : 8;
        const V p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
        const V u = m[5] + m[6], v = m[5] - m[6];
        y[0] = m[0] + p + r + kTop * u;
        y[1] = q + 2 * s + kTop / 2 * v;
        y[2] = p + 4 * r + kTop / 4 * u;
        y[3] = q + 8 * s + kTop / 8 * v;
        if constexpr (N == 5) y[4] = p + 16 * r + u;
        y[N - 1] += m[7];
    }
};

template <int M, int R>
struct Winograd : WinogradPoints<M + R - 1> {
    static constexpr int kOut = M, kKernel = R, kSide = M + R - 1, kPoints = kSide * kSide;
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
