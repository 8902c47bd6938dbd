#include "conf/database_url.hpp"

#include "conf/percent.hpp"

#include <array>
#include <charconv>

namespace weir::conf {

namespace {

constexpr std::string_view kForm = R"(accepted: postgres://user:password@host:port/database)";
constexpr std::string_view kSslModes = "disable, allow, prefer, require, verify-ca, verify-full";
/// A day; libpq takes any number of seconds.
constexpr std::uint64_t kMaxConnectSeconds = 86'400;

Parsed<DatabaseUrl> bad(std::string_view what) {
    return Parsed<DatabaseUrl>::bad(std::string{what} + "; " + std::string{kForm});
}

/// Takes `text` up to `separator` off its front; all of it when there is none.
std::string_view take_until(std::string_view& text, char separator) {
    const std::size_t end = std::min(text.find(separator), text.size());
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return taken;
}

/// @return what is wrong, or "", or nothing when the parameter is none of TLS's
std::optional<std::string> apply_tls_parameter(TlsOverrides& tls,
                                               std::string_view name,
                                               const std::string& value) {
    if (name == "sslmode") {
        tls.mode = parse_sslmode(value);
        return tls.mode ? "" : "has an unknown sslmode; accepted: " + std::string{kSslModes};
    }
    if (name == "ssl_min_protocol_version") {
        const bool is_13 = value == "TLSv1.3";
        tls.min_version = is_13 ? TlsVersion::V13 : TlsVersion::V12;
        return is_13 || value == "TLSv1.2" || value.empty()
                   ? ""
                   : "has an unknown ssl_min_protocol_version; accepted: TLSv1.2, TLSv1.3";
    }
    std::optional<std::string>* file = name == "sslrootcert" ? &tls.ca_file
                                       : name == "sslcert"   ? &tls.cert_file
                                       : name == "sslkey"    ? &tls.key_file
                                                             : nullptr;
    if (file == nullptr) {
        return std::nullopt;
    }
    *file = value;
    return "";
}

/// @return what is wrong, or ""
std::string apply_parameter(DatabaseUrl& url, std::string_view name, const std::string& value) {
    struct Text {
        std::string_view name;
        std::string DatabaseUrl::*field;
    };

    constexpr std::array kTexts{Text{"user", &DatabaseUrl::user},
                                Text{"password", &DatabaseUrl::password},
                                Text{"host", &DatabaseUrl::host},
                                Text{"port", &DatabaseUrl::port},
                                Text{"dbname", &DatabaseUrl::dbname},
                                Text{"application_name", &DatabaseUrl::application_name}};
    for (const Text& text : kTexts) {
        if (text.name == name) {
            url.*text.field = value;
            return {};
        }
    }
    if (const auto tls = apply_tls_parameter(url.tls, name, value)) {
        return *tls;
    }
    if (name == "connect_timeout") {
        const auto seconds = parse_digits(value);
        if (!seconds || *seconds > kMaxConnectSeconds) {
            return "has a connect_timeout that is no number of seconds; accepted: 0 to " +
                   std::to_string(kMaxConnectSeconds);
        }
        url.connect_timeout = std::chrono::seconds{static_cast<std::int64_t>(*seconds)};
        return {};
    }
    url.ignored.emplace_back(name);
    return {};
}

std::string read_parameters(DatabaseUrl& url, std::string_view query) {
    while (!query.empty()) {
        std::string_view pair = take_until(query, '&');
        const std::string_view name = take_until(pair, '=');
        const auto value = percent_decoded(pair);
        if (!value) {
            return "has a bad percent sign in a parameter; accepted: %XX with two hexadecimal "
                   "digits";
        }
        if (std::string wrong = apply_parameter(url, name, *value); !wrong.empty()) {
            return wrong;
        }
    }
    return {};
}

/// @return what is wrong, or ""
std::string_view read_host(NextHost& into, std::string_view host) {
    if (!host.empty() && host.front() == '[') {
        const std::size_t close = host.find(']');
        if (close == std::string_view::npos) {
            return "has an IPv6 address without its ]";
        }
        into.host = host.substr(1, close - 1);
        host.remove_prefix(close + 1);
        if (!host.empty() && host.front() != ':') {
            return "has something other than a port after its IPv6 address";
        }
        into.port = host.substr(std::min<std::size_t>(1, host.size()));
        return {};
    }
    const auto name = percent_decoded(take_until(host, ':'));
    if (!name) {
        return "has a bad percent sign in its host";
    }
    into.host = *name;
    into.port = host;
    return {};
}

/// @return what is wrong, or ""
std::string_view read_hosts(DatabaseUrl& url, std::string_view hosts) {
    NextHost first;
    std::string_view wrong = read_host(first, take_until(hosts, ','));
    url.host = std::move(first.host);
    url.port = std::move(first.port);
    while (wrong.empty() && !hosts.empty()) {
        wrong = read_host(url.next_hosts.emplace_back(), take_until(hosts, ','));
    }
    return wrong;
}

}  // namespace

std::optional<TlsMode> parse_sslmode(std::string_view word) {
    struct Mode {
        std::string_view word;
        TlsMode mode;
    };

    constexpr std::array kModes{Mode{"disable", TlsMode::Disable},
                                Mode{"allow", TlsMode::Allow},
                                Mode{"prefer", TlsMode::Prefer},
                                Mode{"require", TlsMode::Require},
                                Mode{"verify-ca", TlsMode::VerifyCa},
                                Mode{"verify-full", TlsMode::VerifyFull}};
    for (const Mode& mode : kModes) {
        if (mode.word == word) {
            return mode.mode;
        }
    }
    return std::nullopt;
}

Parsed<DatabaseUrl> parse_database_url(std::string_view url) {
    const std::size_t scheme_end = url.find("://");
    const std::string_view scheme = url.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos || (scheme != "postgres" && scheme != "postgresql")) {
        return bad("does not begin with postgres:// or postgresql://");
    }
    std::string_view rest = url.substr(scheme_end + 3);
    const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
    std::string_view authority = rest.substr(0, authority_end);
    rest.remove_prefix(authority_end);

    DatabaseUrl result;
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
        std::string_view credentials = authority.substr(0, at);
        authority.remove_prefix(at + 1);
        const auto user = percent_decoded(take_until(credentials, ':'));
        const auto password = percent_decoded(credentials);
        if (!user || !password) {
            return bad(
                "has a bad percent sign in its user or password (a literal % is written %25)");
        }
        result.user = *user;
        result.password = *password;
    }
    if (const std::string_view wrong = read_hosts(result, authority); !wrong.empty()) {
        return bad(wrong);
    }
    std::string_view path = take_until(rest, '?');
    path.remove_prefix(std::min<std::size_t>(1, path.size()));
    const auto dbname = percent_decoded(path);
    if (!dbname) {
        return bad("has a bad percent sign in its database");
    }
    result.dbname = *dbname;
    const std::string wrong = read_parameters(result, rest);
    return wrong.empty() ? Parsed<DatabaseUrl>::good(std::move(result))
                         : Parsed<DatabaseUrl>::bad(wrong);
}

}  // namespace weir::conf
