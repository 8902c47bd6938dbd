#include "policies/freshness.hpp"

#include "base/check.hpp"

#include <algorithm>

namespace weir::policies {

PositionHistory::PositionHistory(std::size_t capacity)
    : ring_(std::max<std::size_t>(capacity, 1), Entry{TimePoint::min(), 0}) {}

PositionHistory::Sampled PositionHistory::sample(TimePoint sampled_at, std::uint64_t position) {
    if (size_ > 0 && sampled_at <= newest().sampled_at) {
        return Sampled::Ignored;
    }
    Sampled outcome = Sampled::Added;
    if (size_ > 0 && position < newest().position) {
        restart();
        outcome = Sampled::Restarted;
    }
    if (size_ > 0 && position == newest().position) {
        newest().sampled_at = sampled_at;  // nothing was written since: whoever is there is fresh
        return outcome;
    }
    if (size_ == ring_.size()) {
        oldest_ = (oldest_ + 1) % ring_.size();
        --size_;
    }
    ++size_;
    newest() = Entry{sampled_at, position};
    return outcome;
}

void PositionHistory::restart() {
    oldest_ = 0;
    size_ = 0;
}

TimePoint PositionHistory::fresh_until(std::uint64_t replay_position) const {
    std::size_t reached = 0;  // so many of the oldest are known to be reached
    std::size_t unknown_until = size_;
    while (reached < unknown_until) {
        const std::size_t middle = reached + (unknown_until - reached) / 2;
        if (entry(middle).position <= replay_position) {
            reached = middle + 1;
        } else {
            unknown_until = middle;
        }
    }
    return reached == 0 ? TimePoint::min() : entry(reached - 1).sampled_at;
}

const PositionHistory::Entry& PositionHistory::entry(std::size_t age) const {
    WEIR_ASSERT(age < size_);
    return ring_[(oldest_ + age) % ring_.size()];
}

PositionHistory::Entry& PositionHistory::newest() {
    WEIR_ASSERT(size_ > 0);
    return ring_[(oldest_ + size_ - 1) % ring_.size()];
}

}  // namespace weir::policies
