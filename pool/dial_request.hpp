#pragma once

#include "base/clock.hpp"
#include "base/endpoint.hpp"
#include "net/socket.hpp"
#include "pool/credentials.hpp"
#include "pool/server_tls.hpp"
#include "pool/session_settings.hpp"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace weir::pool {

/// Everything a new backend needs to be opened.
struct DialRequest {
    Endpoint endpoint;
    std::string user;
    std::string database;
    Credentials credentials;
    std::vector<std::pair<std::string, std::string>> settings;  ///< that the session begins with
    std::string replication;  ///< the startup parameter; "" = an ordinary connection
    SettingsPtr startup;      ///< what a client wants its session to begin with; among `settings`
    std::string connect_query;
    net::TcpOptions tcp;
    TimePoint due;  ///< connected, logged in and prepared by then, or not at all
    ServerTls tls;

    // How far it has come; the backend's own.
    enum class Step : std::uint8_t { AskForTls, LogIn };
    Step step = Step::LogIn;
    bool has_redialled = false;
};

}  // namespace weir::pool
