// Places in a stack of planes, which pools go through element by element.
#pragma once

#include "kernel_common.cuh"

struct Place {  // an element of a stack of planes
    int plane, row, column;
};

struct Planes {  // splits an index into plane, row and column
    FastDivide size, width;

    __device__ Planes(int rows, int columns) : size(rows * columns), width(columns) {}
    __device__ Place at(long long index) const {
        int place, column;
        const int plane = size.split(static_cast<int>(index), place);
        const int row = width.split(place, column);
        return {plane, row, column};
    }
};

struct Span {  // the part [start, end) of a window along one axis
    int start, end;

    __device__ int length() const { return end - start; }
};
