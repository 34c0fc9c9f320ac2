#include "simd/dispatch.h"

#include <stdexcept>

namespace tinygrad_cv {
namespace {

Isa chosen = static_cast<Isa>(0);

// __builtin_cpu_supports also asks whether the operating system saves the wide registers.
bool can_run([[maybe_unused]] Isa isa) {
#if defined(__x86_64__) || defined(_M_X64)
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                      __builtin_cpu_supports("bmi2");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    switch (isa) {
        case Isa::sse2:
            return true;
        case Isa::avx2:
            return avx2;
        case Isa::avx512:
            return avx512;
        case Isa::avx512vnni:
            return avx512 && __builtin_cpu_supports("avx512vnni");
    }
    return false;
#else
    return true;
#endif
}

constexpr Isa kCompiled[] = {
#define TG_LIST_(isa, a, b) Isa::isa,
    TG_FOR_EACH_COMPILED_ISA(TG_LIST_, , )
#undef TG_LIST_
};

}  // namespace

Isa isa() noexcept { return chosen; }

const char* isa_name(Isa isa) noexcept {
    switch (isa) {
#define TG_NAME_(isa) \
    case Isa::isa:    \
        return #isa;
        TG_FOR_EACH_ISA(TG_NAME_)
#undef TG_NAME_
    }
    return "unknown";
}

std::vector<Isa> available_isas() {
    std::vector<Isa> found;
    for (Isa isa : kCompiled) {
        if (can_run(isa)) found.push_back(isa);
    }
    return found;
}

Isa choose_isa(const std::string& wanted) {
    const std::vector<Isa> have = available_isas();
    if (wanted.empty()) return chosen = have.back();
    std::string names;
    for (Isa isa : have) {
        if (wanted == isa_name(isa)) return chosen = isa;
        names += (names.empty() ? "" : ", ") + std::string(isa_name(isa));
    }
    throw std::invalid_argument("TINYGRAD_CV_ISA: this machine and build have " + names +
                                ", got '" + wanted + "'");
}

}  // namespace tinygrad_cv
