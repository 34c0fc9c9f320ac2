#include "kernels/warp.h"

#include <cmath>

#include "runtime/threads.h"

namespace tinygrad_cv {
namespace {

constexpr int64_t kGrain = int64_t(1) << 14;  // places that are worth a thread: some 10 us

}  // namespace

WarpPlan plan_warp(int64_t planes, int64_t places, int threads) noexcept {
    const int team = team_for(planes * places, kGrain, threads);
    return {planes < team ? int(planes) : team, planes * places > 2 * kGrain};
}

template <class T>
void affine_maps(int64_t n, int64_t height, int64_t width, const double* moves, T* maps) noexcept {
    constexpr double radians = 3.14159265358979323846 / 180;
    const double x = double(width - 1) / 2, y = double(height - 1) / 2;  // the centre
    for (int64_t i = 0; i < n; ++i, moves += 5, maps += 6) {
        const double cos = std::cos(radians * moves[0]), sin = std::sin(radians * moves[0]);
        const double x_from = x + moves[1] * double(width), y_from = y + moves[2] * double(height);
        const double shrink = 1 / moves[3], slant = std::tan(radians * moves[4]);
        // Rows run downwards: the turn is [[cos, sin], [-sin, cos]], the slant [[1, slant], [0, 1]].
        const double row[] = {shrink * sin, shrink * cos};
        const double column[] = {shrink * (cos - sin * slant), -shrink * (sin + cos * slant)};
        maps[0] = T(row[0]);
        maps[1] = T(row[1]);
        maps[2] = T(y - row[0] * x_from - row[1] * y_from);
        maps[3] = T(column[0]);
        maps[4] = T(column[1]);
        maps[5] = T(x - column[0] * x_from - column[1] * y_from);
    }
}

template void affine_maps<float>(int64_t, int64_t, int64_t, const double*, float*) noexcept;
template void affine_maps<double>(int64_t, int64_t, int64_t, const double*, double*) noexcept;

}  // namespace tinygrad_cv
