#include "net/socket.hpp"

#include <uv.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <limits>

namespace weir::net {

namespace {

std::optional<SocketAddress> unix_address(const std::string& path) {
    SocketAddress address;
    auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
    if (path.empty() || path.size() >= sizeof(un->sun_path)) {
        return std::nullopt;
    }
    un->sun_family = AF_UNIX;
    std::memcpy(un->sun_path, path.data(), path.size());
    const bool is_abstract = path.front() == '@';
    if (is_abstract) {
        un->sun_path[0] = '\0';
    }
    address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                            (is_abstract ? 0 : 1));
    return address;
}

template <class Getter>
SocketName name_from(int fd, Getter getter) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    return getter(fd, address.get(), &address.length) == 0 ? name_of(address) : SocketName{};
}

void set_option(int fd, int level, int option, int value) {
    ::setsockopt(fd, level, option, &value, sizeof(value));
}

/// @return as the kernel takes it: at least one, at most the 32767 it allows
int whole_seconds(std::chrono::milliseconds duration) {
    constexpr std::int64_t kMost = 32767;
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(duration).count();
    return static_cast<int>(std::clamp<std::int64_t>(seconds, 1, kMost));
}

}  // namespace

std::optional<SocketAddress> numeric_address(const Endpoint& endpoint) {
    if (endpoint.kind == Endpoint::Kind::Unix) {
        return unix_address(endpoint.path);
    }
    SocketAddress address;
    auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
    if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(endpoint.port);
        address.length = sizeof(sockaddr_in);
        return address;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(endpoint.port);
        address.length = sizeof(sockaddr_in6);
        return address;
    }
    return std::nullopt;
}

SocketName name_of(const SocketAddress& address) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address.storage.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text.data(), text.size());
        return {text.data(), ntohs(v4->sin_port)};
    }
    if (address.storage.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text.data(), text.size());
        return {text.data(), ntohs(v6->sin6_port)};
    }
    return {std::string{kUnixName}, 0};
}

/// Also of a connection that has been reset, which getpeername() does not tell.
SocketName peer_name(int fd) {
    return name_from(fd, [](int socket, sockaddr* name, socklen_t* length) {
        if (::getpeername(socket, name, length) == 0) {
            return 0;
        }
        // SO_PEERNAME wants to be asked for no more than it has: as much as our own name.
        return ::getsockname(socket, name, length) == 0
                   ? ::getsockopt(socket, SOL_SOCKET, SO_PEERNAME, name, length)
                   : -1;
    });
}

SocketName local_name(int fd) {
    return name_from(fd, ::getsockname);
}

std::optional<uid_t> peer_user_id(int fd) {
    ucred credentials{};
    socklen_t length = sizeof(credentials);
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) != 0) {
        return std::nullopt;
    }
    return credentials.uid;
}

Endpoint local_endpoint(int fd) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    if (::getsockname(fd, address.get(), &address.length) != 0) {
        return {};
    }
    if (address.storage.ss_family != AF_UNIX) {
        const SocketName name = name_of(address);
        return {Endpoint::Kind::Tcp, name.address, static_cast<std::uint16_t>(name.port), ""};
    }
    const auto* un = reinterpret_cast<const sockaddr_un*>(&address.storage);
    std::string path{un->sun_path, address.length - offsetof(sockaddr_un, sun_path)};
    if (!path.empty() && path.front() == '\0') {
        path.front() = '@';
    } else {
        path.resize(std::min(path.find('\0'), path.size()));
    }
    return {Endpoint::Kind::Unix, "", 0, std::move(path)};
}

std::pair<Fd, Fd> connected_pair() {
    std::array<int, 2> ends{-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
        return {};
    }
    return {Fd{ends[0]}, Fd{ends[1]}};
}

std::string error_text(int error) {
    return error < 0 ? uv_strerror(error) : std::generic_category().message(error);
}

void tune(int fd, const TcpOptions& options) {
    SocketAddress address;
    address.length = sizeof(address.storage);
    if (::getsockname(fd, address.get(), &address.length) != 0 ||
        address.storage.ss_family == AF_UNIX) {
        return;
    }
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (options.keepalive.count() > 0) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, whole_seconds(options.keepalive));
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, whole_seconds(options.keepalive_interval));
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(options.keepalive_count));
    }
    if (options.user_timeout.count() > 0) {
        constexpr std::int64_t kLongest = std::numeric_limits<int>::max();
        set_option(
            fd,
            IPPROTO_TCP,
            TCP_USER_TIMEOUT,
            static_cast<int>(std::min<std::int64_t>(options.user_timeout.count(), kLongest)));
    }
}

}  // namespace weir::net
