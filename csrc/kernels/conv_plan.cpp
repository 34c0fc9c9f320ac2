// Convolution: which algorithm computes a shape, and how its work is laid out.
#include <algorithm>

#include "kernels/conv.h"

namespace tinygrad_cv {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// Rows of a register tile: kTileMr of gemm_tile.h for the instruction set of that width.
int64_t tile_rows(int vec_bytes) {
#if defined(__aarch64__)
    (void)vec_bytes;
    return 8;
#else
    return vec_bytes == 64 ? 12 : vec_bytes == 32 ? 6 : 4;
#endif
}

// Padded rows that `out` output rows read.
int64_t rows_read(const Conv2dShape& g, int64_t out) {
    return (out - 1) * g.sh + (g.R - 1) * g.dh + 1;
}

// Padded rows whose phases hold `columns` values for the first tap.
void lay_rows(ConvPlan& p, int64_t columns) {
    const Conv2dShape& g = p.run;
    p.phase = columns + (g.S - 1) * g.dw / g.sw;
    p.row = p.phase * std::min(g.sw, (g.S - 1) * g.dw + 1);
}

// The most padded rows of one channel that a block of `pixels` touches: whole images besides.
int64_t block_rows(const Conv2dShape& g, int64_t pixels) {
    const int64_t images = std::min(g.N, (pixels - 2) / (g.P * g.Q) + 2);
    const int64_t rows = std::min(images * g.P, (pixels - 2) / g.Q + 1 + images);
    return rows * g.sh + images * ((g.R - 1) * g.dh + 1);
}

// The same convolution seen from the gradient: stride 1, kernel flipped, padding complementary.
Conv2dShape flipped_shape(const Conv2dShape& g) {
    Conv2dShape f = g;
    f.C = g.K, f.H = g.P, f.W = g.Q;
    f.K = g.C, f.P = g.H, f.Q = g.W;
    f.ph = (g.R - 1) * g.dh - g.ph;
    f.pw = (g.S - 1) * g.dw - g.pw;
    return f;
}

// Jobs that keep every thread busy when some are slow.
int64_t wanted_jobs(const Machine& m) { return 4 * m.threads; }

void split_channels(ConvPlan& p, int64_t jobs, const Machine& m) {
    const int64_t tiles = ceil_div(p.run.K / p.run.groups, p.tile_mr);
    if (jobs < 2 * m.threads) p.k_splits = std::min(tiles, ceil_div(2 * m.threads, jobs));
    p.team = int(std::min<int64_t>(p.team, jobs * p.k_splits));
}

void lay_direct(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, round_up(g.Q, p.panel / 2));
    const int64_t planes = g.N * g.groups, line = g.C / g.groups * p.row;
    const int64_t budget = m.l2 / 2 / elem / line;  // padded rows of all channels in half of L2
    int64_t rows = (budget - rows_read(g, 1)) / g.sh + 1;
    rows = std::min(rows, ceil_div(g.P * planes, wanted_jobs(m)));
    rows = std::clamp<int64_t>(rows, 1, g.P);
    const int64_t blocks = ceil_div(g.P, rows);
    p.rows = ceil_div(g.P, blocks);
    p.in_rows = rows_read(g, p.rows);
    p.scratch = round_up(line * p.in_rows, 64);
    split_channels(p, planes * blocks, m);
}

void lay_channels(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, g.Q);
    const int64_t planes = g.N * g.groups, line = g.C / g.groups * p.row;
    const int64_t out = g.Q * p.panel;  // of a row
    int64_t rows = (m.l2 / 2 / elem - line * rows_read(g, 1)) / (line * g.sh + out) + 1;
    rows = std::min(rows, ceil_div(g.P * planes, wanted_jobs(m)));
    rows = std::clamp<int64_t>(rows, 1, g.P);
    const int64_t blocks = ceil_div(g.P, rows);
    p.rows = ceil_div(g.P, blocks);
    p.in_rows = rows_read(g, p.rows);
    p.scratch = round_up(p.rows * out + line * p.in_rows, 64);
    const int64_t jobs = planes * blocks, panels = ceil_div(g.K / g.groups, p.panel);
    if (jobs < 2 * m.threads) p.k_splits = std::min(panels, ceil_div(2 * m.threads, jobs));
    p.team = int(std::min<int64_t>(p.team, jobs * p.k_splits));
}

void lay_gemm(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, g.Q);
    const int64_t all = g.N * g.P * g.Q;
    int64_t pixels = std::min<int64_t>(m.l2 / 4 / elem / p.depth, 512);
    pixels = std::min(pixels, ceil_div(all * g.groups, wanted_jobs(m)));
    pixels = std::max(pixels / p.panel, int64_t(1)) * p.panel;
    const int64_t blocks = ceil_div(all, pixels);
    p.pixels = round_up(ceil_div(all, blocks), p.panel);
    p.in_rows = block_rows(g, p.pixels);
    const int64_t lanes = p.panel / 2;
    const int64_t packed = p.pixels / p.panel * (p.depth * p.panel + lanes);
    p.scratch = round_up(packed + p.in_rows * p.row + lanes, 64);
    split_channels(p, ceil_div(all, p.pixels) * g.groups, m);
}

int64_t tile_outputs(ConvAlgo algo) { return algo == ConvAlgo::winograd4 ? 4 : 2; }

// Tiles of outputs as pixels of a convolution that reads a tile's inputs.
Conv2dShape tile_shape(const Conv2dShape& g, ConvAlgo algo) {
    const int64_t m = tile_outputs(algo);
    Conv2dShape t = g;
    t.R = t.S = m + g.R - 1;
    t.sh = t.sw = m;
    t.P = ceil_div(g.P, m);
    t.Q = ceil_div(g.Q, m);
    return t;
}

// The same for tiles of the gradient that `g`, a flipped convolution, reads.
Conv2dShape gradient_tile_shape(const Conv2dShape& g, ConvAlgo algo) {
    Conv2dShape t = tile_shape(g, algo);
    t.R = t.S = t.sh;
    t.P = ceil_div(g.H, t.sh);
    t.Q = ceil_div(g.W, t.sw);
    return t;
}

// Elements of the transposed padded rows of `rows` rows of tiles, `lanes` channels wide.
int64_t turned_rows(const Conv2dShape& tiles, int64_t rows, int64_t lanes) {
    const int64_t halo = tiles.R - tiles.sh;
    return (std::min(rows, tiles.P) * tiles.sh + halo) * (tiles.Q * tiles.sw + halo) * lanes;
}

int64_t winograd_points(const Conv2dShape& g, ConvAlgo algo) {
    const int64_t side = tile_outputs(algo) + g.R - 1;
    return side * side;
}

// Whether a panel of U and a few tiles' X fit a share of L2, elements `l2`.
bool winograd_by_blocks(const ConvPlan& p, int64_t l2) {
    const int64_t c_group = p.conv.C / p.conv.groups, points = winograd_points(p.conv, p.algo);
    return points * (c_group * p.panel + 2 * p.tile_mr * round_up(c_group, p.panel / 2)) <= l2;
}

void lay_winograd(ConvPlan& p, const Machine& m) {
    p.run = p.transposed ? gradient_tile_shape(p.conv, p.algo) : tile_shape(p.conv, p.algo);
    const Conv2dShape& g = p.run;
    const int64_t points = winograd_points(p.conv, p.algo);
    const int64_t lanes = p.panel / 2, all = g.N * g.P, c_group = g.C / g.groups;
    const int64_t columns = round_up(c_group, lanes), l2 = m.l2 / 4;
    const int64_t panels = ceil_div(g.K / g.groups, p.panel);
    const int64_t u_panel = points * c_group * p.panel;
    // U is in memory for blocks: for few tiles, that read it once or twice, it is made panel by panel
    // where it is used (256 x 256 channels, one 14 x 14 image, AVX2: 4.3 ms against 10.8).
    const bool once = all * g.Q < 32 && panels * u_panel * 4 > m.l2 && !p.transposed;
    const bool blocks = winograd_by_blocks(p, l2) && !once;
    int64_t rows;
    if (blocks) {
        // X of a block beside one panel of U in L2, not more than some 60 tiles.
        const int64_t tiles = std::min<int64_t>((l2 - u_panel) / (points * columns), 60);
        rows = std::min(tiles / g.Q, ceil_div(all * g.groups, wanted_jobs(m)));
    } else {
        constexpr int64_t kShared = int64_t(4) << 20;  // elements of X of a chunk, 16 MB; M in L2
        rows = std::min(kShared / (points * columns), l2 * 3 / 10 / (points * p.panel)) / g.Q;
    }
    // The tiles of an image overlap when transposed: none may be cut.
    const int64_t unit = p.transposed ? g.P : 1, units = all / unit;
    rows = ceil_div(units, ceil_div(units, std::clamp<int64_t>(rows / unit, 1, units)));
    p.rows = rows * unit;
    p.pixels = p.rows * g.Q;
    const int64_t halo = p.conv.R - 1;
    const int64_t out = p.transposed ? (g.P * g.sh + halo) * (g.Q * g.sw + halo)
                                     : p.rows * g.sh * p.conv.Q;  // pixels
    const int64_t lines = std::max(turned_rows(g, p.rows, lanes), out * p.panel);
    if (blocks) {
        p.shared = g.groups * panels * u_panel;
        p.scratch = points * (p.pixels * columns + lanes) + points * p.pixels * p.panel + lines;
        const int64_t jobs = ceil_div(all, p.rows) * g.groups;
        if (jobs < 2 * m.threads) {
            p.k_splits = std::min(panels, ceil_div(2 * m.threads, jobs));
        }
        p.team = int(std::min<int64_t>(p.team, jobs * p.k_splits));
    } else {
        p.channels = std::min<int64_t>(64, columns);
        p.shared = points * (p.pixels * columns + lanes);
        p.scratch = points * (p.channels * p.panel + lanes) + points * p.pixels * p.panel + lines;
    }
    p.scratch = round_up(p.scratch, 64);
}

void lay_scatter(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, g.Q);
    p.in_rows = rows_read(g, g.P);
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups, plane = p.in_rows * p.row;
    int64_t channels = m.l2 / 2 / elem / plane;
    channels = std::min(channels, ceil_div(c_group * g.N * g.groups, wanted_jobs(m)));
    channels = std::clamp<int64_t>(channels, 1, c_group);
    p.channels = ceil_div(c_group, ceil_div(c_group, channels));
    p.scratch = round_up(p.channels * plane + (k_group + p.tile_mr) * p.panel, 64);
    const int64_t jobs = g.N * g.groups * ceil_div(c_group, p.channels);
    p.team = int(std::min<int64_t>(p.team, jobs));
}

// Nothing here may depend on the number of threads: blocks and chunks fix the order of the sums.
void lay_dot(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, g.Q);
    const int64_t lanes = p.panel / 2, c_group = g.C / g.groups, k_group = g.K / g.groups;
    const int64_t all = g.N * g.P * g.Q, taps = g.R * g.S;
    p.rows = std::min<int64_t>(k_group, 64);
    p.channels = std::clamp<int64_t>(96 / taps, 1, c_group);
    p.channels = ceil_div(c_group, ceil_div(c_group, p.channels));
    const int64_t lines = p.channels * taps + p.rows;  // rows of pixels that share L2
    p.pixels = std::clamp<int64_t>(m.l2 / 2 / elem / lines, 4 * lanes, 1024);
    p.pixels = std::min(p.pixels / lanes * lanes, round_up(all, lanes));
    p.panel = p.pixels;
    const int64_t blocks = ceil_div(all, p.pixels);
    const int64_t shares = g.groups * ceil_div(c_group, p.channels);
    constexpr int64_t kPartial = int64_t(4) << 20;  // elements of all partial sums together
    p.chunks =
        std::min({blocks, ceil_div(16, shares), std::max(kPartial / (g.K * p.depth), int64_t(1))});
    p.in_rows = block_rows(g, p.pixels);
    p.scratch = round_up(lines * (p.pixels + lanes) + p.in_rows * p.row + lanes, 64);
    p.team = int(std::min<int64_t>(p.team, p.chunks * shares));
}

bool depthwise_fits(const Conv2dShape& g) {
    return g.groups == g.C && g.K == g.C && g.R == g.S && (g.R == 3 || g.R == 5) && g.sh == g.sw &&
           g.sh <= 2 && g.dh * g.dw == 1 && std::max(g.ph, g.pw) <= g.R;
}

// Forward and backward_weight: some rows of one plane at a time.
void lay_depthwise(ConvPlan& p, int64_t elem, const Machine& m) {
    const Conv2dShape& g = p.run;
    lay_rows(p, round_up(g.Q, p.panel / 2));
    const int64_t rows = (m.l2 / 4 / elem / p.row - g.R) / g.sh;
    p.rows = std::clamp<int64_t>(rows / 4 * 4, 4, round_up(g.P, 4));
    p.in_rows = rows_read(g, p.rows);
    p.scratch = round_up(p.in_rows * p.row, 64);
}

// backward_input under stride 2: the gradient's rows between zeros, and a row of gx.
void lay_depthwise_gather(ConvPlan& p) {
    const Conv2dShape& g = p.run;
    const int64_t lanes = p.panel / 2;
    const int64_t columns = round_up(ceil_div(g.W + g.pw, 2), lanes);
    p.row = g.R + std::max(g.Q, columns) + lanes;
    p.scratch = round_up(g.P * p.row + 2 * columns + 2 * lanes, 64);
}

// As in lay_dot, threads may not matter here.
void lay_winograd_gradient(ConvPlan& p, const Machine& m) {
    p.run = tile_shape(p.conv, p.algo);
    const Conv2dShape& g = p.run;
    const int64_t points = winograd_points(p.conv, p.algo);
    const int64_t lanes = p.panel / 2, all = g.N * g.P * g.Q, k_group = g.K / g.groups;
    const int64_t c_group = g.C / g.groups;
    const int64_t c_columns = round_up(c_group, lanes), k_columns = round_up(k_group, lanes);
    // Rows of an odd number of vectors: a power of two would map a column to a few sets of L1.
    const auto odd = [&](int64_t n) { return (ceil_div(n, lanes) | 1) * lanes; };
    p.x_step = odd(c_columns);
    p.y_step = odd(k_group);
    const int64_t tile = points * (p.x_step + p.y_step), sums = points * k_group * c_columns;
    const int64_t lines = turned_rows(g, 62 / g.Q + 2, lanes);  // rows that 64 tiles touch
    const int64_t gaps = 2 * points * lanes;  // one vector behind each point of X and of Y
    const bool apart = sums * 4 <= m.l2;
    p.swapped = apart && c_group * k_columns < k_group * c_columns;
    p.pixels = std::min<int64_t>(64, all);
    if (apart) {
        p.pixels = std::clamp<int64_t>(m.l2 * 3 / 4 / 4 / tile, 16, p.pixels < 16 ? 16 : p.pixels);
        const int64_t blocks = ceil_div(all, p.pixels);
        p.chunks = std::min(blocks, ceil_div(16, g.groups));
        p.scratch = round_up(tile * p.pixels + gaps + lines, 64);
        p.team = int(std::min<int64_t>(p.team, p.chunks * g.groups));
    } else {
        constexpr int64_t kShared = int64_t(2) << 20;  // elements, 8 MB
        // Sums that memory must hold, or twice as large as what they are made of: a 256 x 256 layer of
        // one 14 x 14 image took twice as long with its sums outside of L2.
        const bool blocks =
            all * tile <= 3 * kShared &&
            (sums >= 2 * all * tile || (sums >= 2 * kShared && 2 * sums >= all * tile));
        p.rows = blocks ? all : std::clamp<int64_t>(kShared / tile, 32, std::max<int64_t>(all, 32));
        p.rows = ceil_div(all, ceil_div(all, p.rows));
        p.shared = tile * p.rows + gaps;
        p.scratch = round_up(lines, 64);
        if (blocks) {  // of channels, whose sums at all points fill some 60 % of L2
            p.channels = std::min<int64_t>(c_columns, 4 * lanes);
            p.k_splits =
                ceil_div(k_group, std::max<int64_t>(m.l2 * 3 / 20 / (points * p.channels), 8));
            const int64_t block = points * ceil_div(k_group, p.k_splits) * p.channels;
            p.scratch = round_up(std::max(lines, block), 64);
            p.partial = 0;
            return;
        }
    }
    p.partial = p.chunks * g.groups * (p.swapped ? points * c_group * k_columns : sums);
}

// The share of a direct tile's lanes that fall behind the row's end, against what packing costs.
bool direct_pays(const ConvPlan& p) {
    const Conv2dShape& g = p.run;
    if (g.R * g.S == 1) return false;  // packing is a plain copy
    const int64_t lanes = p.panel / 2;
    const double waste = double(round_up(g.Q, lanes)) / double(g.Q);
    return waste <= 1.0 + 4.0 / double(g.K / g.groups);
}

// Output channels fill their vectors better than the columns of a row would, or the rows of a direct
// tile, one in each plane of y, would fall into the same set of L1 (8 ways).
bool channels_pay(const ConvPlan& p, int64_t elem) {
    const Conv2dShape& g = p.run;
    const int64_t lanes = p.panel / 2, k_group = g.K / g.groups;
    const double waste = double(round_up(k_group, lanes)) / double(k_group);
    const bool aliased = p.tile_mr > 8 && g.P * g.Q * elem % 4096 == 0;
    return waste <= 1.1 && g.R * g.S > 1 && (aliased || !direct_pays(p));
}

bool winograd_fits(const Conv2dShape& g, int64_t elem, int64_t kernel) {
    return g.R == kernel && g.S == kernel && g.sh * g.sw * g.dh * g.dw == 1 && elem == 4;
}

// The best Winograd for g, or automatic. It wins where the sums over channels are long enough to pay
// for the transforms.
ConvAlgo best_winograd(const Conv2dShape& g, int64_t elem, const ConvOptions& o) {
    const int64_t least = std::min(g.C, g.K) / g.groups, most = std::max(g.C, g.K) / g.groups;
    if (o.exact || g.P * g.Q < 16 || most < 16) return ConvAlgo::automatic;
    return winograd_fits(g, elem, 3) && least >= 16  ? ConvAlgo::winograd4
           : winograd_fits(g, elem, 5) && least >= 6 ? ConvAlgo::winograd5x5
                                                     : ConvAlgo::automatic;
}

// Sets algo and why, and returns true, where Winograd serves and pays.
bool choose_winograd(ConvPlan& p, int64_t elem, const ConvOptions& o) {
    const ConvAlgo best = best_winograd(p.conv, elem, o);
    if (best == ConvAlgo::automatic) return false;
    p.algo = best;
    p.why = best == ConvAlgo::winograd4
                ? "3 x 3, stride 1, float32, at least 16 channels on both sides"
                : "5 x 5, stride 1, float32, at least 6 channels, 16 on one side";
    return true;
}

constexpr const char* kDepthwise = "one kernel for each channel, 3 x 3 or 5 x 5";

// Why the forced algorithm cannot serve, so that the best other one must; null if it can.
const char* refusal(const Conv2dShape& g, ConvPass pass, int64_t elem, const ConvOptions& o) {
    const bool five = o.forced == ConvAlgo::winograd5x5;
    if (is_winograd(o.forced) && (o.exact || !winograd_fits(g, elem, five ? 5 : 3))) {
        return five ? "winograd5x5 serves 5 x 5, stride 1, no dilation, float32, not exact; "
                      "chosen instead"
                    : "winograd serves 3 x 3, stride 1, no dilation, float32, not exact; "
                      "chosen instead";
    }
    if (o.forced == ConvAlgo::depthwise && !depthwise_fits(g)) {
        return "depthwise serves one kernel for each channel, 3 x 3 or 5 x 5; chosen instead";
    }
    const bool direct = o.forced == ConvAlgo::direct || o.forced == ConvAlgo::channels;
    if (direct && pass == ConvPass::backward_weight) {
        return "direct and channels do not serve the gradient of weights; chosen instead";
    }
    return nullptr;
}

// Sets algo and why: the forced algorithm, or the one that `best` gives.
template <class Best>
void choose(ConvPlan& p, ConvPass pass, int64_t elem, const ConvOptions& o, const Best& best) {
    const char* refused = refusal(p.conv, pass, elem, o);
    if (o.forced != ConvAlgo::automatic && !refused) {
        p.algo = o.forced;
        p.why = "forced";
        return;
    }
    best();
    if (refused) p.why = refused;
}

void plan_backward_weight(ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    choose(p, ConvPass::backward_weight, elem, o, [&] {
        p.algo = ConvAlgo::gemm;
        p.why = "products of gradient rows and input rows, summed over pixels";
        if (choose_winograd(p, elem, o)) return;
        if (depthwise_fits(p.conv)) {
            p.algo = ConvAlgo::depthwise;
            p.why = kDepthwise;
        }
    });
    if (p.algo == ConvAlgo::gemm) {
        lay_dot(p, elem, m);
    } else if (p.algo == ConvAlgo::depthwise) {
        lay_depthwise(p, elem, m);
        p.chunks = p.conv.N;  // one partial sum for each image
    } else {
        lay_winograd_gradient(p, m);
    }
}

void best_forward(ConvPlan& p, int64_t elem, const ConvOptions& o) {
    // Sums of few channels do not pay for transforms where pixels need none and fill their vectors:
    // 250x6x14x14, 16 filters 5x5, one thread of a Skylake-SP: 4.2 ms against 5.7 (of a Zen 4: 1.50
    // against 1.41).
    const bool few = p.conv.C / p.conv.groups < 8 && channels_pay(p, elem);
    if (!few && choose_winograd(p, elem, o)) return;
    if (depthwise_fits(p.conv)) {
        p.algo = ConvAlgo::depthwise;
        p.why = kDepthwise;
    } else if (channels_pay(p, elem)) {
        p.algo = ConvAlgo::channels;
        p.why = "output channels fill the vectors: pixels broadcast in place";
    } else if (direct_pays(p)) {
        p.algo = ConvAlgo::direct;
        p.why = "rows fill the vectors: taps read padded rows in place";
    } else {
        p.algo = ConvAlgo::gemm;
        p.why = p.conv.R * p.conv.S == 1 ? "1 x 1: a matrix product" : "narrow rows: pixels packed";
    }
}

// The forward convolution p.conv.
void lay_forward(ConvPlan& p, int64_t elem, const Machine& m) {
    switch (p.algo) {
        case ConvAlgo::direct:
            return lay_direct(p, elem, m);
        case ConvAlgo::channels:
            return lay_channels(p, elem, m);
        case ConvAlgo::depthwise:
            return lay_depthwise(p, elem, m);
        case ConvAlgo::winograd2:
        case ConvAlgo::winograd4:
        case ConvAlgo::winograd5x5:
            return lay_winograd(p, m);
        default:
            return lay_gemm(p, elem, m);
    }
}

// Far fewer tiles of the gradient than of gx, and those of an image fit a block.
bool transposed_pays(const ConvPlan& p, const Machine& m) {
    const Conv2dShape flipped = tile_shape(p.conv, p.algo);
    const Conv2dShape gradient = gradient_tile_shape(p.conv, p.algo);
    const int64_t tiles = gradient.P * gradient.Q;
    return 4 * flipped.P * flipped.Q >= 5 * tiles && tiles <= 64 && winograd_by_blocks(p, m.l2 / 4);
}

// As the forward pass of flipped weights where that serves; else gathered (depthwise) or scattered.
void plan_backward_input(ConvPlan& p, int64_t elem, const Machine& m, const ConvOptions& o) {
    const Conv2dShape &g = p.conv, f = flipped_shape(g);
    const bool automatic = o.forced == ConvAlgo::automatic;
    if (g.sh == 2 && depthwise_fits(g) && (automatic || o.forced == ConvAlgo::depthwise)) {
        p.algo = ConvAlgo::depthwise;
        p.why = automatic ? kDepthwise : "forced";
        return lay_depthwise_gather(p);
    }
    const bool can_flip = g.sh == 1 && g.sw == 1 && f.ph >= 0 && f.pw >= 0;
    // The flipped pass computes every pixel of gx in full, also where the kernel only reaches zeros;
    // scattering does not, but pays for its additions when K is small.
    const double waste = double(g.H * g.W) / double(g.P * g.Q);
    const bool wasteful = waste > 1.0 + 24.0 / double(g.K / g.groups) &&
                          best_winograd(f, elem, o) == ConvAlgo::automatic;
    if (!can_flip || (wasteful && automatic)) {
        p.algo = ConvAlgo::gemm;
        p.why = can_flip ? "little padding: products scattered into planes"
                         : "stride above 1 or padding above kernel - 1: products scattered";
        return lay_scatter(p, elem, m);
    }
    p.flipped = true;
    p.conv = p.run = f;
    p.depth = f.C / f.groups * f.R * f.S;
    choose(p, ConvPass::forward, elem, o, [&] { best_forward(p, elem, o); });
    if (is_winograd(p.algo)) p.transposed = transposed_pays(p, m);
    lay_forward(p, elem, m);
}

}  // namespace

const char* conv_algo_name(ConvAlgo algo) noexcept {
    switch (algo) {
        case ConvAlgo::automatic:
            return "auto";
        case ConvAlgo::direct:
            return "direct";
        case ConvAlgo::channels:
            return "channels";
        case ConvAlgo::gemm:
            return "gemm";
        case ConvAlgo::depthwise:
            return "depthwise";
        case ConvAlgo::winograd2:
            return "winograd2";
        case ConvAlgo::winograd4:
            return "winograd4";
        case ConvAlgo::winograd5x5:
            return "winograd5x5";
    }
    return "unknown";
}

bool is_winograd(ConvAlgo algo) noexcept {
    return algo == ConvAlgo::winograd2 || algo == ConvAlgo::winograd4 ||
           algo == ConvAlgo::winograd5x5;
}

ConvPlan plan_conv2d(const Conv2dShape& g, ConvPass pass, int64_t elem, const Machine& m,
                     const ConvOptions& options) {
    ConvPlan p = {};
    p.conv = p.run = g;
    p.tile_mr = tile_rows(m.vec_bytes);
    p.panel = 2 * m.vec_bytes / elem;
    p.k_splits = p.chunks = 1;
    p.depth = g.C / g.groups * g.R * g.S;
    p.work = g.N * g.P * g.Q * g.K * p.depth;
    constexpr int64_t kGrain = 250'000;  // multiplications that are worth a thread: 5 us
    p.team = team_for(p.work, kGrain, m.threads);
    if (g.N == 0) {
        p.algo = ConvAlgo::gemm;
        p.why = "an empty batch";
        p.team = 1;
        return p;
    }
    if (pass == ConvPass::forward) {
        choose(p, pass, elem, options, [&] { best_forward(p, elem, options); });
        lay_forward(p, elem, m);
    } else if (pass == ConvPass::backward_input) {
        plan_backward_input(p, elem, m, options);
    } else {
        plan_backward_weight(p, elem, m, options);
    }
    return p;
}

}  // namespace tinygrad_cv
