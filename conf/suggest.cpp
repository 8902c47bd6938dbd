#include "conf/suggest.hpp"

#include <algorithm>

namespace weir::conf {

namespace {

/// Names longer than this are nobody's slip of the finger, and the table below grows with their
/// product.
constexpr std::size_t kMaxNameBytes = 64;

}  // namespace

std::size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<std::size_t> two_above;
    std::vector<std::size_t> above(right.size() + 1);
    std::vector<std::size_t> row(right.size() + 1);
    for (std::size_t j = 0; j <= right.size(); ++j) {
        row[j] = j;
    }
    for (std::size_t i = 1; i <= left.size(); ++i) {
        two_above = above;
        above = row;
        row[0] = i;
        for (std::size_t j = 1; j <= right.size(); ++j) {
            const std::size_t change = left[i - 1] == right[j - 1] ? 0 : 1;
            row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + change});
            if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1]) {
                row[j] = std::min(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return row[right.size()];
}

std::string_view nearest(std::string_view typed, const std::vector<std::string_view>& candidates) {
    if (typed.size() > kMaxNameBytes) {
        return {};
    }
    std::string_view best;
    // A third of the letters wrong is still a slip; half of them is another word.
    std::size_t best_distance = std::max<std::size_t>(1, typed.size() / 3) + 1;
    for (const std::string_view candidate : candidates) {
        const std::size_t distance = edit_distance(typed, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace weir::conf
