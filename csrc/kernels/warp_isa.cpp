// Images read between their pixels, compiled per instruction set. Contract: kernels/warp.h.
//
// Places go through two loops, a block at a time: where they lie, and the mixing of their pixels,
// which are fetched pair by pair, 8 bytes at once. Pairs that were first copied side by side took
// 260 us instead of 209 for 250 digits (AVX-512); one loop over elements in the baseline set, 496.
#include "kernels/warp.h"
#include "runtime/parallel.h"
#include "simd/lanes.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// Of several lines of a small image, so that only the last vector of a block is not full.
constexpr int64_t kBlock = 256;

template <class T>
struct Places {
    static constexpr int64_t room = kBlock + kLanes<T>;
    Int<T> first[room];          // of four pixels, in the framed plane
    T down[room], across[room];  // how far behind it
};

// One side of a vector of places in the frame: gives the pixel before, stores how far behind it
// they are.
template <class T>
TG_INLINE IVec<T> split(Vec<T> at, int64_t size, T* share) {
    // Before 0 and beyond size + 1 there is fill alone.
    const Vec<T> last = splat(T(size + 1));
    const Vec<T> low = at > T(0) ? at : Vec<T>{};  // NaN too
    const Vec<T> inside = low < last ? low : last;
    const IVec<T> whole = __builtin_convertvector(inside, IVec<T>);
    store(share, inside - __builtin_convertvector(whole, Vec<T>));
    return whole;
}

// A vector of places, from the i-th of the block on.
template <class T>
TG_INLINE void place(Places<T>& at, int64_t i, Vec<T> row, Vec<T> column, const WarpArgs<T>& g) {
    const IVec<T> above = split<T>(row, g.H, at.down + i);
    const IVec<T> before = split<T>(column, g.W, at.across + i);
    const IVec<T> first = above * Int<T>(framed_side(g.W)) + before;
    __builtin_memcpy(at.first + i, &first, sizeof first);
}

// As many pieces of 8 bytes as a vector has, from the elements `at` of an array on.
template <class T>
TG_INLINE Vec<int64_t> gather(const T* x, const Int<T>* at) {
    const auto piece = [=](int i) TG_INLINE_LAMBDA {
        int64_t bits;
        __builtin_memcpy(&bits, x + at[i], sizeof bits);
        return bits;
    };
    if constexpr (kLanes<int64_t> == 8) {
        return Vec<int64_t>{piece(0), piece(1), piece(2), piece(3),
                            piece(4), piece(5), piece(6), piece(7)};
    } else if constexpr (kLanes<int64_t> == 4) {
        return Vec<int64_t>{piece(0), piece(1), piece(2), piece(3)};
    } else {
        return Vec<int64_t>{piece(0), piece(1)};
    }
}

// Between the elements `at` of an array and those right of them.
TG_INLINE Vec<float> between(const float* x, const int32_t* at, Vec<float> across) {
    const Vec<float> pairs = (Vec<float>)gather(x, at);
    const Vec<float> more = (Vec<float>)gather(x, at + kLanes<float> / 2);
    const Vec<float> left = even_lanes(pairs, more);
    return fma(odd_lanes(pairs, more) - left, across, left);
}
TG_INLINE Vec<double> between(const double* x, const int64_t* at, Vec<double> across) {
    const Vec<double> left = (Vec<double>)gather(x, at);
    return fma((Vec<double>)gather(x + 1, at) - left, across, left);
}

// y = the `count` places of a block, read in a framed plane.
template <class T>
TG_INLINE void read(Places<T>& at, int64_t count, const T* framed, int64_t width, T* y) {
    constexpr int L = kLanes<T>;
    const IVec<T> corner = {};  // for the lanes of the last vector that are beyond
    __builtin_memcpy(at.first + count, &corner, sizeof corner);
    for (int64_t i = 0; i < count; i += L) {
        const Vec<T> across = load(at.across + i);
        const Vec<T> above = between(framed, at.first + i, across);
        const Vec<T> below = between(framed + width, at.first + i, across);
        const Vec<T> mixed = fma(below - above, load(at.down + i), above);
        store_some(y + i, mixed, int(count - i < L ? count - i : L));
    }
}

// A row of a plane in its frame, or with n = 0 one of frame alone; gives the end of what it wrote.
template <class T>
TG_INLINE T* frame_row(const T* x, int64_t n, int64_t width, T fill, T* y) {
    constexpr int L = kLanes<T>;
    *y++ = fill;
    if (n < L) {
        for (int64_t i = 0; i < n; ++i) y[i] = x[i];
    } else {
        for (int64_t i = 0; i + L < n; i += L) store(y + i, load(x + i));
        store(y + n - L,
              load(x + n - L));  // over the one before it: masks take three times as long
    }
    for (int64_t i = n; i < width - 1; ++i) y[i] = fill;
    return y + width - 1;
}
template <class T>
void frame_plane(const T* x, const WarpArgs<T>& g, T* y) noexcept {
    const int64_t width = framed_side(g.W);
    y = frame_row(x, 0, width, g.fill, y);
    for (int64_t row = 0; row < g.H; ++row) y = frame_row(x + row * g.W, g.W, width, g.fill, y);
    for (int i = 0; i < 2; ++i) y = frame_row(x, 0, width, g.fill, y);
}

template <class T>
void bilinear_plane(const WarpArgs<T>& g, int64_t plane, const T* framed, T* y) noexcept {
    constexpr int L = kLanes<T>;
    const int64_t places = g.P * g.Q, of_image = plane / g.C * places;
    Places<T> at;
    for (int64_t start = 0; start < places; start += kBlock) {
        const int64_t count = places - start < kBlock ? places - start : kBlock;
        const T* const rows = g.rows + of_image + start;
        const T* const columns = g.columns + of_image + start;
        for (int64_t i = 0; i < count; i += L) {
            const int lanes = int(count - i < L ? count - i : L);
            const Vec<T> row = load_some(rows + i, lanes), column = load_some(columns + i, lanes);
            place<T>(at, i, row + T(1), column + T(1), g);
        }
        read(at, count, framed, framed_side(g.W), y + start);
    }
}

template <class T>
void affine_plane(const WarpArgs<T>& g, int64_t plane, const T* framed, T* y) noexcept {
    constexpr int L = kLanes<T>;
    const T* const m = g.maps + plane / g.C * 6;
    Vec<T> lane;
    for (int i = 0; i < L; ++i) lane[i] = T(i);
    Places<T> at;
    int64_t count = 0;
    for (int64_t p = 0; p < g.P; ++p) {
        const T row = m[2] + m[1] * T(p) + 1, column = m[5] + m[4] * T(p) + 1;
        for (int64_t start = 0; start < g.Q; start += kBlock) {
            const int64_t more = g.Q - start < kBlock ? g.Q - start : kBlock;
            if (count + more > kBlock) {
                read(at, count, framed, framed_side(g.W), y);
                y += count;
                count = 0;
            }
            for (int64_t q = 0; q < more; q += L) {
                const Vec<T> along = lane + T(start + q);
                place<T>(at, count + q, along * m[0] + row, along * m[3] + column, g);
            }
            count += more;
        }
    }
    read(at, count, framed, framed_side(g.W), y);
}

template <class T, void (*Plane)(const WarpArgs<T>&, int64_t, const T*, T*) noexcept>
void planes(const WarpArgs<T>& g) noexcept {
    const int64_t all = g.N * g.C, size = framed_side(g.H) * framed_side(g.W);
    parallel_for(g.team, g.team, [&](int64_t part) {
        T* const framed = g.framed + part * size;
        for (int64_t plane = all * part / g.team; plane < all * (part + 1) / g.team; ++plane) {
            frame_plane(g.x + plane * g.H * g.W, g, framed);
            Plane(g, plane, framed, g.y + plane * g.P * g.Q);
        }
    });
}

}  // namespace

const WarpTable warp = {
    {planes<float, bilinear_plane<float>>, planes<float, affine_plane<float>>},
    {planes<double, bilinear_plane<double>>, planes<double, affine_plane<double>>},
};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
