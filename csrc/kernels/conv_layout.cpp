// Convolution: the layouts of the algorithms' work: block sizes, scratch and shares of the threads.
#include "kernels/conv_layout.h"

namespace tinygrad_cv {

namespace {

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

int64_t tile_outputs(ConvAlgo algo) {
    return algo == ConvAlgo::winograd2 ? 2 : algo == ConvAlgo::winograd4x4 ? 3 : 4;
}

}  // namespace

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

namespace {

// Elements of the transposed padded rows of `rows` rows of tiles, `lanes` channels wide.
int64_t turned_rows(const Conv2dShape& tiles, int64_t rows, int64_t lanes) {
    const int64_t halo = tiles.R - tiles.sh;
    return (std::min(rows, tiles.P) * tiles.sh + halo) * (tiles.Q * tiles.sw + halo) * lanes;
}

int64_t winograd_points(const Conv2dShape& g, ConvAlgo algo) {
    const int64_t side = tile_outputs(algo) + g.R - 1;
    return side * side;
}

}  // namespace

// Whether a panel of U and a few tiles' X fit a share of L2, elements `l2`.
bool winograd_by_blocks(const ConvPlan& p, int64_t l2) {
    const int64_t c_group = p.conv.C / p.conv.groups, points = winograd_points(p.conv, p.algo);
    return points * (c_group * p.panel + 2 * p.tile_mr * round_up(c_group, p.panel / 2)) <= l2;
}

namespace {

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

}  // namespace

// A job: as many images as lanes, x (its rows transformed, or transposed as it is) and y in scratch.
void lay_winograd_images(ConvPlan& p) {
    p.run = p.transposed ? gradient_tile_shape(p.conv, p.algo) : tile_shape(p.conv, p.algo);
    const Conv2dShape &g = p.conv, &tiles = p.run;
    const int64_t side = tile_outputs(p.algo) + g.R - 1, lanes = p.panel / 2, halo = g.R - 1;
    const int64_t c_group = g.C / g.groups, k_group = g.K / g.groups;
    const int64_t rows = tiles.P * tiles.sh, columns = tiles.Q * tiles.sw;
    const int64_t padded = (rows + halo) * (columns + halo);
    const int64_t in = p.transposed ? rows * columns : (rows + halo) * tiles.Q * side;
    const int64_t out = p.transposed ? padded : g.P * g.Q;
    constexpr int64_t kTiles = 2;  // of a register tile
    const int64_t v = side * (c_group * kTiles + 1);
    const int64_t results = side * (p.transposed ? side : tiles.sh);  // of a tile and channel
    const int64_t half = std::max(k_group * kTiles * results, padded);
    p.scratch = round_up((c_group * in + k_group * out + v + half) * lanes, 64);
    p.team = int(std::min<int64_t>(p.team, ceil_div(g.N, lanes) * g.groups));
    p.shared = g.groups * ceil_div(k_group, p.panel) * side * side * c_group * p.panel;
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
    // 7 x 7: all of a colour image's 3 channels, for which rows of the gradient are copied once (0.91 of
    // the time with 1 channel; 1 x 1 and 3 x 3 the same).
    p.channels = std::clamp<int64_t>(160 / taps, 1, c_group);
    p.channels = ceil_div(c_group, ceil_div(c_group, p.channels));
    const int64_t lines = p.channels * taps + p.rows;  // rows of pixels that share L2
    p.pixels = std::clamp<int64_t>(m.l2 * 3 / 4 / elem / lines, 4 * lanes, 1024);
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

// Scratch: a row of zeros.
void lay_depthwise(ConvPlan& p) { p.scratch = round_up(std::max(p.run.W, p.run.Q), 64); }

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
            const int64_t block = points * (ceil_div(k_group, p.k_splits) * p.channels + 16);
            p.scratch = round_up(std::max(lines, block), 64);
            p.partial = 0;
            return;
        }
    }
    p.partial = p.chunks * g.groups * (p.swapped ? points * c_group * k_columns : sums);
}

// The forward convolution p.conv.
void lay_forward(ConvPlan& p, int64_t elem, const Machine& m) {
    switch (p.algo) {
        case ConvAlgo::direct:
            return lay_direct(p, elem, m);
        case ConvAlgo::channels:
            return lay_channels(p, elem, m);
        case ConvAlgo::depthwise:
            return lay_depthwise(p);
        case ConvAlgo::winograd2:
        case ConvAlgo::winograd4:
        case ConvAlgo::winograd4x4:
        case ConvAlgo::winograd5x5:
            return lay_winograd(p, m);
        case ConvAlgo::winograd5x5_images:
            return lay_winograd_images(p);
        default:
            return lay_gemm(p, elem, m);
    }
}

}  // namespace tinygrad_cv
