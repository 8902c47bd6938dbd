#include "conf/address.hpp"

#include <arpa/inet.h>
#include <sys/un.h>

#include <algorithm>
#include <array>

namespace weir::conf {

namespace {

constexpr std::string_view kForms =
    R"(accepted: "host:port", "[::1]:port", "unix:/folder", "unix:@abstract")";
constexpr std::string_view kSocketPrefix = ".s.PGSQL.";
constexpr std::string_view kUnixPrefix = "unix:";
/// One byte less than the kernel's field: the terminating zero.
constexpr std::size_t kMaxSocketPathBytes = sizeof(sockaddr_un::sun_path) - 1;
/// RFC 1035 section 2.3.4: a name has at most 255 bytes on the wire, 253 as text.
constexpr std::size_t kMaxHostBytes = 253;

Parsed<Address> complain(std::string_view what) {
    return Parsed<Address>::bad(std::string{what} + "; " + std::string{kForms});
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
    const auto number = parse_digits(text);
    const bool fits = number && *number >= 1 && *number <= 65535 && text.size() <= 5;
    return fits ? std::optional{static_cast<std::uint16_t>(*number)} : std::nullopt;
}

bool is_ipv6(std::string_view host) {
    std::array<unsigned char, 16> parsed{};
    // A zone ("fe80::1%eth0") is the resolver's business.
    return ::inet_pton(
               AF_INET6, std::string{host.substr(0, host.find('%'))}.c_str(), parsed.data()) == 1;
}

bool is_host(std::string_view host) {
    const auto is_plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.' || c == '_';
    };
    return host == "*" || (!host.empty() && host.size() <= kMaxHostBytes &&
                           std::all_of(host.begin(), host.end(), is_plain));
}

Parsed<Address> parse_unix(std::string_view text, std::uint16_t unix_port) {
    std::string_view path = text.substr(kUnixPrefix.size());
    Address address{Address::Kind::Unix, {}, unix_port, {}};
    if (path.size() < 2 || (path.front() != '/' && path.front() != '@')) {
        return complain("names no unix socket");
    }
    if (path.front() == '@') {
        address.path = path;
    } else {
        const std::size_t name_at = path.rfind('/') + 1;
        const std::string_view name = path.substr(name_at);
        if (name.substr(0, kSocketPrefix.size()) == kSocketPrefix) {
            const auto port = parse_port(name.substr(kSocketPrefix.size()));
            if (!port) {
                return complain("has no port from 1 to 65535 after .s.PGSQL.");
            }
            address.port = *port;
            address.path = path;
        } else {
            const std::size_t colon = path.rfind(':');
            const auto port = colon == std::string_view::npos ? std::optional{unix_port}
                                                              : parse_port(path.substr(colon + 1));
            if (!port) {
                return complain("has no port from 1 to 65535 after its last colon");
            }
            address = unix_address(path.substr(0, colon), *port);
        }
    }
    if (address.path.size() > kMaxSocketPathBytes) {
        return complain("is longer than the " + std::to_string(kMaxSocketPathBytes) +
                        " bytes a unix socket's path may have");
    }
    return Parsed<Address>::good(std::move(address));
}

}  // namespace

Address unix_address(std::string_view folder, std::uint16_t port) {
    while (folder.size() > 1 && folder.back() == '/') {
        folder.remove_suffix(1);
    }
    std::string path{folder};
    if (path != "/") {
        path += '/';
    }
    path += kSocketPrefix;
    path += std::to_string(port);
    return {Address::Kind::Unix, {}, port, std::move(path)};
}

Parsed<Address> parse_address(std::string_view text, std::uint16_t unix_port) {
    if (text.substr(0, kUnixPrefix.size()) == kUnixPrefix) {
        return parse_unix(text, unix_port);
    }
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos || text.back() == ']') {
        return complain("has no port");
    }
    std::string_view host = text.substr(0, colon);
    const auto port = parse_port(text.substr(colon + 1));
    if (!port) {
        return complain("has no port from 1 to 65535 after its last colon");
    }
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
        host = host.substr(1, host.size() - 2);
        if (!is_ipv6(host)) {
            return complain("has no IPv6 address in its brackets");
        }
    } else if (host.find(':') != std::string_view::npos) {
        return complain("is an IPv6 address without brackets");
    } else if (!is_host(host)) {
        return complain(host.empty() ? "has no host"
                                     : "has a host with characters no host name has");
    }
    return Parsed<Address>::good({Address::Kind::Tcp, std::string{host}, *port, {}});
}

}  // namespace weir::conf
