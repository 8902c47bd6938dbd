#pragma once

#include "net/socket.hpp"
#include "proxy/client_route.hpp"

#include <memory>
#include <optional>
#include <string>

namespace weir::proxy {

/// What only some clients have: an idle one is to cost little.
struct ClientExtras {
    std::optional<net::SocketName> proxied_name;  ///< the client's, as a balancer tells it
    std::string statement_text;                   ///< of what it runs, where that is kept
    std::unique_ptr<ClientRoute> route;           ///< where its reads may go to replicas
};

}  // namespace weir::proxy
