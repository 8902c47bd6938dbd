#include "pool/bulkheads.hpp"

#include <algorithm>

namespace weir::pool {

Bulkheads::~Bulkheads() {
    free();
    give_reserved_back(reserved_);
    for (const auto& [backend, count] : held_) {
        count->give_back();
    }
    for (auto& [name, application] : applications_) {
        withdraw(application);
    }
    withdraw(rest_);
}

Application& Bulkheads::find_or_add(std::string_view name) {
    if (const auto known = applications_.find(name); known != applications_.end()) {
        return known->second;
    }
    if (is_full_) {
        return rest_;
    }
    BudgetPtr count = counts_->find_or_add(name);
    if (count == rest_.count) {
        is_full_ = true;
        return rest_;
    }
    return applications_.emplace(std::string{name}, Application{std::move(count)}).first->second;
}

bool Bulkheads::try_take(Application& application, const Backend& backend) {
    if (reserved_ == application.count) {
        reserved_.reset();
    } else if (!application.count->try_take(max_)) {
        return false;
    }
    held_.emplace(&backend, application.count);
    return true;
}

void Bulkheads::take(Application& application, const Backend& backend) {
    if (held_.emplace(&backend, application.count).second) {
        static_cast<void>(application.count->try_take(/*max=*/0));
    }
}

void Bulkheads::give_back(const Backend& backend) {
    const auto held = held_.find(&backend);
    if (held == held_.end()) {
        return;
    }
    free();
    freed_ = std::move(held->second);
    held_.erase(held);
}

BudgetPtr Bulkheads::free() {
    if (freed_ != nullptr) {
        freed_->give_back();
    }
    return std::exchange(freed_, nullptr);
}

BudgetPtr Bulkheads::reserve_freed() {
    // There may be fewer places than when it was taken, and one is reserved at a time.
    if (freed_ == nullptr || freed_->open() > max_ || reserved_ != nullptr) {
        return free();
    }
    reserved_ = std::exchange(freed_, nullptr);
    return reserved_;
}

void Bulkheads::reserve(BudgetPtr count) {
    give_reserved_back(reserved_);
    reserved_ = std::move(count);
}

void Bulkheads::give_reserved_back(const BudgetPtr& count) {
    if (is_reserved(count)) {
        const BudgetPtr unused = std::exchange(reserved_, nullptr);
        unused->give_back();
    }
}

std::size_t Bulkheads::eligible_count(WaitingLine& line) const {
    std::size_t eligible = 0;
    line.for_each_lane([](WaitingLine::Lane& lane) {
        if (lane.application != nullptr) {
            lane.application->waiting = 0;
        }
    });
    line.for_each_lane([&](WaitingLine::Lane& lane) {
        Application* const application = lane.application;
        if (application == nullptr) {
            eligible += lane.waiting.size();
            return;
        }
        // What its other lanes have had of its room is taken.
        const std::size_t open = application->count->open() + application->waiting;
        const std::size_t room = open < max_ ? max_ - open : 0;
        const std::size_t served = std::min(room, lane.waiting.size());
        application->waiting += served;
        eligible += served;
    });
    return eligible;
}

bool Bulkheads::announce(WaitingLine& line, Duration step) {
    const auto of_each = [&line](auto visit) {
        line.for_each_lane([&](WaitingLine::Lane& lane) {
            if (lane.application != nullptr) {
                visit(lane, *lane.application);
            }
        });
    };
    of_each([](const WaitingLine::Lane& /*lane*/, Application& of) { of.first = 0; });
    of_each([&](WaitingLine::Lane& lane, Application& of) {
        if (const LeaseHolder* first = lane.waiting.front(); first != nullptr && !has_room(of)) {
            const std::int64_t rank =
                WaitingLine::rank_of(first->waiting_since, lane.priority, step);
            of.first = of.first == 0 ? rank : std::min(of.first, rank);
        }
    });
    bool has_room_now = false;
    of_each([&](const WaitingLine::Lane& /*lane*/, Application& of) {
        if (of.first == 0 && of.announced == 0) {
            return;
        }
        // Always said anew: who has given a backend back has withdrawn it.
        of.announced = of.first;
        of.count->announce_waiter(worker_, of.first);
        has_room_now = has_room_now || (of.first != 0 && has_room(of));
    });
    return has_room_now;
}

void Bulkheads::sweep(WaitingLine& line) {
    is_full_ = false;
    for (auto& [name, application] : applications_) {
        application.waiting = 0;
    }
    line.for_each_lane([](WaitingLine::Lane& lane) {
        if (lane.waiting.empty()) {
            lane.application = nullptr;  // somebody else's from now on
        } else if (lane.application != nullptr) {
            lane.application->waiting = 1;
        }
    });
    for (auto& [name, application] : applications_) {
        if (application.waiting == 0) {
            withdraw(application);
        }
    }
    std::erase_if(applications_, [](const auto& entry) {
        return entry.second.waiting == 0 && entry.second.count->open() == 0;
    });
}

void Bulkheads::withdraw(Application& application) const {
    if (std::exchange(application.announced, 0) != 0) {
        application.count->announce_waiter(worker_, 0);
    }
}

}  // namespace weir::pool
