// Convolution: how a plan's work is laid out, once its algorithm is chosen.
#pragma once

#include <algorithm>

#include "kernels/conv.h"

namespace tinygrad_cv {

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
inline int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Tiles of outputs as pixels of a convolution that reads a tile's inputs, and the same for tiles of
// the gradient that `g`, a flipped convolution, reads.
Conv2dShape tile_shape(const Conv2dShape& g, ConvAlgo algo);
Conv2dShape gradient_tile_shape(const Conv2dShape& g, ConvAlgo algo);
// Whether a panel of U and a few tiles' X fit a share of L2, elements `l2`.
bool winograd_by_blocks(const ConvPlan& p, int64_t l2);

// The forward convolution p.conv by p.algo.
void lay_forward(ConvPlan& p, int64_t elem, const Machine& m);
void lay_winograd_images(ConvPlan& p);
void lay_depthwise(ConvPlan& p);
// backward_input: products scattered.
void lay_scatter(ConvPlan& p, int64_t elem, const Machine& m);
// backward_weight
void lay_dot(ConvPlan& p, int64_t elem, const Machine& m);
void lay_winograd_gradient(ConvPlan& p, const Machine& m);

}  // namespace tinygrad_cv
