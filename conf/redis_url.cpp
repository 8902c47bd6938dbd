#include "conf/redis_url.hpp"

#include "conf/percent.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

namespace weir::conf {

namespace {

constexpr std::string_view kForms =
    "accepted: redis://user:password@host:port/db or unix:///path/to/socket?db=0";
constexpr std::string_view kBadPercent =
    "has a bad percent sign (a literal % is written %25, and %00 is nowhere allowed)";
constexpr std::uint16_t kDefaultPort = 6379;
/// Redis counts its databases in an int.
constexpr std::uint64_t kDatabaseMax = std::numeric_limits<std::int32_t>::max();
/// sockaddr_un has room for this and the zero behind it.
constexpr std::size_t kUnixPathMax = 107;

Parsed<RedisAddress> bad(std::string_view what) {
    return Parsed<RedisAddress>::bad(std::string{what} + "; " + std::string{kForms});
}

/// @return what is wrong, or ""
std::string_view read_database(RedisAddress& into, std::string_view digits) {
    const auto number = parse_digits(digits);
    if (!number || *number > kDatabaseMax) {
        return "names a database that is no number from 0 on";
    }
    into.database = static_cast<std::uint32_t>(*number);
    return {};
}

/// @return what is wrong, or ""
std::string_view read_query(RedisAddress& into, std::string_view query) {
    if (query.empty()) {
        return {};
    }
    if (!query.starts_with("db=")) {
        return "has a parameter other than db";
    }
    return read_database(into, query.substr(3));
}

/// @param credentials user:password, :password or user
/// @return what is wrong, or ""
std::string_view read_credentials(RedisAddress& into, std::string_view credentials) {
    const std::size_t colon = credentials.find(':');
    if (colon == std::string_view::npos) {
        return "has a user without a password (a password alone is written :password@)";
    }
    auto user = percent_decoded(credentials.substr(0, colon));
    auto password = percent_decoded(credentials.substr(colon + 1));
    if (!user || !password) {
        return kBadPercent;
    }
    if (password->empty() && !user->empty()) {
        return "has a user without a password (a password alone is written :password@)";
    }
    into.user = std::move(*user);
    into.password = std::move(*password);
    return {};
}

/// @return what is wrong, or ""
std::string_view read_port(Endpoint& into, std::string_view port) {
    const auto number = parse_digits(port);
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint16_t>::max()) {
        return "has a port that is no number from 1 to 65535 (a /, ? or # in a password is written "
               "%2F, %3F or %23)";
    }
    into.port = static_cast<std::uint16_t>(*number);
    return {};
}

/// @return what is wrong, or ""
std::string_view read_host(Endpoint& into, std::string_view text) {
    into.kind = Endpoint::Kind::Tcp;
    into.port = kDefaultPort;
    std::size_t end = std::min(text.find(':'), text.size());
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            return "has an IPv6 address without its ]";
        }
        into.host = text.substr(1, close - 1);
        end = close + 1;
        if (end < text.size() && text[end] != ':') {
            return "has something other than a port after its IPv6 address";
        }
    } else {
        auto host = percent_decoded(text.substr(0, end));
        if (!host) {
            return kBadPercent;
        }
        into.host = std::move(*host);
    }
    if (into.host.empty()) {
        return "has no host";
    }
    return end < text.size() ? read_port(into, text.substr(end + 1)) : std::string_view{};
}

/// Takes user and password off the front of what stands before the path.
/// @return what is wrong, or ""
std::string_view take_credentials(RedisAddress& into, std::string_view& authority) {
    const std::size_t at = authority.rfind('@');
    if (at == std::string_view::npos) {
        return {};
    }
    const std::string_view credentials = authority.substr(0, at);
    authority.remove_prefix(at + 1);
    return read_credentials(into, credentials);
}

std::string_view read_unix(RedisAddress& into, std::string_view authority, std::string_view path) {
    into.endpoint.kind = Endpoint::Kind::Unix;
    if (!authority.empty()) {
        return "has a host before the path of its socket (three slashes: unix:///path)";
    }
    auto decoded = percent_decoded(path);
    if (!decoded) {
        return kBadPercent;
    }
    if (decoded->size() < 2) {
        return "has no path of a socket";
    }
    if (decoded->size() > kUnixPathMax) {
        return "has a path that is too long for a socket (at most 107 bytes)";
    }
    into.endpoint.path = std::move(*decoded);
    return {};
}

std::string_view read_tcp(RedisAddress& into, std::string_view authority, std::string_view path) {
    if (const std::string_view wrong = read_host(into.endpoint, authority); !wrong.empty()) {
        return wrong;
    }
    return path.size() < 2 ? std::string_view{} : read_database(into, path.substr(1));
}

}  // namespace

Parsed<RedisAddress> parse_redis_url(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    const std::string_view scheme = url.substr(0, scheme_end);
    const bool is_unix = scheme == "unix" || scheme == "redis+unix";
    if (scheme_end != std::string_view::npos && scheme == "rediss") {
        return bad(
            "asks for TLS (rediss://), which this version does not speak with Redis: use "
            "redis:// within a trusted network, a unix socket, or a TLS tunnel on this host");
    }
    if (scheme_end == std::string_view::npos || (scheme != "redis" && !is_unix)) {
        return bad("does not begin with redis://, unix:// or redis+unix://");
    }
    std::string_view rest = url.substr(scheme_end + 3);
    const std::size_t authority_end = std::min(rest.find_first_of("/?#"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);
    const std::size_t path_end = std::min(rest.find('?'), rest.size());
    const std::string_view path = rest.substr(0, path_end);
    const std::string_view query = rest.substr(std::min(path_end + 1, rest.size()));

    RedisAddress address;
    std::string_view wrong = take_credentials(address, authority);
    if (wrong.empty()) {
        wrong = is_unix ? read_unix(address, authority, path) : read_tcp(address, authority, path);
    }
    if (wrong.empty() && !query.empty() && path.size() > 1 && !is_unix) {
        wrong = "names its database twice";
    }
    if (wrong.empty()) {
        wrong = read_query(address, query);
    }
    return wrong.empty() ? Parsed<RedisAddress>::good(std::move(address)) : bad(wrong);
}

}  // namespace weir::conf
