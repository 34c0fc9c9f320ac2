#include "kernels/matmul.h"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "runtime/pool.h"

namespace tinygrad_cv {
namespace {

// Below so many multiply-adds a second thread costs more than it brings.
constexpr int64_t kThreadGrain = 128 << 10;
// About 20 us of work.
constexpr int64_t kReleaseGil = 1 << 20;
// Rows or columns up to which lanes over k beat lanes over columns.
constexpr int64_t kDotMost = 12;

constexpr int64_t kKc = 256;  // a panel of b, kc x 32 floats = 32 KB, beside a strip of a in L1/L2
constexpr int64_t kMc =
    240;  // a block of a, 240 x 256 floats = 240 KB, is under half of a small L2
constexpr int64_t kNc = 1920;  // kc x nc floats = 2 MB: a share of L3

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

std::string shape_text(const std::vector<int64_t>& shape) {
    std::string text = "(";
    for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
}

// The stride of a dimension that has one element is never used: call it dense.
int64_t stride_of(const MatmulOperand& x, size_t from_end) {
    const size_t d = x.shape.size() - from_end;
    return x.shape[d] <= 1 ? 1 : x.strides[d];
}

// Can the leading dimensions of x be walked as one dimension of stride `step`?
bool leading_is_one(const MatmulOperand& x, int64_t rows, int64_t step) {
    int64_t want = rows * step;
    for (size_t d = x.shape.size() - 2; d-- > 0;) {
        if (x.shape[d] != 1 && x.strides[d] != want) return false;
        want *= x.shape[d];
    }
    return true;
}

// Offsets of x's items over the batch dimensions `lead`, x's own aligned at the end.
std::vector<int64_t> offsets(const MatmulOperand& x, const std::vector<int64_t>& lead) {
    std::vector<int64_t> at = {0};
    const size_t own = x.shape.size() - 2, skip = lead.size() - own;
    for (size_t d = 0; d < lead.size(); ++d) {
        const int64_t stride = d < skip || x.shape[d - skip] == 1 ? 0 : x.strides[d - skip];
        std::vector<int64_t> next;
        next.reserve(at.size() * size_t(lead[d]));
        for (int64_t base : at) {
            for (int64_t i = 0; i < lead[d]; ++i) next.push_back(base + i * stride);
        }
        at = std::move(next);
    }
    return at;
}

std::vector<int64_t> broadcast_leading(const MatmulOperand& a, const MatmulOperand& b) {
    const size_t na = a.shape.size() - 2, nb = b.shape.size() - 2, n = std::max(na, nb);
    std::vector<int64_t> lead(n);
    for (size_t d = 0; d < n; ++d) {
        const int64_t x = d + na < n ? 1 : a.shape[d + na - n];
        const int64_t y = d + nb < n ? 1 : b.shape[d + nb - n];
        if (x != y && x != 1 && y != 1) {
            throw std::invalid_argument("matmul: leading dimensions of a " + shape_text(a.shape) +
                                        " and b " + shape_text(b.shape) + " do not broadcast");
        }
        lead[d] = x == 1 ? y : x;
    }
    return lead;
}

template <class T>
MatmulArgs<T> swap_operands(const MatmulArgs<T>& g) {
    MatmulArgs<T> s = g;
    s.M = g.N, s.N = g.M;
    s.a = g.b, s.b = g.a;
    s.a_m = g.b_n, s.a_k = g.b_k, s.b_k = g.a_k, s.b_n = g.a_m;
    s.c_m = g.c_n, s.c_n = g.c_m;
    s.a_at = g.b_at, s.b_at = g.a_at;
    s.bias_m = g.bias_n, s.bias_n = g.bias_m;
    return s;
}

// Divides batch, rows and columns among `team` jobs so that the largest job is smallest; packing
// counts, since each job packs for itself.
void divide(MatmulPlan& p, int64_t batch, int64_t M, int64_t N, int64_t lanes, int team) {
    p.jobs_batch = p.jobs_m = p.jobs_n = 1;
    if (batch >= 4 * team || (batch % team == 0 && batch > 0)) {
        p.jobs_batch = team;
        return;
    }
    const int64_t vectors = ceil_div(N, lanes);
    int64_t best = INT64_MAX;
    for (int m = 1; m <= team; ++m) {
        if (team % m) continue;
        const int64_t rows = ceil_div(M, m), columns = ceil_div(vectors, team / m);
        const int64_t cost = 4 * rows * columns + rows + columns * lanes;
        if (cost < best) best = cost, p.jobs_m = m, p.jobs_n = team / m;
    }
}

// Block sizes and scratch for the form that was chosen.
template <class T>
void size_blocks(MatmulPlan& p, const MatmulArgs<T>& g, int64_t lanes) {
    const int64_t line = 64 / int64_t(sizeof(T));
    if (p.form == MatmulForm::dot) {
        p.kc = g.K, p.mc = g.M, p.nc = g.N;
        p.scratch_elements = g.b_k == 1 ? 0 : ceil_div(g.N * g.K + lanes, line) * line;
        return;
    }
    const int64_t panel = 2 * lanes;
    const int64_t rows = ceil_div(g.M, p.jobs_m);
    const int64_t columns = ceil_div(ceil_div(g.N, lanes), p.jobs_n) * lanes;
    p.kc = std::max<int64_t>(ceil_div(g.K, std::max<int64_t>(ceil_div(g.K, kKc), 1)), 1);
    p.mc = std::max<int64_t>(std::min(kMc, rows), 1);
    p.nc = std::max(std::min(kNc, ceil_div(columns, panel) * panel), panel);
    const int64_t b_room = p.kc * (p.form == MatmulForm::direct ? panel : p.nc) + lanes;
    const int64_t a_room = p.form == MatmulForm::pack_ab ? p.kc * p.mc + lanes : 0;
    p.scratch_elements = ceil_div(b_room + a_room, line) * line;
}

template <class T>
MatmulPlan plan_form(const MatmulArgs<T>& g, const Machine& machine, MatmulForm form, bool swapped,
                     const char* why) {
    const MatmulArgs<T> s = swapped ? swap_operands(g) : g;
    const int64_t lanes = machine.vec_bytes / int64_t(sizeof(T));
    const int64_t work = g.batch * g.M * g.N * std::max<int64_t>(g.K, 1);
    MatmulPlan p = {};
    p.form = form;
    p.swapped = swapped;
    p.why = why;
    p.long_enough = work > kReleaseGil;
    divide(p, g.batch, s.M, s.N, lanes, team_for(work, kThreadGrain, machine.threads));
    size_blocks(p, s, lanes);
    return p;
}

}  // namespace

const char* matmul_form_name(MatmulForm form) noexcept {
    switch (form) {
        case MatmulForm::dot:
            return "dot";
        case MatmulForm::direct:
            return "direct";
        case MatmulForm::pack_b:
            return "pack_b";
        case MatmulForm::pack_ab:
            return "pack_ab";
    }
    return "unknown";
}

MatmulShape matmul_shape(const MatmulOperand& a, const MatmulOperand& b) {
    if (a.shape.size() < 2 || b.shape.size() < 2) {
        throw std::invalid_argument("matmul: a " + shape_text(a.shape) + " and b " +
                                    shape_text(b.shape) + " must have 2 dimensions or more");
    }
    MatmulShape s;
    s.M = a.shape[a.shape.size() - 2];
    s.K = a.shape[a.shape.size() - 1];
    s.N = b.shape[b.shape.size() - 1];
    const int64_t rows = b.shape[b.shape.size() - 2];
    if (s.K != rows) {
        throw std::invalid_argument("matmul: a " + shape_text(a.shape) + " has " +
                                    std::to_string(s.K) + " columns but b " + shape_text(b.shape) +
                                    " has " + std::to_string(rows) + " rows");
    }
    s.a_m = stride_of(a, 2), s.a_k = stride_of(a, 1);
    s.b_k = stride_of(b, 2), s.b_n = stride_of(b, 1);
    if (s.K == 0) s.a_m = s.a_k = s.b_k = s.b_n = 1;  // NumPy's strides of empty arrays are 0
    s.result = broadcast_leading(a, b);
    const std::vector<int64_t> lead = s.result;
    s.result.push_back(s.M);
    s.result.push_back(s.N);
    const bool one_b =
        std::all_of(b.shape.begin(), b.shape.end() - 2, [](int64_t n) { return n == 1; });
    if (!lead.empty() && one_b && s.M > 1 && leading_is_one(a, s.M, s.a_m)) {
        for (int64_t n : lead) s.M *= n;
        s.a_at = s.b_at = {0};
    } else {
        s.a_at = offsets(a, lead);
        s.b_at = offsets(b, lead);
    }
    return s;
}

template <class T>
MatmulPlan plan_matmul(const MatmulArgs<T>& g, const Machine& machine) {
    const int64_t lanes = machine.vec_bytes / int64_t(sizeof(T));
    const auto plan = [&](MatmulForm form, bool swapped, const char* why) {
        return plan_form(g, machine, form, swapped, why);
    };
    if (g.K >= 4 * lanes && g.N <= kDotMost && g.a_k == 1) {
        return plan(MatmulForm::dot, false, "dot: few columns, rows of a are dense");
    }
    if (g.K >= 4 * lanes && g.M <= kDotMost && g.b_k == 1) {
        return plan(MatmulForm::dot, true, "dot: few rows, columns of b are dense");
    }
    const bool swapped = g.N < lanes && g.M > g.N && g.a_m == 1 && g.K >= 4 * lanes;
    const MatmulArgs<T> s = swapped ? swap_operands(g) : g;
    const int64_t b_bytes = s.K * s.N * int64_t(sizeof(T));
    if (s.b_n == 1 && (s.M <= 48 || b_bytes <= 64 << 10)) {
        return plan(MatmulForm::direct, swapped, "direct: b is small, or used by few rows");
    }
    if (s.N <= 4 * lanes)
        return plan(MatmulForm::pack_b, swapped, "pack_b: a is used by few columns");
    return plan(MatmulForm::pack_ab, swapped, "pack_ab: large");
}

template <class T>
MatmulPlan plan_matmul(const MatmulArgs<T>& g, const Machine& machine, MatmulForm form,
                       bool swapped) {
    const MatmulArgs<T> s = swapped ? swap_operands(g) : g;
    if (form == MatmulForm::direct && s.b_n != 1) {
        throw std::invalid_argument("matmul: form direct needs dense rows of b");
    }
    if (form == MatmulForm::dot && s.a_k != 1) {
        throw std::invalid_argument("matmul: form dot needs dense rows of a");
    }
    return plan_form(g, machine, form, swapped, "forced");
}

template <class T>
void matmul(const MatmulArgs<T>& g, const MatmulPlan& plan) {
    if (g.batch == 0 || g.M == 0 || g.N == 0) return;
    const int64_t jobs = int64_t(plan.jobs_batch) * plan.jobs_m * plan.jobs_n;
    const Buffer<T> scratch =
        plan.scratch_elements ? make_buffer<T>(jobs * plan.scratch_elements) : nullptr;
    const MatmulArgs<T> s = plan.swapped ? swap_operands(g) : g;
    if constexpr (std::is_same_v<T, float>) {
        TG_PICK(matmul_kernels).f32(s, plan, scratch.get());
    } else {
        TG_PICK(matmul_kernels).f64(s, plan, scratch.get());
    }
}

template MatmulPlan plan_matmul(const MatmulArgs<float>&, const Machine&);
template MatmulPlan plan_matmul(const MatmulArgs<double>&, const Machine&);
template MatmulPlan plan_matmul(const MatmulArgs<float>&, const Machine&, MatmulForm, bool);
template MatmulPlan plan_matmul(const MatmulArgs<double>&, const Machine&, MatmulForm, bool);
template void matmul(const MatmulArgs<float>&, const MatmulPlan&);
template void matmul(const MatmulArgs<double>&, const MatmulPlan&);

}  // namespace tinygrad_cv
