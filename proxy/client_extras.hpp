#pragma once

#include "base/clock.hpp"
#include "base/sqlstate.hpp"
#include "net/socket.hpp"
#include "policies/rate_limit.hpp"
#include "pool/statement_run.hpp"
#include "protocol/error_reply.hpp"
#include "proxy/client_cache.hpp"
#include "proxy/client_route.hpp"
#include "proxy/console.hpp"
#include "proxy/own_session.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::proxy {

/// A statement that has been answered, and whose client has yet to take the answer.
struct DrainingRun {
    pool::StatementRun run;
    std::string member;  ///< the replica that ran it; "" = none
};

/// A request that was answered before it had a backend, while its message waited to be read.
struct RefusedRequest {
    SqlState sqlstate;
    std::string message;
    Duration waited{};
    pool::WaitReason wait_reason = pool::WaitReason::None;
};

/// How a client's session ends.
struct SessionEnd {
    SqlState sqlstate;
    std::string why;  ///< for people
};

/// How the server reads the text of statements, as far as settings tell.
struct TextReading {
    bool is_plain = false;  ///< it means what it seems to, as far as is known
    bool is_known = false;  ///< the server has told

    /// @return whether this one means what it seems to: without a backslash it does however it is
    /// read
    [[nodiscard]] bool is_certain_of(std::string_view text) const {
        return is_plain && (is_known || text.find('\\') == std::string_view::npos);
    }
};

/// What was found out for the last settings of a session.
struct LastTextReading {
    pool::SettingsPtr settings;
    std::uint32_t defaults_version = 0;  ///< of its pool
    TextReading reading;
};

/// What only some clients have: an idle one is to cost little.
struct ClientExtras {
    /// The client's, as a balancer tells it, or where its own socket is not there to be asked.
    std::optional<net::SocketName> known_name;
    std::unique_ptr<Console> console;    ///< where it is at the admin database
    std::optional<SessionEnd> end;       ///< what ends it, from when that is known
    std::string statement_text;          ///< of what it runs, where that is kept
    std::unique_ptr<ClientRoute> route;  ///< where its reads may go to replicas
    LastTextReading text;
    /// What the client is to be told where a backend fails in place of its requests, oldest first.
    std::vector<protocol::ErrorFields> refusals;
    policies::RateLimit rate;           ///< where its statements have one
    std::vector<DrainingRun> draining;  ///< in the order they were answered in
    std::optional<RefusedRequest> refused;
    std::unique_ptr<ClientCache> cached;  ///< where its reads may be answered from the cache
    std::shared_ptr<OwnSession> own;      ///< where its client is this process itself
};

}  // namespace weir::proxy
