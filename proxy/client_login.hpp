#pragma once

#include "pool/session_settings.hpp"
#include "proxy/client_auth.hpp"

#include <memory>

namespace weir::proxy {

/// What is needed until a client's login is through; freed then.
struct ClientLogin {
    std::unique_ptr<ClientAuth> auth;
    pool::StartupWishes wishes;
    std::shared_ptr<char> alive;  ///< made when first asked for
    int encryption_requests = 0;
    bool is_direct_tls = false;
    bool awaits_proxy_header = false;
};

}  // namespace weir::proxy
