// Normalisation: batch norm over channels of (images, c, plane), layer norm over rows.
//   channel_moments_*, merge_moments_*   mean, variance and 1 / sqrt(variance + eps) of each channel
//   normalize_*                          y from these, weight, bias and relu
//   normalize_sums_*, normalize_input_*  the gradients, by way of two sums a channel
//   channel_affine_*, channel_sum_*
//   layer_norm_*, layer_norm_input_*, layer_norm_sums_*
// Sums over a channel are cut in parts, a block each; sum_splits (matmul.cu) or merge_moments adds
// the parts in order.
// Compiled for sm_75 to sm_120 and emulated on a CPU; not yet run on a GPU.
#include "block_sum.cuh"
#include "kernel_common.cuh"

// x (images, c, plane) and how blocks sum it: parts, and neighbouring channels to a block (1 or 32).
#define SUM_PARAMS int images, int c, int plane, int parts, int columns
#define SUM_ARGS images, c, plane, parts, columns

// One part of one channel (or of `columns` neighbouring ones, which threads side by side then read
// side by side: planes of one pixel have nothing else that is adjacent).
//   launch: block 256; grid = ceil(c / columns) * parts. images * plane < 2^31.
struct ChannelPart {
    FastDivide by_plane;
    int c, plane, columns, channel, part, first, last;

    __device__ ChannelPart(SUM_PARAMS) : by_plane(plane), c(c), plane(plane), columns(columns) {
        const int across = (c + columns - 1) / columns, block = static_cast<int>(blockIdx.x);
        channel = block % across * columns + static_cast<int>(threadIdx.x) % columns;
        part = block / across;
        split_range(images * plane, parts, part, 1, first, last);
    }
    // f(index, image) for this thread's elements.
    template <class F>
    __device__ void each(const F& f) const {
        if (channel >= c) return;
        const int step = 256 / columns;
        for (int i = first + static_cast<int>(threadIdx.x) / columns; i < last; i += step) {
            int place;
            const long long image = by_plane.split(i, place);
            f((image * c + channel) * plane + place, image);
        }
    }
    // Adds both sums up over the block, and writes them to partial (parts, 2, c).
    template <class T>
    __device__ void write(T* partial, T one, T other) const {
        one = block_sum(one, columns);
        other = block_sum(other, columns);
        if (static_cast<int>(threadIdx.x) >= columns || channel >= c) return;
        partial[static_cast<long long>(2 * part) * c + channel] = one;
        partial[static_cast<long long>(2 * part + 1) * c + channel] = other;
    }
};

// Of part s of channel k of x: partial[s, 0, k] = its mean, partial[s, 1, k] = sum of (x - mean)^2.
//   Twice over the part: a sum of squares minus a square of sums would lose small variances.
//   3 flops and 2 reads an element, the second from L2. error: |mean - ref| <= (n / 256 + 10) 2^-24
//   times the mean of |x| over the part's n elements (float), 2^-53 (double).
template <class T>
__device__ void channel_moments(const T* __restrict__ x, T* __restrict__ partial, SUM_PARAMS) {
    const ChannelPart part(SUM_ARGS);
    T sum = 0, squares = 0;
    part.each([&](long long i, long long) { sum += x[i]; });
    const T mean = block_sum(sum, columns) / T(part.last - part.first);
    part.each([&](long long i, long long) { squares += (x[i] - mean) * (x[i] - mean); });
    squares = block_sum(squares, columns);
    if (static_cast<int>(threadIdx.x) >= columns || part.channel >= c) return;
    partial[static_cast<long long>(2 * part.part) * c + part.channel] = mean;
    partial[static_cast<long long>(2 * part.part + 1) * c + part.channel] = squares;
}

extern "C" __global__ void __launch_bounds__(256)
    channel_moments_f32(const float* __restrict__ x, float* __restrict__ partial, SUM_PARAMS) {
    channel_moments(x, partial, SUM_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    channel_moments_f64(const double* __restrict__ x, double* __restrict__ partial, SUM_PARAMS) {
    channel_moments(x, partial, SUM_ARGS);
}

// From the moments of all parts: mean, variance (biased) and root = 1 / sqrt(variance + eps).
//   count = images plane elements a channel; parts as in channel_moments. Parts are merged in order:
//   Chan, Golub & LeVeque 1979, "Updating formulae and a pairwise algorithm for computing sample
//   variances", equation 2.1.
//   launch: block 256; grid = min(ceil(c / 256), 32 x SMs), a channel a thread.
template <class T>
__device__ void merge_moments(const T* __restrict__ partial, T* __restrict__ mean,
                              T* __restrict__ variance, T* __restrict__ root, int c, int count,
                              int parts, T eps) {
    for (long long k = GRID_START; k < c; k += GRID_STEP) {
        T average = partial[k], squares = partial[c + k];
        for (int s = 1; s < parts; ++s) {
            int first, last;
            split_range(count, parts, s, 1, first, last);
            if (first == last) break;  // the parts before have taken all
            const T before = T(first), added = T(last - first), now = T(last);
            const T apart = partial[2 * s * static_cast<long long>(c) + k] - average;
            average += apart * (added / now);
            squares += partial[(2 * s + 1) * static_cast<long long>(c) + k] +
                       apart * apart * (before * added / now);
        }
        mean[k] = average;
        variance[k] = squares / T(count);
        root[k] = T(1) / sqrt(squares / T(count) + eps);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    merge_moments_f32(const float* __restrict__ partial, float* __restrict__ mean,
                      float* __restrict__ variance, float* __restrict__ root, int c, int count,
                      int parts, float eps) {
    merge_moments(partial, mean, variance, root, c, count, parts, eps);
}
extern "C" __global__ void __launch_bounds__(256)
    merge_moments_f64(const double* __restrict__ partial, double* __restrict__ mean,
                      double* __restrict__ variance, double* __restrict__ root, int c, int count,
                      int parts, double eps) {
    merge_moments(partial, mean, variance, root, c, count, parts, eps);
}

// The value before relu: one formula, one rounding, wherever it is computed.
template <class T>
__device__ T normalized(T x, T mean, T root, const T* weight, const T* bias, long long k) {
    const T scale = weight ? root * weight[k] : root;
    return multiply_add(x - mean, scale, bias ? bias[k] : T(0));
}

// What relu lets through of a gradient, y its value before or after.
template <class T>
__device__ T let_through(T grad, T y) {
    return y <= T(0) ? T(0) : grad;
}

// The channel of each element of (images, c, plane), fewer than 2^31 of them.
struct ChannelOf {
    FastDivide by_plane, by_c;

    __device__ ChannelOf(int c, int plane) : by_plane(plane), by_c(c) {}
    __device__ int at(long long index) const {
        int place, channel;
        by_c.split(by_plane.split(static_cast<int>(index), place), channel);
        return channel;
    }
};

// y = (x - mean[k]) root[k] weight[k] + bias[k], k the channel; then relu. weight, bias (c) or null.
//   x, y (count = images c plane) dense. NaN goes through. 4 flops, 2 sizeof(T) bytes an element.
//   launch: block 256; grid = min(ceil(count / 256), 32 x SMs). count < 2^31.
//   error: 4 2^-24 (|x - mean| root |weight| + |bias|) (float), 2^-53 (double).
template <class T>
__device__ void normalize(const T* __restrict__ x, const T* __restrict__ mean,
                          const T* __restrict__ root, const T* __restrict__ weight,
                          const T* __restrict__ bias, T* __restrict__ y, int count, int c,
                          int plane, int relu) {
    const ChannelOf channels(c, plane);
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const int k = channels.at(i);
        const T value = normalized(x[i], mean[k], root[k], weight, bias, k);
        y[i] = relu ? relu_of(value) : value;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    normalize_f32(const float* __restrict__ x, const float* __restrict__ mean,
                  const float* __restrict__ root, const float* __restrict__ weight,
                  const float* __restrict__ bias, float* __restrict__ y, int count, int c,
                  int plane, int relu) {
    normalize(x, mean, root, weight, bias, y, count, c, plane, relu);
}
extern "C" __global__ void __launch_bounds__(256)
    normalize_f64(const double* __restrict__ x, const double* __restrict__ mean,
                  const double* __restrict__ root, const double* __restrict__ weight,
                  const double* __restrict__ bias, double* __restrict__ y, int count, int c,
                  int plane, int relu) {
    normalize(x, mean, root, weight, bias, y, count, c, plane, relu);
}

// Of part s of channel k: partial[s, 0, k] = sum of g, partial[s, 1, k] = sum of g (x - mean) root,
// where g = grad, 0 where relu clipped.
//   6 flops, 2 sizeof(T) bytes an element. error: (n / 256 + 10) 2^-24 times the sum of the terms'
//   magnitudes over the part's n elements (float), 2^-53 (double).
template <class T>
__device__ void normalize_sums(const T* __restrict__ grad, const T* __restrict__ x,
                               const T* __restrict__ weight, const T* __restrict__ bias,
                               const T* __restrict__ mean, const T* __restrict__ root, int relu,
                               T* __restrict__ partial, SUM_PARAMS) {
    const ChannelPart part(SUM_ARGS);
    const int k = part.channel;
    T sum = 0, along = 0;
    part.each([&](long long i, long long) {
        T g = grad[i];
        if (relu) g = let_through(g, normalized(x[i], mean[k], root[k], weight, bias, k));
        sum += g;
        along += g * ((x[i] - mean[k]) * root[k]);
    });
    part.write(partial, sum, along);
}

extern "C" __global__ void __launch_bounds__(256)
    normalize_sums_f32(const float* __restrict__ grad, const float* __restrict__ x,
                       const float* __restrict__ weight, const float* __restrict__ bias,
                       const float* __restrict__ mean, const float* __restrict__ root, int relu,
                       float* __restrict__ partial, SUM_PARAMS) {
    normalize_sums(grad, x, weight, bias, mean, root, relu, partial, SUM_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    normalize_sums_f64(const double* __restrict__ grad, const double* __restrict__ x,
                       const double* __restrict__ weight, const double* __restrict__ bias,
                       const double* __restrict__ mean, const double* __restrict__ root, int relu,
                       double* __restrict__ partial, SUM_PARAMS) {
    normalize_sums(grad, x, weight, bias, mean, root, relu, partial, SUM_ARGS);
}

// gx = root weight (g - sums[0, k] / n - s sums[1, k] / n) with s = (x - mean) root, n = `each`
// elements a channel, and g as in normalize_sums.       Ioffe & Szegedy 2015, section 3.
//   launch: as normalize. 9 flops, 3 sizeof(T) bytes an element.
template <class T>
__device__ void normalize_input(const T* __restrict__ grad, const T* __restrict__ x,
                                const T* __restrict__ weight, const T* __restrict__ bias,
                                const T* __restrict__ mean, const T* __restrict__ root,
                                const T* __restrict__ sums, T* __restrict__ gx, int count, int c,
                                int plane, int each, int relu) {
    const ChannelOf channels(c, plane);
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const int k = channels.at(i);
        T g = grad[i];
        if (relu) g = let_through(g, normalized(x[i], mean[k], root[k], weight, bias, k));
        const T s = (x[i] - mean[k]) * root[k];
        const T centred = g - sums[k] / T(each) - s * (sums[c + k] / T(each));
        gx[i] = centred * (weight ? root[k] * weight[k] : root[k]);
    }
}

extern "C" __global__ void __launch_bounds__(256)
    normalize_input_f32(const float* __restrict__ grad, const float* __restrict__ x,
                        const float* __restrict__ weight, const float* __restrict__ bias,
                        const float* __restrict__ mean, const float* __restrict__ root,
                        const float* __restrict__ sums, float* __restrict__ gx, int count, int c,
                        int plane, int each, int relu) {
    normalize_input(grad, x, weight, bias, mean, root, sums, gx, count, c, plane, each, relu);
}
extern "C" __global__ void __launch_bounds__(256)
    normalize_input_f64(const double* __restrict__ grad, const double* __restrict__ x,
                        const double* __restrict__ weight, const double* __restrict__ bias,
                        const double* __restrict__ mean, const double* __restrict__ root,
                        const double* __restrict__ sums, double* __restrict__ gx, int count, int c,
                        int plane, int each, int relu) {
    normalize_input(grad, x, weight, bias, mean, root, sums, gx, count, c, plane, each, relu);
}

// y = x scale[k] + shift[k], k the channel; then relu. launch and bytes: as normalize.
template <class T>
__device__ void channel_affine(const T* __restrict__ x, const T* __restrict__ scale,
                               const T* __restrict__ shift, T* __restrict__ y, int count, int c,
                               int plane, int relu) {
    const ChannelOf channels(c, plane);
    for (long long i = GRID_START; i < count; i += GRID_STEP) {
        const int k = channels.at(i);
        const T value = multiply_add(x[i], scale[k], shift[k]);
        y[i] = relu ? relu_of(value) : value;
    }
}

extern "C" __global__ void __launch_bounds__(256)
    channel_affine_f32(const float* __restrict__ x, const float* __restrict__ scale,
                       const float* __restrict__ shift, float* __restrict__ y, int count, int c,
                       int plane, int relu) {
    channel_affine(x, scale, shift, y, count, c, plane, relu);
}
extern "C" __global__ void __launch_bounds__(256)
    channel_affine_f64(const double* __restrict__ x, const double* __restrict__ scale,
                       const double* __restrict__ shift, double* __restrict__ y, int count, int c,
                       int plane, int relu) {
    channel_affine(x, scale, shift, y, count, c, plane, relu);
}

// Of part s of channel k: partial[s, k] = sum of g. With y: g = grad where y > 0 or NaN, exactly 0
// elsewhere, also written to gx; without (null): g = grad.
//   1 flop, sizeof(T) bytes an element, 3 with y.
template <class T>
__device__ void channel_sum(const T* __restrict__ grad, const T* __restrict__ y, T* __restrict__ gx,
                            T* __restrict__ partial, SUM_PARAMS) {
    const ChannelPart part(SUM_ARGS);
    T sum = 0;
    part.each([&](long long i, long long) {
        const T g = y ? let_through(grad[i], y[i]) : grad[i];
        if (y) gx[i] = g;
        sum += g;
    });
    sum = block_sum(sum, columns);
    if (static_cast<int>(threadIdx.x) >= columns || part.channel >= c) return;
    partial[static_cast<long long>(part.part) * c + part.channel] = sum;
}

extern "C" __global__ void __launch_bounds__(256)
    channel_sum_f32(const float* __restrict__ grad, const float* __restrict__ y,
                    float* __restrict__ gx, float* __restrict__ partial, SUM_PARAMS) {
    channel_sum(grad, y, gx, partial, SUM_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    channel_sum_f64(const double* __restrict__ grad, const double* __restrict__ y,
                    double* __restrict__ gx, double* __restrict__ partial, SUM_PARAMS) {
    channel_sum(grad, y, gx, partial, SUM_ARGS);
}

// ---- layer norm: rows of `length`, each with its own mean and root ----

// y = (x - mean) root weight + bias along each row; weight, bias (length) or null.
//   x, y (rows, length) dense; mean, root (rows) are written. NaN goes through.
//   A block a row, three times over it: from L1 after the first. 8 flops, 2 sizeof(T) bytes an element.
//   launch: block 256; grid = min(rows, 32 x SMs).
//   error: mean as channel_moments, y as normalize.
template <class T>
__device__ void layer_norm(const T* __restrict__ x, const T* __restrict__ weight,
                           const T* __restrict__ bias, T* __restrict__ y, T* __restrict__ mean,
                           T* __restrict__ root, long long rows, int length, T eps) {
    const int tid = static_cast<int>(threadIdx.x);
    // row is the same for all threads of a block, so no barrier in block_sum is divergent.
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const T* from = x + row * length;
        T sum = 0, squares = 0;
        for (int i = tid; i < length; i += 256) sum += from[i];
        const T average = block_sum(sum, 1) / T(length);
        for (int i = tid; i < length; i += 256)
            squares += (from[i] - average) * (from[i] - average);
        const T r = T(1) / sqrt(block_sum(squares, 1) / T(length) + eps);
        for (int i = tid; i < length; i += 256) {
            y[row * length + i] = normalized(from[i], average, r, weight, bias, i);
        }
        if (tid == 0) {
            mean[row] = average;
            root[row] = r;
        }
    }
}

extern "C" __global__ void __launch_bounds__(256)
    layer_norm_f32(const float* __restrict__ x, const float* __restrict__ weight,
                   const float* __restrict__ bias, float* __restrict__ y, float* __restrict__ mean,
                   float* __restrict__ root, long long rows, int length, float eps) {
    layer_norm(x, weight, bias, y, mean, root, rows, length, eps);
}
extern "C" __global__ void __launch_bounds__(256)
    layer_norm_f64(const double* __restrict__ x, const double* __restrict__ weight,
                   const double* __restrict__ bias, double* __restrict__ y,
                   double* __restrict__ mean, double* __restrict__ root, long long rows, int length,
                   double eps) {
    layer_norm(x, weight, bias, y, mean, root, rows, length, eps);
}

// gx = root (g - mean of g - s mean of (g s)) along each row, with g = grad weight, s = (x - mean) root.
//   Ba, Kiros & Hinton 2016, section 3. launch: as layer_norm; left alone ptxas aims at 8 blocks a
//   multiprocessor in float, and spills. 12 flops, 3 sizeof(T) bytes an element.
template <class T>
__device__ void layer_norm_input(const T* __restrict__ grad, const T* __restrict__ x,
                                 const T* __restrict__ weight, const T* __restrict__ mean,
                                 const T* __restrict__ root, T* __restrict__ gx, long long rows,
                                 int length) {
    const int tid = static_cast<int>(threadIdx.x);
    for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
        const long long first = row * length;
        const T average = mean[row], r = root[row];
        T sum = 0, along = 0;
        for (int i = tid; i < length; i += 256) {
            const T g = weight ? grad[first + i] * weight[i] : grad[first + i];
            sum += g;
            along += g * ((x[first + i] - average) * r);
        }
        sum = block_sum(sum, 1) / T(length);
        along = block_sum(along, 1) / T(length);
        for (int i = tid; i < length; i += 256) {
            const T g = weight ? grad[first + i] * weight[i] : grad[first + i];
            gx[first + i] = r * (g - sum - (x[first + i] - average) * r * along);
        }
    }
}

extern "C" __global__ void __launch_bounds__(256, 4)
    layer_norm_input_f32(const float* __restrict__ grad, const float* __restrict__ x,
                         const float* __restrict__ weight, const float* __restrict__ mean,
                         const float* __restrict__ root, float* __restrict__ gx, long long rows,
                         int length) {
    layer_norm_input(grad, x, weight, mean, root, gx, rows, length);
}
extern "C" __global__ void __launch_bounds__(256)
    layer_norm_input_f64(const double* __restrict__ grad, const double* __restrict__ x,
                         const double* __restrict__ weight, const double* __restrict__ mean,
                         const double* __restrict__ root, double* __restrict__ gx, long long rows,
                         int length) {
    layer_norm_input(grad, x, weight, mean, root, gx, rows, length);
}

// Of part s of the rows, k a place in the row: partial[s, 0, k] = sum of grad, partial[s, 1, k] = sum
// of grad (x - mean) root: the gradients of bias and weight.
//   x (images = rows, c = length, plane = 1). launch: as ChannelPart. error: as normalize_sums.
template <class T>
__device__ void layer_norm_sums(const T* __restrict__ grad, const T* __restrict__ x,
                                const T* __restrict__ mean, const T* __restrict__ root,
                                T* __restrict__ partial, SUM_PARAMS) {
    const ChannelPart part(SUM_ARGS);
    T sum = 0, along = 0;
    part.each([&](long long i, long long row) {
        sum += grad[i];
        along += grad[i] * ((x[i] - mean[row]) * root[row]);
    });
    part.write(partial, sum, along);
}

extern "C" __global__ void __launch_bounds__(256)
    layer_norm_sums_f32(const float* __restrict__ grad, const float* __restrict__ x,
                        const float* __restrict__ mean, const float* __restrict__ root,
                        float* __restrict__ partial, SUM_PARAMS) {
    layer_norm_sums(grad, x, mean, root, partial, SUM_ARGS);
}
extern "C" __global__ void __launch_bounds__(256)
    layer_norm_sums_f64(const double* __restrict__ grad, const double* __restrict__ x,
                        const double* __restrict__ mean, const double* __restrict__ root,
                        double* __restrict__ partial, SUM_PARAMS) {
    layer_norm_sums(grad, x, mean, root, partial, SUM_ARGS);
}
