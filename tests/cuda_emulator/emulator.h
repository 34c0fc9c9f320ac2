// Runs CUDA kernels on the CPU, one fiber for each CUDA thread, so that tests can see them go wrong.
//
// A kernel source is compiled as C++ with this header before it (-include). A block's threads run, one
// at a time on one thread of the machine, until they wait at a barrier or return; who runs next is
// the schedule: 0 ascending, 1 descending, 2 and above random with that seed. What would be undefined
// on a GPU is made loud: shared memory starts as NaN and lies between poisoned gaps, a barrier that
// some threads of the block do not reach is an error with file and line. Built with
// -fsanitize=address,undefined or thread, the fibers are made known to the sanitizer: with thread a
// barrier orders memory and nothing else does, so that every race within a block is reported.
//
// It cannot see memory ordering beyond barriers, bank conflicts, occupancy, or a GPU's own rounding.
#pragma once
#define CUDA_EMULATOR 1

#include <sys/mman.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#define EMULATOR_OWN __attribute__((no_sanitize("thread"), noinline))
#else
#define EMULATOR_OWN
#endif

struct dim3 {
    unsigned x, y, z;
};

namespace emulator {

constexpr int kMostThreads = 1024, kMostShared = 48 << 10;
constexpr size_t kStack = 256 << 10, kArena = size_t{1} << 30, kGap = 64;

enum class State { fresh, ready, waiting, done, at_warp };

struct Thread {
    dim3 index;
    int number, fiber;
    State state;
    const char* site;  // of the barrier that it waits at
};

struct Fiber {
    void *stack_pointer, *stack;
    void *tsan, *fake_stack;
    bool busy;
};

struct Shared {
    const void* key;
    char* memory;
};

struct Machine {
    dim3 grid, block, block_index;
    int threads, alive, waiting, ready_count, shared_count, current_fiber, schedule, barriers;
    int warp_waiting[kMostThreads / 32], warp_turns[kMostThreads / 32];
    int ready[kMostThreads];
    Thread thread[kMostThreads];
    Fiber fiber[kMostThreads];
    Shared shared[64];
    char *arena, *top;
    size_t shared_used;
    void *main_stack_pointer, *main_tsan, *main_fake_stack;
    uint64_t random;
    char error[512];
    void (*body)(void*);
    void* body_argument;
    // What the thread sanitizer orders memory by.
    char barrier_sync[2], warp_sync[kMostThreads / 32][2], launch_sync, end_sync;
};

static Machine* machine;  // static: one for every compiled source
static Thread* self;

extern "C" void emulator_switch(void** save, void* next) __attribute__((visibility("hidden")));
#if defined(__x86_64__)
asm(".text\n.type emulator_switch,@function\n.weak emulator_switch\n.hidden emulator_switch\n"
    "emulator_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
constexpr int kSavedRegisters = 6;
#else
#error "the emulator's switch between fibers is written for x86-64"
#endif

EMULATOR_OWN inline void fail(const char* what, const char* site) {
    if (machine->error[0]) return;
    int counts[5] = {};
    for (int i = 0; i < machine->threads; ++i) counts[static_cast<int>(machine->thread[i].state)]++;
    snprintf(machine->error, sizeof machine->error,
             "%s at %s, block %u; threads: %d not started, %d ready, %d at a barrier, %d returned, "
             "%d at a warp's operation",
             what, site ? site : "?", machine->block_index.x, counts[0], counts[1], counts[2],
             counts[3], counts[4]);
}

EMULATOR_OWN inline void switch_to_scheduler() {
    Fiber& fiber = machine->fiber[machine->current_fiber];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&fiber.fake_stack, nullptr, 0);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(machine->main_tsan, __tsan_switch_to_fiber_no_sync);
#endif
    emulator_switch(&fiber.stack_pointer, machine->main_stack_pointer);
    asm volatile("" ::: "memory");
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(machine->fiber[machine->current_fiber].fake_stack, &bottom,
                                    &size);
#endif
}

// A fiber plays one CUDA thread after the other.
EMULATOR_OWN inline void fiber_main() {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
#endif
    for (;;) {
#if defined(__SANITIZE_THREAD__)
        __tsan_acquire(&machine->launch_sync);
#endif
        machine->body(machine->body_argument);
        self->state = State::done;
        machine->alive--;
        machine->fiber[machine->current_fiber].busy = false;
#if defined(__SANITIZE_THREAD__)
        __tsan_release(&machine->end_sync);
#endif
        switch_to_scheduler();
    }
}

EMULATOR_OWN inline uint64_t draw() {
    machine->random = machine->random * 6364136223846793005ull + 1442695040888963407ull;
    return machine->random >> 33;
}

EMULATOR_OWN inline void start(Thread& thread) {
    int chosen = 0;
    while (machine->fiber[chosen].busy) ++chosen;
    if (machine->schedule >=
        2) {  // vary which fiber, the sanitizer's thread, plays which CUDA thread
        const int other = static_cast<int>(draw() % machine->threads);
        if (!machine->fiber[other].busy) chosen = other;
    }
    Fiber& fiber = machine->fiber[chosen];
    fiber.busy = true;
    thread.fiber = chosen;
    if (fiber.stack) return;
    fiber.stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    void** top = reinterpret_cast<void**>(static_cast<char*>(fiber.stack) + kStack) - 2;
    *top = reinterpret_cast<void*>(fiber_main);
    fiber.stack_pointer = top - kSavedRegisters;
#if defined(__SANITIZE_THREAD__)
    fiber.tsan = __tsan_create_fiber(0);
#endif
}

EMULATOR_OWN inline void resume(int number) {
    Thread& thread = machine->thread[number];
    if (thread.state == State::fresh) start(thread);
    thread.state = State::ready;
    self = &thread;
    machine->current_fiber = thread.fiber;
    Fiber& fiber = machine->fiber[thread.fiber];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&machine->main_fake_stack, fiber.stack, kStack);
#elif defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(fiber.tsan, __tsan_switch_to_fiber_no_sync);
#endif
    emulator_switch(&machine->main_stack_pointer, fiber.stack_pointer);
    asm volatile("" ::: "memory");
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(machine->main_fake_stack, &bottom, &size);
#endif
}

EMULATOR_OWN inline void barrier(const char* site) {
    Thread* thread = self;
#if defined(__SANITIZE_THREAD__)
    // Two by turns: a thread that is already at the next barrier must not order this one.
    const int turn = machine->barriers & 1;
    __tsan_release(&machine->barrier_sync[turn]);
#endif
    thread->state = State::waiting;
    thread->site = site;
    machine->waiting++;
    switch_to_scheduler();
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&machine->barrier_sync[turn]);
#endif
}

// Until all 32 lanes of the calling thread's warp are here.
EMULATOR_OWN inline void warp_barrier(const char* site) {
    Thread* thread = self;
    const int warp = thread->number / 32;
#if defined(__SANITIZE_THREAD__)
    const int turn = machine->warp_turns[warp] & 1;
    __tsan_release(&machine->warp_sync[warp][turn]);
#endif
    thread->state = State::at_warp;
    thread->site = site;
    if (++machine->warp_waiting[warp] == 32) {
        machine->warp_waiting[warp] = 0;
        machine->warp_turns[warp]++;
        for (int i = 32 * warp; i < 32 * warp + 32; ++i) {
            if (machine->thread[i].site != site) fail("lanes are at different operations", site);
            machine->ready[machine->ready_count++] = i;
        }
    }
    switch_to_scheduler();
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&machine->warp_sync[warp][turn]);
#endif
}

// The block's shared variable of that key: the same memory for all of its threads.
EMULATOR_OWN inline void* shared_variable(const void* key, size_t size) {
    for (int i = 0; i < machine->shared_count; ++i) {
        if (machine->shared[i].key == key) return machine->shared[i].memory;
    }
    char* memory = machine->top;
    machine->top += (size + 15) / 16 * 16 + kGap;
    if (machine->top > machine->arena + kArena || machine->shared_count == 64) abort();
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(memory, size);
#endif
    for (size_t i = 0; i < size; ++i) {  // NaN until a thread writes it
        reinterpret_cast<volatile unsigned char*>(memory)[i] = 0xFF;
    }
    machine->shared[machine->shared_count++] = {key, memory};
    machine->shared_used += size;
    if (machine->shared_used > kMostShared) fail("more than 48 KB of shared memory", "SHARED");
    return memory;
}

// Every thread of the block that has not returned waits: let them on, if they wait at one barrier.
EMULATOR_OWN inline void release_barrier() {
    const char* site = nullptr;
    for (int k = 0; k < machine->threads; ++k) {
        const int i = machine->schedule == 0 ? machine->threads - 1 - k : k;
        Thread& thread = machine->thread[i];
        if (thread.state == State::at_warp)
            fail("an operation that lanes do not reach", thread.site);
        if (thread.state != State::waiting) continue;
        if (site && thread.site != site) fail("threads wait at different barriers", site);
        site = thread.site;
        machine->ready[machine->ready_count++] = i;
    }
    if (machine->alive != machine->threads)
        fail("a barrier after some threads have returned", site);
    machine->waiting = 0;
    machine->barriers++;
}

EMULATOR_OWN inline void run_block() {
    machine->alive = machine->threads;
    machine->waiting = machine->ready_count = machine->shared_count = 0;
    machine->shared_used = 0;
    for (int& lanes : machine->warp_waiting) lanes = 0;
    for (int i = 0; i < machine->threads; ++i) {
        const unsigned number = static_cast<unsigned>(i), x = machine->block.x,
                       y = machine->block.y;
        const dim3 index{number % x, number / x % y, number / (x * y)};
        machine->thread[i] = {index, i, 0, State::fresh, nullptr};
        // Taken from the back.
        machine->ready[machine->ready_count++] =
            machine->schedule == 0 ? machine->threads - 1 - i : i;
    }
    while (machine->alive && !machine->error[0]) {
        if (!machine->ready_count) {
            release_barrier();
            continue;
        }
        if (machine->schedule >= 2) {
            const int chosen = static_cast<int>(draw() % machine->ready_count);
            std::swap(machine->ready[chosen], machine->ready[machine->ready_count - 1]);
        }
        resume(machine->ready[--machine->ready_count]);
    }
}

EMULATOR_OWN inline void prepare(int schedule) {
    if (!machine) {
        machine = static_cast<Machine*>(calloc(1, sizeof(Machine)));
        machine->arena =
            static_cast<char*>(mmap(nullptr, kArena, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
        machine->top = machine->arena;
#if defined(__SANITIZE_THREAD__)
        machine->main_tsan = __tsan_get_current_fiber();
#endif
    }
    machine->schedule = schedule;
    machine->random = 0x9E3779B97F4A7C15ull * static_cast<uint64_t>(schedule + 1);
    machine->error[0] = 0;
}

// Runs blocks [first, last) of a launch; the error, or null.
EMULATOR_OWN inline const char* launch(dim3 grid, dim3 block, const long long* slice, int schedule,
                                       void (*body)(void*), void* argument) {
    prepare(schedule);
    const unsigned long long threads = 1ull * block.x * block.y * block.z;
    if (!threads || threads > kMostThreads || !grid.x || grid.x > 2147483647u || grid.y != 1 ||
        grid.z != 1) {
        snprintf(machine->error, sizeof machine->error,
                 "not a launch: grid (%u, %u, %u), block "
                 "(%u, %u, %u)",
                 grid.x, grid.y, grid.z, block.x, block.y, block.z);
        return machine->error;
    }
    machine->grid = grid;
    machine->block = block;
    machine->threads = static_cast<int>(threads);
    machine->body = body;
    machine->body_argument = argument;
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&machine->launch_sync);
#endif
    if (machine->top - machine->arena > static_cast<long long>(kArena / 2)) {
        madvise(machine->arena, kArena, MADV_DONTNEED);
        machine->top = machine->arena;
    }
    char* const top = machine->top;
    for (long long k = slice[0]; k < slice[1] && !machine->error[0]; ++k) {
        const long long i = schedule == 1 ? slice[1] - 1 - (k - slice[0]) : k;
        machine->block_index = {static_cast<unsigned>(i), 0, 0};
#if !defined(__SANITIZE_THREAD__)
        machine->top =
            top;  // else every block has memory of its own, and blocks cannot seem to race
#endif
#if defined(__SANITIZE_ADDRESS__)
        __asan_poison_memory_region(top, 1 << 20);
#endif
        run_block();
    }
    static_cast<void>(top);
    if (machine->error[0]) {  // fibers that are stuck inside a kernel
        for (Fiber& fiber : machine->fiber) {
            fiber.busy = false;
            if (fiber.stack) munmap(fiber.stack, kStack);
            fiber.stack = nullptr;
        }
    }
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&machine->end_sync);
#endif
    return machine->error[0] ? machine->error : nullptr;
}

// Unpacks arguments, as the driver gets them, by the kernel's own parameter types.
template <class... A, size_t... I>
const char* call(void (*kernel)(A...), void** arguments, const unsigned* shape,
                 const long long* slice, int schedule, std::index_sequence<I...>) {
    struct Call {
        void (*kernel)(A...);
        void** arguments;
    } all{kernel, arguments};
    const dim3 grid{shape[0], shape[1], shape[2]}, block{shape[3], shape[4], shape[5]};
    return launch(
        grid, block, slice, schedule,
        [](void* p) {
            auto* c = static_cast<Call*>(p);
            c->kernel(*static_cast<std::remove_reference_t<A>*>(c->arguments[I])...);
        },
        &all);
}

template <class... A>
const char* call(void (*kernel)(A...), void** arguments, const unsigned* shape,
                 const long long* slice, int schedule) {
    return call(kernel, arguments, shape, slice, schedule, std::index_sequence_for<A...>{});
}

template <class T>
constexpr char type_code() {
    if (std::is_pointer<T>::value) return 'P';
    if (std::is_floating_point<T>::value) return sizeof(T) == 8 ? 'd' : 'f';
    return sizeof(T) == 8 ? 'q' : sizeof(T) == 4 ? 'i' : '?';
}

template <class... A>
const char* signature(void (*)(A...)) {
    static const char codes[] = {type_code<A>()..., 0};
    return codes;
}

// What a lane brings to a product of its warp, by turns: a lane that is early must not overwrite what
// others still read.
struct Fragments {
    uint32_t a[4], b[2];
};
static Fragments fragments[2][kMostThreads];

inline float float_of(uint32_t bits) {
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}
inline uint32_t bits_of(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

inline float tf32_value(uint32_t bits) { return float_of(bits); }
inline float bf16_value(uint32_t bits) { return float_of(bits << 16); }
inline float f16_value(uint32_t bits) {
    const int exponent = bits >> 10 & 31, fraction = bits & 1023;
    const float size = exponent == 31 ? (fraction ? NAN : INFINITY)
                       : exponent == 0
                           ? std::ldexp(static_cast<float>(fraction), -24)
                           : std::ldexp(static_cast<float>(1024 + fraction), exponent - 25);
    return bits & 0x8000 ? -size : size;
}

// The number at k of a row's four lanes: 32 bits each, registers of 4 (K = 8), or two halves of a
// register, of 8 (K = 16). `registers` of the lane: one for each of these groups.
template <int K, float (*value)(uint32_t)>
EMULATOR_OWN inline float element(const uint32_t* registers, int step, int k) {
    const uint32_t bits = registers[step * (k / (K / 2))];
    return value(K == 8 ? bits : k % 2 ? bits >> 16 : bits & 0xffff);
}

// d += a b of a warp, as the PTX ISA lays out m16n8k8 (tf32) and m16n8k16 (bf16, f16).
template <int K, float (*value)(uint32_t)>
EMULATOR_OWN inline void multiply_fragments(float* d, const uint32_t* a, const uint32_t* b,
                                            const char* site) {
    const int number = self->number, first = number / 32 * 32, lane = number % 32;
    Fragments* turn = fragments[machine->warp_turns[number / 32] & 1];
    memcpy(turn[number].a, a, sizeof turn[number].a);
    memcpy(turn[number].b, b, sizeof turn[number].b);
    warp_barrier(site);
    for (int i = 0; i < 4; ++i) {
        const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        float sum = 0;
        for (int k = 0; k < K; ++k) {
            const int t = k / (K / 8) % 4;  // which of the four lanes
            const Fragments& of_a = turn[first + row % 8 * 4 + t];
            const Fragments& of_b = turn[first + column * 4 + t];
            sum += element<K, value>(of_a.a + row / 8, 2, k) * element<K, value>(of_b.b, 1, k);
        }
        d[i] += sum;
    }
}

}  // namespace emulator

#define EMULATOR_TEXT2(x) #x
#define EMULATOR_TEXT(x) EMULATOR_TEXT2(x)
#define threadIdx (emulator::self->index)
#define blockIdx (emulator::machine->block_index)
#define blockDim (emulator::machine->block)
#define gridDim (emulator::machine->grid)
#define __global__
#define __device__
#define __launch_bounds__(...)
#define __syncthreads() emulator::barrier("line " EMULATOR_TEXT(__LINE__))

using std::erfc;
using std::exp;
using std::isfinite;
using std::log;
using std::max;
using std::min;
using std::pow;
using std::sqrt;
using std::tanh;

inline float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
inline double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
inline unsigned __umulhi(unsigned a, unsigned b) {
    return static_cast<unsigned>((static_cast<uint64_t>(a) * b) >> 32);
}
// Functions and no macros: mma.cuh takes them as arguments of a template.
inline void mma_tf32(float* d, const unsigned* a, const unsigned* b) {
    emulator::multiply_fragments<8, emulator::tf32_value>(d, a, b, "mma_tf32");
}
inline void mma_bf16(float* d, const unsigned* a, const unsigned* b) {
    emulator::multiply_fragments<16, emulator::bf16_value>(d, a, b, "mma_bf16");
}
inline void mma_f16(float* d, const unsigned* a, const unsigned* b) {
    emulator::multiply_fragments<16, emulator::f16_value>(d, a, b, "mma_f16");
}

// cvt.rna.tf32.f32: to nearest, ties away; cvt.rn.bf16.f32 and cvt.rn.f16.f32: ties to even.
inline unsigned tf32_of(float f) {
    const unsigned bits = emulator::bits_of(f);
    return std::isfinite(f) ? (bits + 0x1000u) & ~0x1fffu : bits;
}
inline unsigned short bf16_of(float f) {
    const unsigned bits = emulator::bits_of(f);
    return static_cast<unsigned short>(f != f ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline unsigned short f16_of(float f) {
    const float size = std::fabs(f);
    unsigned bits = size != size ? 0x7fff : 0x7c00;
    if (size < 65536) {
        int exponent = -13;  // below 2^-14 the last place stays at 2^-24
        if (size >= 0x1p-14f) std::frexp(size, &exponent);
        const float places = std::nearbyint(std::ldexp(size, 11 - exponent));
        bits = ((exponent + 13) << 10) + static_cast<unsigned>(places);  // 2048 carries over
    }
    return static_cast<unsigned short>(bits | (emulator::bits_of(f) >> 16 & 0x8000));
}

inline int atomicOr(int* place, int bits) {
    return __atomic_fetch_or(place, bits, __ATOMIC_RELAXED);
}

// Of each byte: |a - b|; and c plus the four products.
inline unsigned __vabsdiffu4(unsigned a, unsigned b) {
    unsigned result = 0;
    for (int shift = 0; shift < 32; shift += 8) {
        const int x = static_cast<int>(a >> shift & 255), y = static_cast<int>(b >> shift & 255);
        result |= static_cast<unsigned>(std::abs(x - y)) << shift;
    }
    return result;
}
inline unsigned __dp4a(unsigned a, unsigned b, unsigned c) {
    for (int shift = 0; shift < 32; shift += 8) c += (a >> shift & 255) * (b >> shift & 255);
    return c;
}
inline float __int_as_float(int i) {
    float f;
    memcpy(&f, &i, sizeof f);
    return f;
}
