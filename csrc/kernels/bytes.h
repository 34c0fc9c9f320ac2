// y = x / 255, bytes to [0, 1], n elements, both dense: rounded once, as NumPy's division does.
//   3 flops an element: bound by the writes.
#pragma once

#include <stdint.h>

#include "simd/dispatch.h"

namespace tinygrad_cv {

struct BytesTable {
    void (*units)(int64_t n, int team, const uint8_t* x, float* y) noexcept;
};
TG_DECLARE_TABLE(BytesTable, byte_kernels)

}  // namespace tinygrad_cv
