#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::pool {

/// Where a backend is in its life. Every state is a list of its pool; only Backend::transition()
/// moves it.
enum class BackendState : std::uint8_t {
    Connecting,     ///< dialled, socket not connected yet
    LoggingIn,      ///< TLS, startup, authentication, parameters
    Preparing,      ///< connect_query runs
    Idle,           ///< to be lent
    Checking,       ///< was idle for long: asked whether it still answers
    Leased,         ///< a client's
    Cleaning,       ///< its client left it in the middle of something
    BeingCanceled,  ///< at rest, but a cancel request for it is still on its way
    Closed,         ///< gone; waits for its deletion
};

enum class BackendEvent : std::uint8_t {
    Connected,
    LoggedIn,
    Prepared,
    CheckBegan,
    CheckPassed,
    Lent,
    CameBackClean,
    CameBackDirty,
    CameBackUnderCancel,
    Cleaned,
    CancelEnded,
    Redialled,  ///< refused with TLS, or without: tried the other way
    Ended,      ///< closed by anybody for any reason
};

struct BackendRule {
    BackendState from;
    BackendEvent event;
    BackendState to;
};

/// The whole machine. Besides these, Ended leads from every state but Closed to Closed.
inline constexpr std::array<BackendRule, 14> kBackendRules = {{
    {BackendState::Connecting, BackendEvent::Connected, BackendState::LoggingIn},
    {BackendState::LoggingIn, BackendEvent::LoggedIn, BackendState::Preparing},
    {BackendState::LoggingIn, BackendEvent::Redialled, BackendState::Connecting},
    {BackendState::Preparing, BackendEvent::Prepared, BackendState::Idle},
    {BackendState::Idle, BackendEvent::CheckBegan, BackendState::Checking},
    {BackendState::Checking, BackendEvent::CheckPassed, BackendState::Idle},
    {BackendState::Idle, BackendEvent::Lent, BackendState::Leased},
    {BackendState::Leased, BackendEvent::CameBackClean, BackendState::Idle},
    {BackendState::Leased, BackendEvent::CameBackDirty, BackendState::Cleaning},
    {BackendState::Leased, BackendEvent::CameBackUnderCancel, BackendState::BeingCanceled},
    {BackendState::Cleaning, BackendEvent::Cleaned, BackendState::Idle},
    {BackendState::Cleaning, BackendEvent::CameBackUnderCancel, BackendState::BeingCanceled},
    {BackendState::BeingCanceled, BackendEvent::CancelEnded, BackendState::Idle},
    {BackendState::BeingCanceled, BackendEvent::CameBackDirty, BackendState::Cleaning},
}};

namespace detail {

inline constexpr std::size_t kBackendStates = 9;
inline constexpr std::size_t kBackendEvents = 13;
using BackendTable =
    std::array<std::array<std::optional<BackendState>, kBackendEvents>, kBackendStates>;

/// The rules as a table: moving a backend is part of every transaction.
constexpr BackendTable make_backend_table() {
    BackendTable table{};
    for (const BackendRule& rule : kBackendRules) {
        table[static_cast<std::size_t>(rule.from)][static_cast<std::size_t>(rule.event)] = rule.to;
    }
    for (std::size_t state = 0; state + 1 < kBackendStates; ++state) {
        table[state][static_cast<std::size_t>(BackendEvent::Ended)] = BackendState::Closed;
    }
    return table;
}

inline constexpr BackendTable kBackendTable = make_backend_table();
static_assert(static_cast<std::size_t>(BackendState::Closed) + 1 == kBackendStates);
static_assert(static_cast<std::size_t>(BackendEvent::Ended) + 1 == kBackendEvents);

}  // namespace detail

/// @return the state an event leads to; nothing when the event cannot happen in that state
[[nodiscard]] constexpr std::optional<BackendState> next_state(BackendState from,
                                                               BackendEvent event) {
    return detail::kBackendTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}

/// @return PgBouncer's word for SHOW SERVERS
[[nodiscard]] constexpr std::string_view name_of(BackendState state) {
    switch (state) {
        case BackendState::Connecting:
        case BackendState::LoggingIn:
        case BackendState::Preparing: return "new";
        case BackendState::Idle: return "idle";
        case BackendState::Checking: return "tested";
        case BackendState::Leased: return "active";
        case BackendState::Cleaning: return "used";
        case BackendState::BeingCanceled: return "being_canceled";
        case BackendState::Closed: return "closed";
    }
    return "closed";
}

}  // namespace weir::pool
