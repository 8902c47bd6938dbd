#include "pool/waiting_line.hpp"

#include <algorithm>

namespace weir::pool {

std::int64_t WaitingLine::rank_of(TimePoint waiting_since, int priority, Duration step) {
    const TimePoint virtually = waiting_since - priority * step;
    return std::max<std::int64_t>(
        1,
        std::chrono::duration_cast<std::chrono::nanoseconds>(virtually.time_since_epoch()).count());
}

void WaitingLine::add(LeaseHolder& holder, Application* application, int priority) {
    lane_for(application, priority).waiting.push_back(holder);
}

WaitingLine::Lane& WaitingLine::lane_for(Application* application, int priority) {
    if (application == nullptr && priority == 0) {
        return plain_;
    }
    Lane* unused = nullptr;
    for (const auto& lane : others_) {
        if (lane->application == application && lane->priority == priority) {
            return *lane;
        }
        if (lane->waiting.empty()) {
            unused = lane.get();
        }
    }
    if (unused == nullptr) {
        others_.push_back(std::make_unique<Lane>());
        unused = others_.back().get();
    }
    unused->application = application;
    unused->priority = priority;
    return *unused;
}

bool WaitingLine::empty() const {
    return plain_.waiting.empty() &&
           std::all_of(others_.begin(), others_.end(), [](const auto& lane) {
               return lane->waiting.empty();
           });
}

std::size_t WaitingLine::size() const {
    std::size_t size = 0;
    for_each_lane([&size](const Lane& lane) { size += lane.waiting.size(); });
    return size;
}

const LeaseHolder* WaitingLine::oldest() const {
    const LeaseHolder* oldest = nullptr;
    for_each_lane([&oldest](const Lane& lane) {
        const LeaseHolder* first = lane.waiting.front();
        if (first != nullptr &&
            (oldest == nullptr || first->waiting_since < oldest->waiting_since)) {
            oldest = first;
        }
    });
    return oldest;
}

std::vector<WaitingLine::Candidate> WaitingLine::by_rank(Duration step) {
    std::vector<Candidate> all;
    all.reserve(size());
    for_each_lane([&](Lane& lane) {
        lane.waiting.for_each([&](LeaseHolder& holder) {
            all.push_back(
                {&holder, lane.application, rank_of(holder.waiting_since, lane.priority, step)});
        });
    });
    if (has_lanes()) {
        std::stable_sort(all.begin(), all.end(), [](const Candidate& one, const Candidate& other) {
            return one.rank < other.rank;
        });
    }
    return all;
}

std::vector<LeaseHolder*> WaitingLine::clear() {
    std::vector<LeaseHolder*> all;
    all.reserve(size());
    for_each([&all](LeaseHolder& holder) { all.push_back(&holder); });
    std::stable_sort(all.begin(), all.end(), [](const LeaseHolder* one, const LeaseHolder* other) {
        return one->waiting_since < other->waiting_since;
    });
    for (LeaseHolder* holder : all) {
        holder->unlink();
    }
    others_.clear();
    return all;
}

}  // namespace weir::pool
