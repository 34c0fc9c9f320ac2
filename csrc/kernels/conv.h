// Two-dimensional convolution (cross-correlation) and its two gradients.
//
//   y[n,k,p,q]  = bias[k] + sum_{c,r,s} x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw] * w[k,c,r,s]
//   gx[n,c,h,w] = sum over the same pairs of gy[n,k,p,q] * w[k,c,r,s]
//   gw[k,c,r,s] = sum_{n,p,q} gy[n,k,p,q] * x[n, c, p*sh - ph + r*dh, q*sw - pw + s*dw]
//
// written for groups == 1; x outside its rows and columns is 0. With groups, output channel k of
// group k / (K/groups) sees the C/groups input channels of that group. All arrays are dense: x is
// N x C x H x W, w is K x C/groups x R x S, y and gy are N x K x P x Q. Any alignment; outputs may
// not overlap inputs; every output element is written once.
#pragma once

#include <stdint.h>

#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

struct Conv2dShape {
    int64_t N, C, H, W;              // input
    int64_t K, R, S;                 // output channels, kernel rows and columns
    int64_t sh, sw, ph, pw, dh, dw;  // stride, zeros on both sides, dilation
    int64_t groups;
    int64_t P, Q;  // output rows and columns
};

enum class ConvPass : int { forward, backward_input, backward_weight };

// direct: register tiles read padded rows in place, every kernel tap an offset into them.
// channels: output channels in the lanes, neighbouring pixels as the rows of a tile.
// gemm: the tiles of direct over pixels packed tap by tap (no waste on narrow maps); for the gradients,
//   products of whole rows: scattered into padded planes (input), summed over pixels (weight).
// winograd4, winograd2, winograd4x4, winograd5x5: F(4x4, 3x3), F(2x2, 3x3), F(3x3, 4x4) and
//   F(4x4, 5x5), float32 only.
// winograd5x5_images: winograd5x5 with images in the lanes, not channels; no gradient of weights.
// depthwise: one kernel for each channel, 3 x 3 or 5 x 5, stride 1 or 2.
enum class ConvAlgo : int {
    automatic,
    direct,
    channels,
    gemm,
    depthwise,
    winograd2,
    winograd4,
    winograd4x4,
    winograd5x5,
    winograd5x5_images
};
constexpr int kConvAlgos = 10;
const char* conv_algo_name(ConvAlgo algo) noexcept;
bool is_winograd(ConvAlgo algo) noexcept;

struct ConvOptions {
    ConvAlgo forced = ConvAlgo::automatic;
    bool exact = false;  // no algorithm with more rounding error than the plain sum
};

// How one pass of one shape will be computed: fixed by shape, type, machine and options alone.
// Padded rows are split into phases, so that the taps of a strided convolution read consecutive
// values: column j*sw + f of the padded row lies at f*phase + j.
struct ConvPlan {
    ConvAlgo algo;
    const char* why;
    int team;
    bool flipped;        // backward_input as the forward pass of `conv` over gy, weights flipped
    bool transposed;     // besides: by the transpose of Winograd, weights as they are
    bool phased;         // `conv` is phase_shape of the convolution that was asked for
    bool swapped;        // sums have rows of input channels (Winograd gradient)
    Conv2dShape conv;    // the convolution that the kernel computes
    Conv2dShape run;     // the pixels that its panels hold: conv, or for Winograd its tiles, as the
                         // pixels of a kernel as large as a tile's inputs and as wide a stride
    int64_t work;        // multiplications of the plain sum
    int64_t depth;       // terms of one sum: C/groups * R * S of `run`
    int64_t tile_mr;     // most rows of a register tile
    int64_t panel;       // pixels of a register tile
    int64_t phase, row;  // elements from phase to phase and from padded row to padded row
    int64_t rows;      // output rows of a job (direct, channels); output channels of a block (dot);
                       // rows of tiles of a job or chunk (Winograd); tiles that all threads
                       // transform together (Winograd gradient), 0: apart
    int64_t pixels;    // output pixels of a block (gemm), tiles (Winograd)
    int64_t channels;  // input channels of a job (gradients) or of one step (Winograd; 0: all)
    int64_t k_splits;  // jobs that share one block of pixels
    int64_t chunks;    // partial sums of backward_weight, each over a fixed range of blocks
    int64_t x_step, y_step;   // from tile to tile, of x and of the gradient (Winograd gradient)
    int64_t in_rows;          // most padded rows of a job
    int64_t scratch;          // elements for each thread
    int64_t partial, shared;  // elements of all partial sums, and of what all threads share
};

// Checks sizes and settings and computes P and Q. Throws std::invalid_argument.
// `where` opens the messages. Shapes of x (N, C, H, W) and w (K, C/groups, R, S).
Conv2dShape conv2d_shape(const char* where, const int64_t x[4], const int64_t w[4], int64_t sh,
                         int64_t sw, int64_t ph, int64_t pw, int64_t dh, int64_t dw,
                         int64_t groups);

// The convolution of stride 1 and no padding whose channels are the phases of g's: xs[c][fr][fs][i][j]
// = x[c, i*sh + fr - ph, j*sw + fs - pw], ws[c][fr][fs][r][s] = w[c, r*sh + fr, s*sw + fs], 0 where w
// ends. For g without dilation.
Conv2dShape phase_shape(const Conv2dShape& g);

// Pure: no globals, clock or environment. elem is the element's size in bytes (4 or 8).
ConvPlan plan_conv2d(const Conv2dShape& g, ConvPass pass, int64_t elem, const Machine& m,
                     const ConvOptions& options);

// bias may be null. relu: max(y, 0) in the last write; NaN stays NaN.
template <class T>
void conv2d(const Conv2dShape& g, const ConvPlan& plan, const T* x, const T* w, const T* bias,
            bool relu, T* y);
template <class T>
void conv2d_backward_input(const Conv2dShape& g, const ConvPlan& plan, const T* gy, const T* w,
                           T* gx);
template <class T>
void conv2d_backward_weight(const Conv2dShape& g, const ConvPlan& plan, const T* x, const T* gy,
                            T* gw);

// Where one group's weights lie: row i, term (o, t) is w[i * row + o * outer + t * inner].
struct ConvWeights {
    int64_t rows, outer_count, inner_count;
    int64_t row, outer, inner;
};

// The hot loops, one table per type and instruction set. wp: weights packed in balanced tiles of at
// most plan.tile_mr rows, [group][tile][depth][rows of the tile]. offsets: where each term of a sum
// lies from the first pixel of a panel. scratch: plan.scratch elements for each thread.
template <class T>
struct ConvTileKernels {
    void (*pack)(const ConvWeights& from, int64_t tile_mr, const T* w, T* packed) noexcept;
    void (*direct)(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets,
                   const T* bias, bool relu, T* y, T* scratch) noexcept;
    void (*gemm)(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets,
                 const T* bias, bool relu, T* y, T* scratch) noexcept;
};
// wp: [group][panel of 2 vectors of output channels][term][2 vectors].
template <class T>
struct ConvChannelKernels {
    void (*pack)(const ConvWeights& from, int team, const T* w, T* packed) noexcept;
    void (*forward)(const ConvPlan& plan, const T* x, const T* wp, const int64_t* offsets,
                    const T* bias, bool relu, T* y, T* scratch) noexcept;
};
// scatter: products of whole gradient rows with the weights, added to padded planes.
// dot: partial[chunk] = gw summed over the chunk's pixels.
template <class T>
struct ConvGradKernels {
    void (*scatter)(const ConvPlan& plan, const T* gy, const T* wp, const int64_t* offsets, T* gx,
                    T* scratch) noexcept;
    void (*dot)(const ConvPlan& plan, const T* x, const T* gy, T* partial, T* scratch) noexcept;
    // gw[i] = partial[0][i] + partial[1][i] + ..., in this order
    void (*sum_chunks)(int64_t chunks, int64_t count, int team, const T* partial, T* gw) noexcept;
};
// w: [c][r][s]. backward_input: stride 2 only. partial: [n][c][r][s].
template <class T>
struct ConvDepthwiseKernels {
    void (*forward)(const ConvPlan& plan, const T* x, const T* w, const T* bias, bool relu, T* y,
                    T* scratch) noexcept;
    void (*backward_input)(const ConvPlan& plan, const T* gy, const T* w, T* gx,
                           T* scratch) noexcept;
    void (*backward_weight)(const ConvPlan& plan, const T* x, const T* gy, T* partial,
                            T* scratch) noexcept;
};
// x of g to x of s = phase_shape(g), and the gradient of that back to the gradient of x.
struct ConvPhaseKernels {
    void (*split)(const Conv2dShape& g, const Conv2dShape& s, int team, const float* x,
                  float* xs) noexcept;
    void (*join)(const Conv2dShape& g, const Conv2dShape& s, int team, const float* gxs,
                 float* gx) noexcept;
};
// w as it lies, `from` for one group, group_step elements to the next.
struct ConvWinogradKernels {
    void (*forward)(const ConvPlan& plan, const ConvWeights& from, int64_t group_step,
                    const float* x, const float* w, const float* bias, bool relu, float* y,
                    float* shared, float* scratch) noexcept;
};
struct ConvWinogradGradKernels {
    void (*backward_weight)(const ConvPlan& plan, const float* x, const float* gy, float* gw,
                            float* partial, float* shared, float* scratch) noexcept;
};
TG_DECLARE_TABLE(ConvWinogradGradKernels, conv_winograd_grad4)
TG_DECLARE_TABLE(ConvWinogradGradKernels, conv_winograd_grad2)
TG_DECLARE_TABLE(ConvWinogradGradKernels, conv_winograd_grad4x4)
TG_DECLARE_TABLE(ConvWinogradGradKernels, conv_winograd_grad5x5)
TG_DECLARE_TABLE(ConvWinogradKernels, conv_winograd4)
TG_DECLARE_TABLE(ConvWinogradKernels, conv_winograd2)
TG_DECLARE_TABLE(ConvWinogradKernels, conv_winograd4x4)
TG_DECLARE_TABLE(ConvWinogradKernels, conv_winograd5x5)
TG_DECLARE_TABLE(ConvWinogradKernels, conv_winograd5x5_images)
TG_DECLARE_TABLE(ConvPhaseKernels, conv_phases)
TG_DECLARE_TABLE(ConvTileKernels<float>, conv_tile_f32)
TG_DECLARE_TABLE(ConvTileKernels<double>, conv_tile_f64)
TG_DECLARE_TABLE(ConvDepthwiseKernels<float>, conv_depthwise_f32)
TG_DECLARE_TABLE(ConvDepthwiseKernels<double>, conv_depthwise_f64)
TG_DECLARE_TABLE(ConvChannelKernels<float>, conv_channels_f32)
TG_DECLARE_TABLE(ConvChannelKernels<double>, conv_channels_f64)
TG_DECLARE_TABLE(ConvGradKernels<float>, conv_grad_f32)
TG_DECLARE_TABLE(ConvGradKernels<double>, conv_grad_f64)

}  // namespace tinygrad_cv
