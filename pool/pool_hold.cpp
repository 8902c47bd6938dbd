// The part of Pool that does what operators order: PAUSE, SUSPEND, KILL, RECONNECT.

#include "pool/pool.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::pool {

void Pool::hold(Hold hold) {
    const Hold before = std::exchange(hold_, hold);
    if (before == hold) {
        return;
    }
    if (hold != Hold::None) {
        tell_reason(WaitReason::Paused);
        env_.limit_waits->withdraw(*this);
        close_unlent(hold);
    }
    if (hold == Hold::Suspended || before == Hold::Suspended) {
        for_each_backend([hold](Backend& backend) { backend.suspend(hold == Hold::Suspended); });
    }
    if (hold == Hold::None) {
        has_asked_ = false;
        look_again();
        schedule();
    }
}

/// Those being opened or checked are of no use to a held pool; what is idle stays open while
/// suspended. (Those being cleaned or under a cancel request end when they would become idle.)
void Pool::close_unlent(Hold hold) {
    std::vector<BackendState> states{BackendState::Connecting,
                                     BackendState::LoggingIn,
                                     BackendState::Preparing,
                                     BackendState::Checking};
    if (hold == Hold::Paused) {
        states.push_back(BackendState::Idle);
    }
    for (const BackendState state : states) {
        while (Backend* backend = list(state).front()) {
            backend->close();
        }
    }
}

void Pool::close_all() {
    std::vector<Backend*> all;
    for_each_backend([&all](Backend& backend) { all.push_back(&backend); });
    for (Backend* backend : all) {
        // Those who are told may end others, or begin anew.
        if (backends_.contains(backend)) {
            backend->kill();
        }
    }
}

/// What runs on a primary that is none any more must not be taken for done.
void Pool::lose_leased(const std::string& why) {
    std::vector<Backend*> leased;
    list(BackendState::Leased).for_each([&leased](Backend& backend) {
        leased.push_back(&backend);
    });
    for (Backend* backend : leased) {
        if (backends_.contains(backend)) {
            backend->lose(sqlstate::kConnectionFailure, why);
        }
    }
}

std::size_t Pool::stale_count() const {
    return static_cast<std::size_t>(
        std::count_if(backends_.begin(), backends_.end(), [this](const auto& entry) {
            return entry.second->generation() != generation_;
        }));
}

bool Pool::is_flushed() const {
    return std::all_of(backends_.begin(), backends_.end(), [](const auto& entry) {
        return entry.second->unsent() == 0;
    });
}

void Pool::drop_unflushed() {
    std::vector<Backend*> stuck;
    for_each_backend([&stuck](Backend& backend) {
        if (backend.unsent() > 0 && backend.holder() == nullptr) {
            stuck.push_back(&backend);
        }
    });
    for (Backend* backend : stuck) {
        backend->close();
    }
}

}  // namespace weir::pool
