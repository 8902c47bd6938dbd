#pragma once

#include "conf/load.hpp"
#include "conf/model.hpp"
#include "net/tls_context.hpp"
#include "pool/server_tls.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weir::proxy {

/// Certificates and keys of one configuration, read from their files. Never changed; a reload makes
/// another one. Thread: any.
struct TlsContexts {
    net::TlsContextPtr client;                       ///< null: clients get no TLS
    std::map<std::string, pool::ServerTls> servers;  ///< by cluster; those without TLS are not here

    [[nodiscard]] pool::ServerTls server(const std::string& cluster) const {
        const auto found = servers.find(cluster);
        return found == servers.end() ? pool::ServerTls{} : found->second;
    }
};

using TlsContextsPtr = std::shared_ptr<const TlsContexts>;

struct TlsOpened {
    TlsContextsPtr contexts;  ///< null when there are problems
    std::vector<conf::Problem> problems;
};

/// Reads every file that the TLS sections name. Never on an event loop.
/// @param where what `config` was loaded with: places for the problems
[[nodiscard]] TlsOpened open_tls(const conf::Config& config, const conf::LoadResult& where);

}  // namespace weir::proxy
