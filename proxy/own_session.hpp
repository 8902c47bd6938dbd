#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

namespace weir::proxy {

class ClientSession;

/// What became of a request's result, as far as the cache is concerned.
enum class ReadFate : std::uint8_t {
    NotAsked,       ///< it began where nothing is answered from the cache
    Kept,           ///< or it was already
    NoTime,         ///< no cache_ttl holds for it
    Refused,        ///< by a rule
    RateLimited,    ///< its user's statements are counted
    MayBeOld,       ///< replicas serve it that may be behind
    Pinned,         ///< its session has state of its own
    NotOne,         ///< it is not one statement, or too long to be looked at
    Unreadable,     ///< the server may read its text in another way
    CatalogUnread,  ///< what its names mean is not known yet
    NotCacheable,   ///< by what it says, and what its names mean
    Untrusted,      ///< Redis is not heard
    Written,        ///< one of its tables is being written, or was meanwhile
    Alone,          ///< another one's read of it, for which it waited, came to nothing
    TooLarge,
    Failed,  ///< by an error
    Unfit,   ///< its reply is more than a result, or its limits cut it
};

/// @return for people
[[nodiscard]] std::string_view text_of(ReadFate fate);

/// @return whether the same request may be kept when it is asked again
[[nodiscard]] bool may_pass(ReadFate fate);

/// A session whose client is this process itself: what both ends know of it. Nobody else can have
/// one: it is made by Worker::add_own_client(), over a connection that it makes.
/// @thread its worker's
struct OwnSession {
    std::string_view name;               ///< where sessions are listed, in place of an address
    ClientSession* session = nullptr;    ///< nullptr: it has ended
    ReadFate fate = ReadFate::NotAsked;  ///< of its last request
    std::string_view why;                ///< NotCacheable: sql::name_of()
    /// What is asked of it now changes no table, as may be said before the catalog is known.
    bool is_harmless = false;
};

using OwnSessionPtr = std::shared_ptr<OwnSession>;

}  // namespace weir::proxy
