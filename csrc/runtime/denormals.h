// Denormal numbers (below 1.2e-38 in float32, 2.2e-308 in float64) count as zeros inside kernels:
//   an x86 processor takes some 150 cycles for an operation on one, and a trained net is full of
//   them. Safe to include in hot sources.
#pragma once

#include <stdint.h>

namespace tinygrad_cv {
#ifdef TG_ISA
namespace TG_ISA {
#endif

enum class Denormals { zeros, kept };

// While it lives, its thread takes denormal operands for zeros and gives zeros for denormal results,
// or computes with them; then the thread's mode is what it was. "memory" keeps loads and stores on
// their side.
class DenormalScope {
public:
    explicit DenormalScope(Denormals wanted) noexcept
        : before_(mode()), now_(wanted == Denormals::zeros ? before_ | kFlush : before_ & ~kFlush) {
        if (now_ != before_) set_mode(now_);
    }
    ~DenormalScope() {
        if (now_ != before_) set_mode(before_);
    }
    DenormalScope(const DenormalScope&) = delete;
    DenormalScope& operator=(const DenormalScope&) = delete;

private:
#if defined(__x86_64__)
    using Mode = uint32_t;
    static constexpr Mode kFlush = 0x8040;  // MXCSR: flush to zero, denormals are zeros
    static Mode mode() noexcept {
        Mode now;
        asm volatile("stmxcsr %0" : "=m"(now) : : "memory");
        return now;
    }
    static void set_mode(Mode wanted) noexcept {
        asm volatile("ldmxcsr %0" : : "m"(wanted) : "memory");
    }
#elif defined(__aarch64__)
    using Mode = uint64_t;
    static constexpr Mode kFlush = Mode(1) << 24;  // FPCR.FZ: operands and results
    static Mode mode() noexcept {
        Mode now;
        asm volatile("mrs %0, fpcr" : "=r"(now) : : "memory");
        return now;
    }
    static void set_mode(Mode wanted) noexcept {
        asm volatile("msr fpcr, %0" : : "r"(wanted) : "memory");
    }
#else
    using Mode = uint32_t;
    static constexpr Mode kFlush = 0;  // left as they are
    static Mode mode() noexcept { return 0; }
    static void set_mode(Mode) noexcept {}
#endif
    const Mode before_, now_;
};

#ifdef TG_ISA
}  // namespace TG_ISA
#endif
}  // namespace tinygrad_cv
