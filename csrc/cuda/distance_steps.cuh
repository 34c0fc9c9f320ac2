// What products' tiles (gemm_tile.cuh) need in order to give distances: rows, and steps of sums.
#pragma once

#include "kernel_common.cuh"

template <class T, class From>
struct Vectors {  // rows of `depth` elements, dense
    using Line = const From*;
    static constexpr bool along_k = true;
    const From* p;
    int rows, depth;

    __device__ Line line(int row) const {
        return row < rows ? p + static_cast<long long>(row) * depth : nullptr;
    }
    __device__ T at(Line line, int k) const { return line ? T(line[k]) : T(0); }
};

struct Manhattan {
    template <class Acc, class T>
    __device__ static Acc add(Acc acc, T x, T y) {
        const T difference = x - y;
        return acc + (difference < T(0) ? -difference : difference);
    }
};

struct Squared {
    template <class Acc, class T>
    __device__ static Acc add(Acc acc, T x, T y) {
        const T difference = x - y;
        return acc + difference * difference;
    }
};

// Four bytes at once: sums of |x - y|, or of its square, over the bytes of a word.
struct ManhattanOfBytes {
    __device__ static unsigned add(unsigned acc, unsigned x, unsigned y) {
        return __dp4a(__vabsdiffu4(x, y), 0x01010101u, acc);
    }
};

struct SquaredOfBytes {
    __device__ static unsigned add(unsigned acc, unsigned x, unsigned y) {
        const unsigned difference = __vabsdiffu4(x, y);
        return __dp4a(difference, difference, acc);
    }
};
