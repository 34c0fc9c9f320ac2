// Bytes as numbers, compiled per instruction set. Contract: kernels/bytes.h.
#include "kernels/bytes.h"
#include "kernels/sweep.h"

namespace tinygrad_cv {
namespace TG_ISA {
namespace {

void units(int64_t n, int team, const uint8_t* x, float* y) noexcept {
    sweep<float>(n, team, [=](int64_t i, int lanes) TG_INLINE_LAMBDA {
        const Vec<int32_t> whole = load_index<int32_t>(x + i, lanes);
        store_some(y + i, __builtin_convertvector(whole, Vec<float>) / 255.0f, lanes);
    });
}

}  // namespace

const BytesTable byte_kernels = {units};

}  // namespace TG_ISA
}  // namespace tinygrad_cv
