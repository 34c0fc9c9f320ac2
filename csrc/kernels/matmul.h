// Matrix multiplication, contract:
//   c[i, j] = act(sum_k a[i, k] * b[k, j] + bias[j])     i < M, j < N, k < K; act: relu or nothing
// a and b may have any strides (transposed, sliced, reversed, broadcast); c is dense and overlaps
// neither. K = 0 gives the bias. NaN: relu keeps it.
//   2 M N K flops; error at most (K + 2) eps |a| |b| in each element.
// The order of every sum depends on the shape and strides alone: equal bits for any thread count.
#pragma once

#include <stdint.h>

#include <vector>

#include "runtime/threads.h"
#include "simd/dispatch.h"

namespace tinygrad_cv {

enum class MatmulForm : int {
    dot,      // lanes over k: few columns (or rows) and a long sum
    direct,   // register tiles read a and b where they lie
    pack_b,   // panels of b are copied to scratch first
    pack_ab,  // and strips of a
};

struct MatmulPlan {
    MatmulForm form;
    bool swapped;              // computes c^T = b^T a^T
    int64_t kc, mc, nc;        // block sizes; sums run over blocks of kc
    int jobs_batch;            // each job takes a range of the batch,
    int jobs_m, jobs_n;        // and in each item the same rectangle of c
    int64_t scratch_elements;  // per job
    bool long_enough;          // to let other Python threads run meanwhile
    const char* why;
};

template <class T>
struct MatmulArgs {
    int64_t M, N, K;
    int64_t a_m, a_k, b_k, b_n;  // strides, in elements
    int64_t c_m, c_n;            // (N, 1), or (1, M) when swapped
    int64_t batch;
    const int64_t *a_at, *b_at;  // offset of each item; those of c are i * M * N
    const T *a, *b;
    const T* bias;  // null, or bias[i * bias_m + j * bias_n]
    int64_t bias_m, bias_n;
    T* c;
    bool relu;
};

// An array as its owner has it.
struct MatmulOperand {
    std::vector<int64_t> shape, strides;  // strides in elements
};
// What both operands make together. Leading dimensions broadcast; those of a that lie as if they
// were rows, over one b, become rows.
struct MatmulShape {
    int64_t M, N, K, a_m, a_k, b_k, b_n;
    std::vector<int64_t> result;      // shape of c
    std::vector<int64_t> a_at, b_at;  // where each item of the batch starts
};
// Throws std::invalid_argument where shapes do not fit.
MatmulShape matmul_shape(const MatmulOperand& a, const MatmulOperand& b);

// Pure: shape, strides and machine decide.
template <class T>
MatmulPlan plan_matmul(const MatmulArgs<T>& g, const Machine& machine);
// The same with the form prescribed, for tests. Throws std::invalid_argument if strides forbid it.
template <class T>
MatmulPlan plan_matmul(const MatmulArgs<T>& g, const Machine& machine, MatmulForm form,
                       bool swapped);

template <class T>
void matmul(const MatmulArgs<T>& g, const MatmulPlan& plan);

const char* matmul_form_name(MatmulForm form) noexcept;

struct MatmulKernels {
    void (*f32)(const MatmulArgs<float>& g, const MatmulPlan& plan, float* scratch) noexcept;
    void (*f64)(const MatmulArgs<double>& g, const MatmulPlan& plan, double* scratch) noexcept;
};
TG_DECLARE_TABLE(MatmulKernels, matmul_kernels)

}  // namespace tinygrad_cv
