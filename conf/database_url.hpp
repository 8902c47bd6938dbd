#pragma once

#include "conf/model.hpp"
#include "conf/units.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::conf {

/// A host after the first one; `port` may be "".
struct NextHost {
    std::string host;
    std::string port;
};

/// What a postgres:// URL says; an empty part was not said.
struct DatabaseUrl {
    std::string user;
    std::string password;
    std::string host;  ///< a name, an address without brackets, or a folder ("/run/postgresql")
    std::string port;
    std::vector<NextHost> next_hosts;  ///< of host1:port1,host2:port2
    std::string dbname;
    std::string application_name;
    std::optional<milliseconds> connect_timeout;
    TlsOverrides tls;  ///< sslmode, sslrootcert, sslcert, sslkey, ssl_min_protocol_version
    std::vector<std::string> ignored;  ///< parameters that mean nothing to Weir
};

/// Reads postgres://user:password@host:port/db?parameters as libpq does: parts are percent-decoded,
/// and user, password, host, port and dbname may be parameters too. No problem shows any part of
/// the URL but a parameter's name.
///
/// @source PostgreSQL 15 manual, "Connection URIs"
[[nodiscard]] Parsed<DatabaseUrl> parse_database_url(std::string_view url);

/// @return the mode libpq calls so
[[nodiscard]] std::optional<TlsMode> parse_sslmode(std::string_view word);

}  // namespace weir::conf
