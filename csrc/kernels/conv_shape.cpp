// Convolution: everything that a user can get wrong, checked before any pointer is touched.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/conv.h"

namespace tinygrad_cv {
namespace {

[[noreturn]] void refuse(const char* where, const std::string& what) {
    throw std::invalid_argument(std::string(where) + ": " + what);
}

std::string shape_text(const int64_t s[4]) {
    return "(" + std::to_string(s[0]) + ", " + std::to_string(s[1]) + ", " + std::to_string(s[2]) +
           ", " + std::to_string(s[3]) + ")";
}
std::string pair_text(int64_t a, int64_t b) {
    return "(" + std::to_string(a) + ", " + std::to_string(b) + ")";
}

// The product of four sizes in bytes of float64 must fit an int64_t.
void check_size(const char* where, const char* name, int64_t a, int64_t b, int64_t c, int64_t d) {
    int64_t bytes = 8;
    for (int64_t factor : {a, b, c, d}) {
        if (__builtin_mul_overflow(bytes, factor, &bytes)) {
            refuse(where, std::string(name) + " is too large");
        }
    }
}

void check_pair(const char* where, const char* name, int64_t a, int64_t b, int64_t least) {
    constexpr int64_t most = (int64_t(1) << 31) - 1;
    if (std::min(a, b) < least || std::max(a, b) > most) {
        refuse(where, std::string(name) + " must be " + std::to_string(least) + " to " +
                          std::to_string(most) + ", got " + pair_text(a, b));
    }
}

}  // namespace

Conv2dShape conv2d_shape(const char* where, const int64_t x[4], const int64_t w[4], int64_t sh,
                         int64_t sw, int64_t ph, int64_t pw, int64_t dh, int64_t dw,
                         int64_t groups) {
    check_pair(where, "stride", sh, sw, 1);
    check_pair(where, "padding", ph, pw, 0);
    check_pair(where, "dilation", dh, dw, 1);
    if (x[1] < 1 || x[2] < 1 || x[3] < 1) {
        refuse(where, "input " + shape_text(x) + " must have channels, rows and columns");
    }
    if (w[0] < 1 || w[1] < 1 || w[2] < 1 || w[3] < 1) {
        refuse(where, "weight " + shape_text(w) + " must not be empty");
    }
    if (groups < 1 || x[1] % groups || w[0] % groups) {
        refuse(where, "groups must divide the channels of input " + shape_text(x) +
                          " and of weight " + shape_text(w) + ", got " + std::to_string(groups));
    }
    if (x[1] / groups != w[1]) {
        refuse(where, "input has " + std::to_string(x[1]) + " channels but weight " +
                          shape_text(w) + " expects " + std::to_string(w[1] * groups) +
                          " (groups=" + std::to_string(groups) + ")");
    }
    check_size(where, "input", x[0], x[1], x[2], x[3]);
    check_size(where, "weight", w[0], w[1], w[2], w[3]);
    Conv2dShape g = {x[0], x[1], x[2], x[3], w[0], w[2],   w[3], sh,
                     sw,   ph,   pw,   dh,   dw,   groups, 0,    0};
    const int64_t span_h = x[2] + 2 * ph - dh * (w[2] - 1) - 1;
    const int64_t span_w = x[3] + 2 * pw - dw * (w[3] - 1) - 1;
    if (span_h < 0 || span_w < 0) {
        refuse(where, "kernel " + pair_text(w[2], w[3]) + " with dilation " + pair_text(dh, dw) +
                          " is larger than input " + pair_text(x[2], x[3]) + " with padding " +
                          pair_text(ph, pw));
    }
    g.P = span_h / sh + 1;
    g.Q = span_w / sw + 1;
    check_size(where, "output", g.N, g.K, g.P, g.Q);
    check_size(where, "work", std::max<int64_t>(g.N, 1) * g.P, g.Q, g.K, w[1] * g.R * g.S);
    return g;
}

Conv2dShape phase_shape(const Conv2dShape& g) {
    Conv2dShape s = g;
    s.C = g.C * g.sh * g.sw;
    s.R = (g.R + g.sh - 1) / g.sh;
    s.S = (g.S + g.sw - 1) / g.sw;
    s.H = g.P + s.R - 1;
    s.W = g.Q + s.S - 1;
    s.sh = s.sw = 1;
    s.ph = s.pw = 0;
    return s;
}

}  // namespace tinygrad_cv
