// The phases of a strided convolution as channels of one of stride 1, which Winograd can serve:
//   xs[n][c][fr][fs][i][j] = x[n, c, i*sh + fr - ph, j*sw + fs - pw]      float32, 0 outside x
// and back, for the gradient of the input. Bytes alone: both sides are read or written once.
#include "kernels/conv_lines.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// Rows and columns of x that some window reads: what lies behind them may not reach a sum (it would
// be multiplied by 0, which turns infinity into NaN), and has the gradient 0.
int64_t rows_read(const Conv2dShape& g) { return smaller(g.H, (g.P - 1) * g.sh + g.R - g.ph); }
int64_t columns_read(const Conv2dShape& g) { return smaller(g.W, (g.Q - 1) * g.sw + g.S - g.pw); }

// Columns j = 0 .. columns - 1 of each phase of a row: to[fs * plane + j].
void split(const Conv2dShape& g, const float* row, int64_t columns, int64_t plane,
           float* to) noexcept {
    const int64_t width = columns_read(g);
    if (g.sw == 1) {
        const int64_t j0 = smaller(columns, g.pw), j1 = larger(j0, smaller(columns, width + g.pw));
        zero_run(to, j0);
        copy_run(to + j0, row, j1 - j0);
        zero_run(to + j1, columns - j1);
    } else if (g.sw == 2) {
        split_row<float, 2>(row, width, g.pw, columns, plane, 2, to);
    } else if (g.sw == 4) {
        split_row<float, 4>(row, width, g.pw, columns, plane, 4, to);
    } else {
        for (int64_t f = 0; f < g.sw; ++f, to += plane) {
            for (int64_t j = 0; j < columns; ++j) {
                const int64_t w = j * g.sw + f - g.pw;
                to[j] = w >= 0 && w < width ? row[w] : 0.0f;
            }
        }
    }
}

// One row of gx from its phases, from[fs * plane + j].
void join(const Conv2dShape& g, const float* from, int64_t plane, float* row) noexcept {
    constexpr int L = kLanes<float>;
    const int64_t width = larger(0, columns_read(g)), sw = g.sw;
    int64_t w = 0, f = g.pw % sw, j = g.pw / sw;
    const auto one = [&] {
        row[w++] = from[f * plane + j];
        if (++f == sw) f = 0, ++j;
    };
    if (sw == 1) {
        copy_run(row, from + j, width);
        w = width;
    } else if (sw == 2 || sw == 4) {
        while (f != 0 && w < width) one();
        for (; w + sw * L <= width; w += sw * L, j += L) {
            Vec<float> a = load(from + j), b = load(from + plane + j);
            if (sw == 4) {
                const Vec<float> c = load(from + 2 * plane + j), d = load(from + 3 * plane + j);
                const Vec<float> high = zip_high(a, c), odd = zip_high(b, d);
                store(row + w + 2 * L, zip_low(high, odd));
                store(row + w + 3 * L, zip_high(high, odd));
                a = zip_low(a, c), b = zip_low(b, d);
            }
            store(row + w, zip_low(a, b));
            store(row + w + L, zip_high(a, b));
        }
    }
    while (w < width) one();
    zero_run(row + width, g.W - width);
}

// Job: the rows of one phase of one channel.
void split_all(const Conv2dShape& g, const Conv2dShape& s, int team, const float* x,
               float* xs) noexcept {
    const int64_t plane = s.H * s.W, height = rows_read(g);
    parallel_for(g.N * g.C * g.sh, team, [&](int64_t job) {
        const float* from = x + job / g.sh * g.H * g.W;
        float* to = xs + job * g.sw * plane;
        for (int64_t i = 0; i < s.H; ++i, to += s.W) {
            const int64_t h = i * g.sh + job % g.sh - g.ph;
            if (h >= 0 && h < height) {
                split(g, from + h * g.W, s.W, plane, to);
            } else {
                for (int64_t f = 0; f < g.sw; ++f) zero_run(to + f * plane, s.W);
            }
        }
    });
}

// Job: one channel.
void join_all(const Conv2dShape& g, const Conv2dShape& s, int team, const float* gxs,
              float* gx) noexcept {
    const int64_t plane = s.H * s.W, height = rows_read(g);
    parallel_for(g.N * g.C, team, [&](int64_t job) {
        const float* from = gxs + job * g.sh * g.sw * plane;
        float* to = gx + job * g.H * g.W;
        for (int64_t h = 0; h < g.H; ++h, to += g.W) {
            if (h >= height) {
                zero_run(to, g.W);
                continue;
            }
            const int64_t i = (h + g.ph) / g.sh, f = (h + g.ph) % g.sh;
            join(g, from + f * g.sw * plane + i * s.W, plane, to);
        }
    });
}

}  // namespace

const ConvPhaseKernels conv_phases = {split_all, join_all};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
