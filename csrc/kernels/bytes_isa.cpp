// Bytes as numbers, compiled per instruction set. Contract: kernels/bytes.h.
#include "kernels/bytes.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

// 1/255 as 257/65536 and a rest of 17 bits below: a byte times the first is exact, and the product with
// the second is so small that its rounding is never seen. A division takes five times as long.
constexpr float kHigh = 0x1.01p-8f, kLow = 0x1.010102p-24f;

void units(int64_t n, int team, const uint8_t* x, float* y) noexcept {
    sweep<float>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<int32_t> bytes = load_index<int32_t>(x + i, lanes);
        const Vec<float> whole = __builtin_convertvector(bytes, Vec<float>);
        store_some(y + i, whole * kHigh + whole * kLow, lanes);
    });
}

}  // namespace

const BytesTable byte_kernels = {units};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
