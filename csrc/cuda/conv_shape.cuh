// The shapes of a convolution as kernels receive them, one number after the other.
#pragma once

// x (images, c, h, w), weight (o, c / groups, kh, kw), y (images, o, oh, ow); s: stride, p: padding,
// d: dilation, in rows and columns.
#define CONV_PARAMS                                                                         \
    int images, int c, int h, int w, int o, int kh, int kw, int oh, int ow, int sh, int sw, \
        int ph, int pw, int dh, int dw, int groups
#define CONV_ARGS images, c, h, w, o, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups

struct Conv {
    int images, c, h, w, o, kh, kw, oh, ow, sh, sw, ph, pw, dh, dw, groups;

    __device__ int c_group() const { return c / groups; }
    __device__ int o_group() const { return o / groups; }
    __device__ int taps() const { return kh * kw; }
    __device__ int in_plane() const { return h * w; }
    __device__ int out_plane() const { return oh * ow; }
};
