#pragma once

#include "net/socket.hpp"
#include "policies/rate_limit.hpp"
#include "pool/statement_run.hpp"
#include "protocol/error_reply.hpp"
#include "proxy/client_route.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

/// What only some clients have: an idle one is to cost little.
struct ClientExtras {
    std::optional<net::SocketName> proxied_name;  ///< the client's, as a balancer tells it
    std::string statement_text;                   ///< of what it runs, where that is kept
    std::unique_ptr<ClientRoute> route;           ///< where its reads may go to replicas
    /// What the client is to be told where a backend fails in place of its requests, oldest first.
    std::vector<protocol::ErrorFields> refusals;
    policies::RateLimit rate;                  ///< where its statements have one
    std::vector<pool::StatementRun> draining;  ///< answered, and the client has yet to take it
};

}  // namespace weir::proxy
