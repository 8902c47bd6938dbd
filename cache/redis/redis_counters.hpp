#pragma once

#include "base/counters.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::cache {

/// Why a command came to nothing. None of them is an error to a client: a read that Redis does not
/// answer is a miss.
enum class RedisError : std::uint8_t {
    Away,      ///< could not be reached: connecting or greeting failed
    Timeout,   ///< no answer within redis_timeout
    Closed,    ///< the connection ended before the answer came
    Protocol,  ///< what came is not Redis' protocol
    Full,      ///< too much is under way already: not sent
    Oom,       ///< -OOM: Redis is at its maxmemory
    Loading,   ///< -LOADING, -MASTERDOWN: it is not ready yet
    ReadOnly,  ///< -READONLY: a replica, which is no place for us
    Auth,      ///< -NOAUTH, -WRONGPASS, -NOPERM: the wrong password or too few rights
    NoScript,  ///< -NOSCRIPT: somebody has flushed the scripts; they are loaded again
    Refused,   ///< any other error reply
};

inline constexpr std::size_t kRedisErrors = 11;

/// @return the word for logs and metrics
[[nodiscard]] constexpr std::string_view name_of(RedisError error) {
    switch (error) {
        case RedisError::Away: return "away";
        case RedisError::Timeout: return "timeout";
        case RedisError::Closed: return "closed";
        case RedisError::Protocol: return "protocol";
        case RedisError::Full: return "full";
        case RedisError::Oom: return "oom";
        case RedisError::Loading: return "loading";
        case RedisError::ReadOnly: return "readonly";
        case RedisError::Auth: return "auth";
        case RedisError::NoScript: return "noscript";
        case RedisError::Refused: return "refused";
    }
    return "";
}

/// @param text of an error reply
/// @return what its first word means
[[nodiscard]] RedisError redis_error_of(std::string_view text);

/// What one thread's connections to Redis have been doing. Written by that thread, read by any.
struct RedisCounters {
    [[nodiscard]] std::uint64_t errors_of(RedisError error) const {
        return errors[static_cast<std::size_t>(error)].value();
    }

    Counter commands;
    std::array<Counter, kRedisErrors> errors;  ///< by RedisError
    Counter connects;                          ///< connections that came up
    Counter reconnects;                        ///< those of them that were not the first
    Counter late_replies;                      ///< came after their deadline and were dropped
    std::atomic<std::uint64_t> in_flight{0};   ///< sent and not answered, now

    Counter hits;
    Counter misses;         ///< Redis answered, and had nothing that may be used
    Counter stale;          ///< of them: a table has been written to since
    Counter foreign;        ///< of them: something else, or broken, lay under the key
    Counter stored;         ///< results kept
    Counter store_refused;  ///< results a write came in between of
    Counter blind_writes;   ///< writes that could not be told in time: others learn of them later
    Counter told_later;     ///< tables of such writes that have been told since
    Counter
        whole_database;  ///< times too many tables were untold: all of a database stands for them
    Counter gaps;        ///< times messages of others may have been missed
    Counter epochs;      ///< times Redis turned out to have forgotten everything
};

}  // namespace weir::cache
