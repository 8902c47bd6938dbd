#include "net/socket.hpp"

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <string>

namespace weir::net {
namespace {

using std::chrono::milliseconds;

Endpoint tcp(const std::string& host, std::uint16_t port) {
    return {Endpoint::Kind::Tcp, host, port, {}};
}

Endpoint unix_at(const std::string& path) {
    return {Endpoint::Kind::Unix, {}, 0, path};
}

int option(const Fd& fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof(value);
    ::getsockopt(fd.get(), level, name, &value, &length);
    return value;
}

TEST_SUITE("socket") {
    TEST_CASE("numeric address: takes IPv4 and IPv6, and gives them back by name") {
        struct Row {
            const char* host;
            sa_family_t family;
            socklen_t length;
            const char* name;
        };

        const Row rows[] = {
            {"127.0.0.1", AF_INET, sizeof(sockaddr_in), "127.0.0.1"},
            {"0.0.0.0", AF_INET, sizeof(sockaddr_in), "0.0.0.0"},
            {"255.255.255.255", AF_INET, sizeof(sockaddr_in), "255.255.255.255"},
            {"::1", AF_INET6, sizeof(sockaddr_in6), "::1"},
            {"::", AF_INET6, sizeof(sockaddr_in6), "::"},
            {"2001:DB8:0:0::7", AF_INET6, sizeof(sockaddr_in6), "2001:db8::7"},
            {"::ffff:10.0.0.1", AF_INET6, sizeof(sockaddr_in6), "::ffff:10.0.0.1"},
        };
        for (const Row& row : rows) {
            CAPTURE(row.host);
            const auto address = numeric_address(tcp(row.host, 65432));
            REQUIRE(address);
            CHECK(address->storage.ss_family == row.family);
            CHECK(address->length == row.length);
            CHECK(name_of(*address).address == row.name);
            CHECK(name_of(*address).port == 65432);
        }
    }

    TEST_CASE("numeric address: leaves names to the resolver") {
        for (const char* host :
             {"", "localhost", "db.example", "127.0.0", "127.0.0.1.", "1", "[::1]", "*", "::1::"}) {
            CAPTURE(host);
            CHECK(!numeric_address(tcp(host, 5432)));
        }
    }

    TEST_CASE("numeric address: a unix path ends with a zero byte, an abstract name begins so") {
        const auto file = numeric_address(unix_at("/run/weir/.s.PGSQL.6432"));
        REQUIRE(file);
        const auto* un = reinterpret_cast<const sockaddr_un*>(&file->storage);
        CHECK(un->sun_family == AF_UNIX);
        CHECK(std::string{un->sun_path} == "/run/weir/.s.PGSQL.6432");
        CHECK(file->length == offsetof(sockaddr_un, sun_path) + 24);
        CHECK(name_of(*file).address == "unix");
        CHECK(name_of(*file).port == 0);

        const auto abstract = numeric_address(unix_at("@weir"));
        REQUIRE(abstract);
        un = reinterpret_cast<const sockaddr_un*>(&abstract->storage);
        CHECK(un->sun_path[0] == '\0');
        CHECK(std::string{un->sun_path + 1, 4} == "weir");
        CHECK(abstract->length == offsetof(sockaddr_un, sun_path) + 5);
    }

    TEST_CASE("numeric address: a unix path is as long as the kernel takes, and no longer") {
        constexpr std::size_t kLongest = sizeof(sockaddr_un::sun_path) - 1;
        CHECK(numeric_address(unix_at("/" + std::string(kLongest - 1, 'x'))));
        CHECK(!numeric_address(unix_at("/" + std::string(kLongest, 'x'))));
        CHECK(!numeric_address(unix_at("")));
    }

    TEST_CASE("socket names: a descriptor that is no socket has none") {
        CHECK(local_name(-1).address.empty());
        CHECK(peer_name(-1).address.empty());
        CHECK(peer_name(-1).port == 0);
    }

    TEST_CASE("socket names: a connection that was reset still has its peer's") {
        const Fd listening{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        auto here = numeric_address(tcp("127.0.0.1", 0));
        REQUIRE(here);
        REQUIRE(::bind(listening.get(), here->get(), here->length) == 0);
        REQUIRE(::listen(listening.get(), 1) == 0);
        Fd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        here = numeric_address(
            tcp("127.0.0.1", static_cast<std::uint16_t>(local_name(listening.get()).port)));
        REQUIRE(::connect(client.get(), here->get(), here->length) == 0);
        const int port = local_name(client.get()).port;
        const Fd accepted{::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC)};
        const linger reset{.l_onoff = 1, .l_linger = 0};
        ::setsockopt(client.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        client.reset();
        pollfd ended{.fd = accepted.get(), .events = POLLIN, .revents = 0};
        REQUIRE(::poll(&ended, 1, 5000) == 1);
        CHECK(peer_name(accepted.get()).address == "127.0.0.1");
        CHECK(peer_name(accepted.get()).port == port);
    }

    TEST_CASE("tune: switches delay off and keepalive on, rounding up to whole seconds") {
        const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        TcpOptions options;
        options.keepalive = milliseconds{1500};
        options.keepalive_interval = milliseconds{7000};
        options.keepalive_count = 5;
        options.user_timeout = milliseconds{4500};
        tune(fd.get(), options);
        CHECK(option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 7);
        CHECK(option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 5);
        CHECK(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 4500);
        CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
        CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
        CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 2);
    }

    TEST_CASE("tune: zero leaves keepalive off, and a unix socket is left alone") {
        const Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        tune(fd.get(), TcpOptions{});
        CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) != 0);
        CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 0);
        const Fd local{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        TcpOptions options;
        options.keepalive = milliseconds{1000};
        tune(local.get(), options);
        CHECK(option(local, SOL_SOCKET, SO_KEEPALIVE) == 0);
    }
}

}  // namespace
}  // namespace weir::net
