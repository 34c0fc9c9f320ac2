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
// ... in sums of so many vectors or more: before that, adding up the lanes costs too much.
constexpr int64_t kDotDepth = 16;

// Block sizes, in bytes. c is read and written once for each block of k, so k goes far: 2 KB (512
// floats) at least, 4 KB where L2 is large; 1 KB was 8 to 15 % slower at 2000^3 (Zen 4). A block of
// a, mc x kc, then fills a third of L2, and one of b, kc x nc, a share of L3.
constexpr int64_t kDepthBytes = 2 << 10, kLargeL2 = 1 << 20;
constexpr int64_t kMc = 96;  // a multiple of every tile's rows; twice as many where kc is half:
                             // always 96 made 1000 x 100 x 32 96 us instead of 87 (Zen 3)
constexpr int64_t kNc = 960;
// A few rows times a b that does not stay in L2: b is walked in bands of whole rows, so that memory
// sees few streams and pages are used up before they leave the TLB. Short rows follow one another
// and bear 16 streams; of long ones 8, since rows 4 KB apart share sets of L1, which has 8 ways.
// 1 x 4096 x 4096 took 2.8 ms, in bands of 16 rows 3.7, of 960 columns 4.5 (Zen 3, one thread).
constexpr int64_t kBand = 16, kLongBand = 8, kLongRow = 8 << 10, kFewRows = 6;
// The write of a transposed c is slow: only where it happens once.
constexpr int64_t kSwapDepth = 256;

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
void size_blocks(MatmulPlan& p, const MatmulArgs<T>& g, int64_t lanes, const Machine& machine) {
    const int64_t line = 64 / int64_t(sizeof(T));
    if (p.form == MatmulForm::dot) {
        p.kc = g.K, p.mc = g.M, p.nc = g.N;
        p.scratch_elements = g.b_k == 1 ? 0 : ceil_div(g.N * g.K + lanes, line) * line;
        return;
    }
    const int64_t panel = 2 * lanes;
    const int64_t rows = ceil_div(g.M, p.jobs_m);
    const int64_t columns = ceil_div(ceil_div(g.N, lanes), p.jobs_n) * lanes;
    const int64_t deep = (machine.l2 >= kLargeL2 ? 2 : 1) * kDepthBytes / int64_t(sizeof(T));
    const bool streams = g.K * g.N * int64_t(sizeof(T)) > machine.l2 / 2;
    const bool in_bands = p.form == MatmulForm::direct && streams && g.M <= kFewRows;
    const bool long_rows = g.N * int64_t(sizeof(T)) >= kLongRow;
    const int64_t most = !in_bands ? deep : long_rows ? kLongBand : kBand;
    p.kc = std::max<int64_t>(ceil_div(g.K, std::max<int64_t>(ceil_div(g.K, most), 1)), 1);
    p.mc = std::max<int64_t>(std::min(std::max(deep / p.kc, int64_t(1)) * kMc, rows), 1);
    const int64_t whole = std::max(ceil_div(columns, panel) * panel, panel);
    p.nc = in_bands ? whole : std::min(kNc, whole);
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
    size_blocks(p, s, lanes, machine);
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
    const int64_t few = std::min(g.M, g.N);
    if (few <= kDotMost && g.K >= (few == 1 ? 1 : kDotDepth) * lanes) {
        // The few go to the columns of the dot tile, or to its rows if there is one.
        const bool dense_a = g.a_k == 1, dense_b = g.b_k == 1;
        const bool n_is_few = g.N == few;
        if (few == 1 && dense_a && dense_b) {
            return plan(MatmulForm::dot, g.M > 1, "dot: a vector and dense rows");
        }
        if (n_is_few && dense_a) return plan(MatmulForm::dot, false, "dot: few columns");
        if (g.M == few && dense_b) return plan(MatmulForm::dot, true, "dot: few rows");
    }
    const bool swapped =
        g.a_m == 1 && g.N <= kDotMost && g.M > g.N && (g.N == 1 || g.K <= kSwapDepth);
    const MatmulArgs<T> s = swapped ? swap_operands(g) : g;
    const int64_t vec = machine.vec_bytes, size = int64_t(sizeof(T));
    // A tile's column of a that is spread over many lines is gathered once, not for each panel;
    // rows that lie a multiple of 2 KB apart share sets of L1, too many for its 8 ways unless the
    // tile has 6 rows, as under AVX2, where 128 x 100 x 3072 took 0.93 ms and copied 1.01.
    const bool columns_far = s.a_k != 1 && s.N > 8 * lanes && s.M * s.K * size > machine.l2 / 4;
    const bool rows_collide =
        vec != 32 && s.a_k == 1 && s.a_m * size % 2048 == 0 && s.N > 8 * lanes;
    // Tiles would walk down columns of b across rows that share sets of L1, each line fetched twice:
    // 8 x 4096 x 4096 took 12.4 ms, packed first 9.5, and 32 rows 30, packed 18.
    const bool b_collides =
        s.b_k * size % 4096 == 0 && s.M > kFewRows && s.K * s.N * size > machine.l2;
    const bool copy_a =
        b_collides || (s.M > vec && (columns_far || rows_collide || s.N > 32 * lanes));
    if (s.b_n == 1 && !columns_far && !b_collides &&
        (s.M <= vec || s.K * s.N * size <= vec << 11)) {
        return plan(MatmulForm::direct, swapped, "direct: b is small, or used by few rows");
    }
    return copy_a ? plan(MatmulForm::pack_ab, swapped, "pack_ab: both are used many times")
                  : plan(MatmulForm::pack_b, swapped, "pack_b: a is used by few panels");
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
