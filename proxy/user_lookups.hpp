#pragma once

#include "conf/model.hpp"
#include "pool/user_lookup.hpp"

#include <compare>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::proxy {

class Worker;

/// The look-ups of users that are configured nowhere, as auth.query says. One per worker, on its
/// loop.
///
/// Nothing is remembered: a changed password holds at once, and so does an expired one. Clients who
/// ask the same before the question has left share the answer. Destroyed before the pools.
class UserLookups {
public:
    using OnAnswer = std::function<void(const pool::UserAnswer&)>;

    /// Who comes later would have given up before its turn.
    static constexpr std::size_t kWaitingMax = 1024;

    explicit UserLookups(Worker& worker) : worker_{worker} {}

    /// @param asked with a query and a database that is configured
    /// @param on_answer runs in a later turn
    /// @return false when too many wait already: it will not run
    [[nodiscard]] bool look_up(const conf::UserQuery& asked,
                               const std::string& user,
                               OnAnswer on_answer);

private:
    struct Key {
        std::string query;
        std::string asker;
        std::string database;
        std::string user;

        auto operator<=>(const Key&) const = default;  // NOLINT(modernize-use-nullptr): misread
    };

    struct Flight {
        std::unique_ptr<pool::UserLookup> lookup;
        std::vector<OnAnswer> waiting;
    };

    using FlightPtr = std::shared_ptr<Flight>;

    void finish(const Key& key, const FlightPtr& flight, const pool::UserAnswer& answer);
    void tell_log(const Key& key, const pool::UserAnswer& answer);

    Worker& worker_;
    std::multimap<Key, FlightPtr> flights_;  // of one key all but the last have been sent
    std::size_t waiting_ = 0;
    TimePoint log_next_at_{};
};

}  // namespace weir::proxy
