// Which instruction set the kernels use: chosen once, when the module is imported.
// A hot source is compiled once per set, in the namespace of the set; this header is how the rest
// of the library reaches the right copy.
#pragma once

#include <string>
#include <vector>

#if defined(__x86_64__) || defined(_M_X64)
#define TG_FOR_EACH_ISA(X) X(sse2) X(avx2) X(avx512) X(avx512vnni)
#else
#define TG_FOR_EACH_ISA(X) X(neon)
#endif

// Declares the table `name` of every compiled instruction set: sse2::name, avx2::name, ...
// TG_PICK(name) is the one in use. Sources that multiply bytes have a table of avx512vnni too
// (TG_DECLARE_BYTE_TABLE, TG_PICK_BYTE); to the others the set is avx512.
// TG_ONE_ISA: the only one that is compiled (the sanitizers' quick build).
#define TG_DECLARE_TABLE(Type, name) TG_FOR_EACH_TABLE_(TG_TABLE_, Type, name)
#define TG_DECLARE_BYTE_TABLE(Type, name) TG_FOR_EACH_COMPILED_ISA(TG_TABLE_, Type, name)
#define TG_TABLE_(isa, Type, name) \
    namespace isa {                \
    extern const Type name;        \
    }
#if defined(TG_ONE_ISA)
#define TG_FOR_EACH_COMPILED_ISA(X, a, b) X(TG_ONE_ISA, a, b)
#define TG_FOR_EACH_TABLE_ TG_FOR_EACH_COMPILED_ISA
#define TG_PICK(name) (TG_ONE_ISA::name)
#define TG_PICK_BYTE TG_PICK
#elif defined(__x86_64__) || defined(_M_X64)
#define TG_FOR_EACH_TABLE_(X, a, b) X(sse2, a, b) X(avx2, a, b) X(avx512, a, b)
#define TG_FOR_EACH_COMPILED_ISA(X, a, b) TG_FOR_EACH_TABLE_(X, a, b) X(avx512vnni, a, b)
#define TG_PICK(name) pick(sse2::name, avx2::name, avx512::name, avx512::name)
#define TG_PICK_BYTE(name) pick(sse2::name, avx2::name, avx512::name, avx512vnni::name)
#else
#define TG_FOR_EACH_COMPILED_ISA(X, a, b) X(neon, a, b)
#define TG_FOR_EACH_TABLE_ TG_FOR_EACH_COMPILED_ISA
#define TG_PICK(name) (neon::name)
#define TG_PICK_BYTE TG_PICK
#endif

namespace tinygrad_cv {

enum class Isa : int {
#define TG_ENUM_(isa) isa,
    TG_FOR_EACH_ISA(TG_ENUM_)
#undef TG_ENUM_
};

// The set in use. Before choose_isa() it is the first of the list, which every processor has.
Isa isa() noexcept;
const char* isa_name(Isa isa) noexcept;

// The sets that were compiled and that this processor and operating system can run, worst first.
std::vector<Isa> available_isas();

// Takes the best available set, or the one that `wanted` names (empty: no wish).
// Throws std::invalid_argument with the list of names when `wanted` is unknown or cannot run here.
Isa choose_isa(const std::string& wanted);

#if defined(__x86_64__) || defined(_M_X64)
template <class Table>
const Table& pick(const Table& a, const Table& b, const Table& c, const Table& d) noexcept {
    const Table* tables[] = {&a, &b, &c, &d};
    return *tables[static_cast<int>(isa())];
}
#endif

}  // namespace tinygrad_cv
