#pragma once

#include "base/counters.hpp"
#include "base/session_effects.hpp"
#include "base/sqlstate.hpp"
#include "base/status.hpp"

#include <array>
#include <cstddef>
#include <map>
#include <string>

namespace weir::pool {

/// ErrorResponses by SQLSTATE class: one counter for each pair of characters a class can be.
class ErrorClassCounters {
public:
    void add(SqlState sqlstate) { counters_[index_of(sqlstate.class_text())].add(); }

    /// Adds what was counted to `sums`, by class.
    void add_to(std::map<std::string, std::uint64_t>& sums) const {
        for (std::size_t i = 0; i < counters_.size(); ++i) {
            if (const std::uint64_t count = counters_[i].value(); count > 0) {
                sums[{digit(i / kDigits), digit(i % kDigits)}] += count;
            }
        }
    }

private:
    static constexpr std::size_t kDigits = 36;

    static constexpr char digit(std::size_t value) {
        return static_cast<char>(value < 10 ? '0' + value : 'A' + (value - 10));
    }

    static std::size_t value_of(char c) {
        return static_cast<std::size_t>(c <= '9' ? c - '0' : c - 'A' + 10);
    }

    static std::size_t index_of(const std::string& text) {
        return value_of(text[0]) * kDigits + value_of(text[1]);
    }

    std::array<Counter, kDigits * kDigits> counters_;
};

using status::kRetryKinds;
using status::kRetryOutcomes;
using status::RetryKind;
using status::RetryOutcome;

/// What one worker counts for the whole process. Written by its thread, read by any.
struct WorkerCounters {
    Counter bytes_from_clients;
    Counter bytes_to_clients;
    Counter bytes_from_backends;
    Counter bytes_to_backends;
    Counter simple_statements;
    Counter extended_statements;
    Counter function_calls;
    Counter copies;
    Counter cancels;
    Counter statement_timeouts;
    Counter row_limit_hits;
    Counter slow_statements;
    Counter rows;                ///< returned to clients, or affected
    Counter refused_statements;  ///< by a rule, read_only or the rate limit
    std::array<std::array<Counter, kRetryOutcomes>, kRetryKinds> retries;

    void add(RetryKind kind, RetryOutcome outcome) {
        retries[static_cast<std::size_t>(kind)][static_cast<std::size_t>(outcome)].add();
    }

    DurationHistogram statement_time;
    DurationHistogram transaction_time;
    DurationHistogram backend_time;
    ErrorClassCounters errors;
    std::array<Counter, kSessionEffects> pins;  ///< by SessionEffect
};

/// What one worker counts for one pool.
struct PoolCounters {
    std::array<Counter, 10> events;
    Counter assignments;
    Counter transactions;
    Counter statements;
    Counter bytes_received;
    Counter bytes_sent;
    Counter transaction_us;
    Counter statement_us;
    Counter wait_us;
    Counter client_parses;
    Counter backend_parses;
    Counter binds;
    Counter logins;
    Counter failures;  ///< of statements: is_server_trouble(), and lost connections
    DurationHistogram wait_time;

    void add(status::PoolEvent event) { events[static_cast<std::size_t>(event)].add(); }
};

}  // namespace weir::pool
