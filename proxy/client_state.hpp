#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace weir::proxy {

/// A limit that every session keeps at hand.
using ShortDuration = std::chrono::duration<std::uint32_t, std::milli>;

/// Where a client is in its life. Only ClientSession::transition() moves it.
enum class ClientState : std::uint8_t {
    Startup,         ///< nothing known yet
    Authenticating,  ///< the client must prove something
    Hashing,         ///< its proof is being computed on, or who it is looked up, elsewhere
    Welcoming,       ///< proven; waits for a backend to say what the server's settings are
    Idle,            ///< logged in, owed nothing, holds no backend
    Skipping,        ///< a request was refused: what follows is dropped until its Sync
    Waiting,         ///< its request waits for a backend
    Preparing,       ///< has a backend that is being given its settings
    Active,          ///< has a backend; messages pass both ways
    Console,         ///< talks to the admin database
    Cancelling,      ///< was a CancelRequest, which is on its way to PostgreSQL
    Closing,         ///< has been told the end; its last bytes are on their way
    Closed,          ///< gone; waits for its deletion
};

enum class ClientEvent : std::uint8_t {
    StartupRead,
    HashBegan,
    HashDone,
    Authenticated,
    ConsoleOpened,
    CancelRead,
    Welcomed,
    BackendWanted,
    BackendLent,
    Prepared,
    BackendMissed,  ///< the one it was lent is of no use: the request is run on another one
    BackendGivenBack,
    RequestRefused,   ///< answered, with more of it to come up to its Sync
    RequestAnswered,  ///< refused or answered in full
    SyncSeen,
    EndBegan,
    Ended,
};

struct ClientRule {
    ClientState from;
    ClientEvent event;
    ClientState to;
};

/// The whole machine. Besides these, EndBegan leads from every state to Closing (not from Closed)
/// and Ended to Closed.
inline constexpr std::array<ClientRule, 26> kClientRules = {{
    {ClientState::Startup, ClientEvent::StartupRead, ClientState::Authenticating},
    {ClientState::Startup, ClientEvent::CancelRead, ClientState::Cancelling},
    {ClientState::Authenticating, ClientEvent::HashBegan, ClientState::Hashing},
    {ClientState::Hashing, ClientEvent::HashDone, ClientState::Authenticating},
    {ClientState::Authenticating, ClientEvent::Authenticated, ClientState::Welcoming},
    {ClientState::Authenticating, ClientEvent::ConsoleOpened, ClientState::Console},
    {ClientState::Welcoming, ClientEvent::Welcomed, ClientState::Idle},
    {ClientState::Idle, ClientEvent::BackendWanted, ClientState::Waiting},
    {ClientState::Waiting, ClientEvent::BackendLent, ClientState::Preparing},
    {ClientState::Waiting, ClientEvent::RequestAnswered, ClientState::Idle},
    {ClientState::Waiting, ClientEvent::RequestRefused, ClientState::Skipping},
    {ClientState::Preparing, ClientEvent::Prepared, ClientState::Active},
    {ClientState::Preparing, ClientEvent::BackendMissed, ClientState::Waiting},
    {ClientState::Active, ClientEvent::BackendMissed, ClientState::Waiting},
    {ClientState::Preparing, ClientEvent::RequestAnswered, ClientState::Idle},
    {ClientState::Preparing, ClientEvent::RequestRefused, ClientState::Skipping},
    {ClientState::Active, ClientEvent::BackendGivenBack, ClientState::Idle},
    {ClientState::Active, ClientEvent::RequestAnswered, ClientState::Idle},
    {ClientState::Active, ClientEvent::RequestRefused, ClientState::Skipping},
    {ClientState::Idle, ClientEvent::RequestAnswered, ClientState::Idle},
    {ClientState::Idle, ClientEvent::RequestRefused, ClientState::Skipping},
    {ClientState::Skipping, ClientEvent::SyncSeen, ClientState::Idle},
    {ClientState::Idle, ClientEvent::BackendLent, ClientState::Active},
    {ClientState::Welcoming, ClientEvent::BackendLent, ClientState::Active},
    {ClientState::Skipping, ClientEvent::RequestRefused, ClientState::Skipping},
    {ClientState::Skipping, ClientEvent::RequestAnswered, ClientState::Skipping},
}};

namespace detail {

inline constexpr std::size_t kClientStates = 13;
inline constexpr std::size_t kClientEvents = 17;
using ClientTable =
    std::array<std::array<std::optional<ClientState>, kClientEvents>, kClientStates>;

/// The rules as a table: moving a client is part of every transaction.
constexpr ClientTable make_client_table() {
    ClientTable table{};
    for (const ClientRule& rule : kClientRules) {
        table[static_cast<std::size_t>(rule.from)][static_cast<std::size_t>(rule.event)] = rule.to;
    }
    for (std::size_t state = 0; state + 1 < kClientStates; ++state) {
        table[state][static_cast<std::size_t>(ClientEvent::EndBegan)] = ClientState::Closing;
        table[state][static_cast<std::size_t>(ClientEvent::Ended)] = ClientState::Closed;
    }
    return table;
}

inline constexpr ClientTable kClientTable = make_client_table();
static_assert(static_cast<std::size_t>(ClientState::Closed) + 1 == kClientStates);
static_assert(static_cast<std::size_t>(ClientEvent::Ended) + 1 == kClientEvents);

}  // namespace detail

/// @return the state an event leads to; nothing when the event cannot happen in that state
[[nodiscard]] constexpr std::optional<ClientState> next_state(ClientState from, ClientEvent event) {
    return detail::kClientTable[static_cast<std::size_t>(from)][static_cast<std::size_t>(event)];
}

/// @return the state's own name, for the log and the documents
[[nodiscard]] constexpr std::string_view name_of(ClientState state) {
    switch (state) {
        case ClientState::Startup: return "startup";
        case ClientState::Authenticating: return "authenticating";
        case ClientState::Hashing: return "hashing";
        case ClientState::Welcoming: return "welcoming";
        case ClientState::Idle: return "idle";
        case ClientState::Skipping: return "skipping";
        case ClientState::Waiting: return "waiting";
        case ClientState::Preparing: return "preparing";
        case ClientState::Active: return "active";
        case ClientState::Console: return "console";
        case ClientState::Cancelling: return "cancelling";
        case ClientState::Closing: return "closing";
        case ClientState::Closed: return "closed";
    }
    return "closed";
}

/// The labels of weir_clients{state}: what an operator tells apart.
inline constexpr std::array<std::string_view, 7> kClientLabels = {
    "login", "idle", "waiting", "active", "admin", "cancel", "closing"};

[[nodiscard]] constexpr std::string_view label_of(ClientState state) {
    switch (state) {
        case ClientState::Startup:
        case ClientState::Authenticating:
        case ClientState::Hashing:
        case ClientState::Welcoming: return "login";
        case ClientState::Idle:
        case ClientState::Skipping: return "idle";
        case ClientState::Waiting:
        case ClientState::Preparing: return "waiting";
        case ClientState::Active: return "active";
        case ClientState::Console: return "admin";
        case ClientState::Cancelling: return "cancel";
        case ClientState::Closing:
        case ClientState::Closed: return "closing";
    }
    return "closing";
}

}  // namespace weir::proxy
