#include "net/listener.hpp"
#include "net/socket.hpp"
#include "tests/support/connect_support.hpp"

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

// Stands in front of the C library's accept4(), which is hard to make fail on purpose.
namespace {

// A C function has nowhere else to look.
int accepts_failing = 0;    // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)
int accept_error = EMFILE;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

}  // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved names
extern "C" int accept4(int fd, sockaddr* address, socklen_t* length, int flags) {
    using Accept = int(int, sockaddr*, socklen_t*, int);
    auto* const library = reinterpret_cast<Accept*>(::dlsym(RTLD_NEXT, "accept4"));
    if (accepts_failing > 0) {
        --accepts_failing;
        errno = accept_error;
        return -1;
    }
    return library(fd, address, length, flags);
}

namespace weir::net {
namespace {

using test::tcp;
using test::TemporaryFolder;
using test::turn_until;
using test::unix_at;

/// Opens listeners and keeps what they accept.
struct Door {
    std::unique_ptr<Listener> open(const Endpoint& endpoint) {
        return Listener::open(
            loop, endpoint, options, [this](Fd fd) { accepted.push_back(std::move(fd)); }, problem);
    }

    [[nodiscard]] bool until_accepted(std::size_t count) {
        return turn_until(loop, [this, count] { return accepted.size() >= count; });
    }

    EventLoop loop;
    ListenOptions options;
    std::vector<Fd> accepted;
    std::string problem;
};

/// @return a blocking socket connected to the endpoint, or a closed one
Fd dial(const Endpoint& endpoint) {
    const auto address = numeric_address(endpoint);
    Fd fd{::socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (::connect(fd.get(), address->get(), address->length) != 0) {
        fd.reset();
    }
    return fd;
}

/// A socket of any type bound to a path and left there.
Fd bound_to(const std::string& path, int type) {
    const auto address = numeric_address(unix_at(path));
    Fd fd{::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)};
    CHECK(::bind(fd.get(), address->get(), address->length) == 0);
    return fd;
}

TEST_SUITE("net_listener") {
    TEST_CASE("listener: on port 0 it says which port it got, and accepts there") {
        for (const char* host : {"127.0.0.1", "localhost", "::1"}) {
            if (std::string{"::1"} == host && !test::has_ipv6()) {
                continue;
            }
            CAPTURE(host);
            Door door;
            const auto listener = door.open(tcp(host, 0));
            CAPTURE(door.problem);
            REQUIRE(listener != nullptr);
            CHECK(listener->endpoint().port != 0);
            const Fd one = dial(listener->endpoint());
            const Fd two = dial(listener->endpoint());
            CHECK(two.is_open());
            CHECK(door.until_accepted(2));
            const int accepted = door.accepted[0].get();
            CHECK(peer_name(accepted).port == local_name(one.get()).port);
            CHECK((::fcntl(accepted, F_GETFL) & O_NONBLOCK) != 0);
            CHECK((::fcntl(accepted, F_GETFD) & FD_CLOEXEC) != 0);
        }
    }

    TEST_CASE("listener: accepts more clients than one turn takes") {
        Door door;
        const auto listener = door.open(tcp("127.0.0.1", 0));
        std::vector<Fd> clients;
        clients.reserve(150);
        for (int i = 0; i < 150; ++i) {
            clients.push_back(dial(listener->endpoint()));
        }
        CHECK(door.until_accepted(150));
    }

    TEST_CASE("listener: stops listening at its end") {
        Door door;
        auto listener = door.open(tcp("127.0.0.1", 0));
        const Endpoint where = listener->endpoint();
        listener.reset();
        CHECK(!dial(where).is_open());
        CHECK(door.open(where) != nullptr);
    }

    TEST_CASE("listener: a taken port is refused with a reason for people") {
        Door door;
        const auto first = door.open(tcp("127.0.0.1", 0));
        const Endpoint where = first->endpoint();
        CHECK(door.open(where) == nullptr);
        CHECK(door.problem == "cannot bind " + where.text() + ": Address already in use");
    }

    TEST_CASE("listener: a name or a path that is too long is refused") {
        Door door;
        CHECK(door.open(tcp("db.example", 5432)) == nullptr);
        CHECK(door.problem.find("cannot listen on db.example:5432") == 0);
        door.problem.clear();
        CHECK(door.open(unix_at("/" + std::string(200, 'x'))) == nullptr);
        CHECK(door.problem.find("at most 107 characters") != std::string::npos);
    }

    TEST_CASE("listener: a unix socket has the mode asked for and goes away at the end") {
        const TemporaryFolder folder;
        const std::string path = folder.file("s");
        Door door;
        door.options.unix_socket_mode = 0600;
        auto listener = door.open(unix_at(path));
        REQUIRE(listener != nullptr);
        CHECK(std::filesystem::is_socket(path));
        CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms{0600});
        const Fd client = dial(unix_at(path));
        CHECK(client.is_open());
        CHECK(door.until_accepted(1));
        CHECK(peer_name(door.accepted[0].get()).address == "unix");
        listener.reset();
        CHECK(!std::filesystem::exists(path));
    }

    TEST_CASE("listener: an abstract name leaves no file") {
        Door door;
        const Endpoint where = unix_at("@weir-test-" + std::to_string(::getpid()));
        auto listener = door.open(where);
        CAPTURE(door.problem);
        REQUIRE(listener != nullptr);
        const Fd client = dial(where);
        CHECK(client.is_open());
        CHECK(door.until_accepted(1));
        CHECK(door.open(where) == nullptr);
        listener.reset();
        CHECK(door.open(where) != nullptr);
    }

    TEST_CASE("listener: replaces a socket file that somebody left behind") {
        const TemporaryFolder folder;
        const std::string path = folder.file("s");
        bound_to(path, SOCK_STREAM).reset();
        REQUIRE(std::filesystem::is_socket(path));
        Door door;
        const auto listener = door.open(unix_at(path));
        CAPTURE(door.problem);
        REQUIRE(listener != nullptr);
        const Fd client = dial(unix_at(path));
        CHECK(client.is_open());
    }

    TEST_CASE("listener: leaves a socket alone that somebody still serves") {
        const TemporaryFolder folder;
        const std::string path = folder.file("s");
        Door door;
        SUBCASE("with room for clients") {
            const auto first = door.open(unix_at(path));
            CHECK(door.open(unix_at(path)) == nullptr);
            CHECK(dial(unix_at(path)).is_open());
        }
        SUBCASE("with its backlog full") {
            const Fd busy = bound_to(path, SOCK_STREAM);
            CHECK(::listen(busy.get(), 0) == 0);
            const Fd waiting = dial(unix_at(path));
            CHECK(door.open(unix_at(path)) == nullptr);
        }
        SUBCASE("that takes datagrams") {
            const Fd other = bound_to(path, SOCK_DGRAM);
            CHECK(door.open(unix_at(path)) == nullptr);
        }
        SUBCASE("that keeps message boundaries") {
            const Fd other = bound_to(path, SOCK_SEQPACKET);
            CHECK(::listen(other.get(), 8) == 0);
            CHECK(door.open(unix_at(path)) == nullptr);
        }
        CHECK(door.problem == "cannot bind unix:" + path + ": Address already in use");
    }

    TEST_CASE("listener: never removes a file that is no socket") {
        const TemporaryFolder folder;
        const std::string path = folder.file("precious");
        std::ofstream{path} << "data";
        Door door;
        CHECK(door.open(unix_at(path)) == nullptr);
        CHECK(door.problem == "cannot bind unix:" + path + ": File exists");
        CHECK(std::filesystem::file_size(path) == 4);
    }

    TEST_CASE("listener: a folder that is not there is refused with a reason") {
        const TemporaryFolder folder;
        const std::string path = folder.file("missing/s");
        Door door;
        CHECK(door.open(unix_at(path)) == nullptr);
        CHECK(door.problem == "cannot bind unix:" + path + ": No such file or directory");
    }

    TEST_CASE("listener: out of descriptors it rests, and accepts when there are some again") {
        Door door;
        const auto listener = door.open(tcp("127.0.0.1", 0));
        const Fd client = dial(listener->endpoint());
        accepts_failing = 1;
        const TimePoint begun = Clock::now();
        CHECK(door.until_accepted(1));
        CHECK(accepts_failing == 0);
        CHECK(Clock::now() - begun >= std::chrono::milliseconds{100});
    }

    TEST_CASE("listener: a client that is gone again before it is accepted is passed over") {
        Door door;
        const auto listener = door.open(tcp("127.0.0.1", 0));
        const Fd client = dial(listener->endpoint());
        accept_error = ECONNABORTED;
        accepts_failing = 1;
        door.loop.run_pending();  // no waiting: it did not rest
        CHECK(door.accepted.size() == 1);
        accept_error = EMFILE;
    }
}

}  // namespace
}  // namespace weir::net
