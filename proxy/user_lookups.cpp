#include "proxy/user_lookups.hpp"

#include "base/log.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

/// Strangers can make look-ups fail as often as they like.
constexpr std::chrono::seconds kLogEvery{1};
/// Where auth.query_timeout is off: no wait is without end.
constexpr std::chrono::minutes kLongestWait{1};

}  // namespace

bool UserLookups::look_up(const conf::UserQuery& asked,
                          const std::string& user,
                          OnAnswer on_answer) {
    if (waiting_ >= kWaitingMax) {
        return false;
    }
    ++waiting_;
    const Key key{asked.query, asked.user, asked.database, user};
    const auto [first, last] = flights_.equal_range(key);
    const auto open = std::find_if(
        first, last, [](const auto& entry) { return !entry.second->lookup->is_sent(); });
    if (open != last) {
        open->second->waiting.push_back(std::move(on_answer));
        return true;
    }
    const Duration configured = worker_.config().auth.query_timeout;
    const Duration timeout = configured > Duration::zero() ? configured : Duration{kLongestWait};
    auto flight = std::make_shared<Flight>();
    flight->waiting.push_back(std::move(on_answer));
    flight->lookup = std::make_unique<pool::UserLookup>(
        worker_.loop(),
        pool::UserLookup::Question{
            asked.query, user, deadline_after(worker_.loop().now(), timeout)},
        [this, key, weak = std::weak_ptr{flight}](const pool::UserAnswer& answer) {
            if (const FlightPtr mine = weak.lock()) {
                finish(key, mine, answer);
            }
        });
    flights_.emplace(key, flight);
    flight->lookup->start(
        worker_.pool_for({asked.database, asked.user, {}, pool::PoolKey::Use::Lookups}, {}),
        worker_.settings().none());
    return true;
}

void UserLookups::finish(const Key& key, const FlightPtr& flight, const pool::UserAnswer& answer) {
    const auto [first, last] = flights_.equal_range(key);
    const auto mine =
        std::find_if(first, last, [&](const auto& entry) { return entry.second == flight; });
    if (mine != last) {
        flights_.erase(mine);
    }
    tell_log(key, answer);
    waiting_ -= flight->waiting.size();
    worker_.loop().defer_delete(std::move(flight->lookup));
    // Later: whoever asked may still be on the stack.
    worker_.loop().post([&worker = worker_, flight, answer] {
        if (answer.sqlstate == sqlstate::kInvalidCatalogName) {
            worker.sweep_pools();  // a name that somebody made up, perhaps one of thousands
        }
        for (const OnAnswer& on_answer : flight->waiting) {
            on_answer(answer);
        }
    });
}

void UserLookups::tell_log(const Key& key, const pool::UserAnswer& answer) {
    const TimePoint now = worker_.loop().now();
    if (answer.problem.empty() || now < log_next_at_) {
        return;
    }
    log_next_at_ = now + kLogEvery;
    log::warn("auth_query_failed",
              {{"database", key.database}, {"asked_by", key.asker}, {"reason", answer.problem}});
}

}  // namespace weir::proxy
