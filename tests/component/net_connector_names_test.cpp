#include "net/connector.hpp"
#include "tests/support/connect_support.hpp"

#include <doctest/doctest.h>

#include <dlfcn.h>
#include <netdb.h>

#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Stands in front of the resolver of the C library for names under ".test", so that nobody is asked
// over a network and the answers are ours; everything else goes on to the library.
namespace {

using Resolver = int(const char*, const char*, const addrinfo*, addrinfo**);

/// What "slow.test" waits for. A C function has nowhere else to look.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
std::promise<void>* slow_gate = nullptr;

int ask_library(const char* host, const char* port, const addrinfo* hints, addrinfo** found) {
    auto* const library = reinterpret_cast<Resolver*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return library(host, port, hints, found);
}

}  // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): glibc's are reserved names
extern "C" int getaddrinfo(const char* host,
                           const char* port,
                           const addrinfo* hints,
                           addrinfo** found) {
    const std::string_view name = host == nullptr ? "" : host;
    if (name == "missing.test") {
        return EAI_NONAME;
    }
    if (name == "two.test") {
        // 127.0.0.2 is this machine as well, and nobody listens there.
        const int error = ask_library("127.0.0.2", port, hints, found);
        return error != 0 ? error : ask_library("127.0.0.1", port, hints, &(*found)->ai_next);
    }
    if (name == "slow.test") {
        slow_gate->get_future().wait();
        return ask_library("127.0.0.1", port, hints, found);
    }
    return ask_library(host, port, hints, found);
}

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::Attempt;
using test::FullDoor;
using test::open_door;
using test::tcp;
using test::turn_until;

TEST_SUITE("net_connector_names") {
    TEST_CASE("connector: resolves a name off the loop") {
        Attempt attempt;
        std::vector<Fd> accepted;
        const auto listener = open_door(attempt.loop, tcp("127.0.0.1", 0), accepted);
        attempt.begin(tcp("localhost", listener->endpoint().port));
        CHECK(turn_until(attempt.loop, [&] { return attempt.calls > 0 && !accepted.empty(); }));
        CHECK(attempt.outcome().code == ErrorCode::Closed);
    }

    TEST_CASE("connector: a name that does not exist is an error, not a wait") {
        Attempt attempt;
        attempt.begin(tcp("missing.test", 5432));
        CHECK(attempt.until_done());
        CHECK(attempt.outcome() == test::Outcome{ErrorCode::Network, UV_EAI_NONAME});
        CHECK(attempt.result->error().what() == "host name could not be resolved");
    }

    TEST_CASE("connector: tries the addresses of a name one after the other") {
        Attempt attempt;
        std::vector<Fd> accepted;
        const auto listener = open_door(attempt.loop, tcp("127.0.0.1", 0), accepted);
        attempt.begin(tcp("two.test", listener->endpoint().port));
        CHECK(turn_until(attempt.loop, [&] { return attempt.calls > 0 && !accepted.empty(); }));
        CHECK(attempt.outcome().code == ErrorCode::Closed);
        CHECK(attempt.calls == 1);
    }

    TEST_CASE("connector: when every address refuses, says so once") {
        Attempt attempt;
        attempt.begin(tcp("two.test", test::free_port()));
        CHECK(attempt.until_done());
        CHECK(attempt.outcome() == test::Outcome{ErrorCode::Network, ECONNREFUSED});
        CHECK(attempt.calls == 1);
    }

    TEST_CASE(
        "connector: a last address that never answers is a timeout, whatever the first said") {
        Attempt attempt;
        const FullDoor door;
        attempt.begin(tcp("two.test", door.port()), milliseconds{50});
        CHECK(attempt.until_done());
        CHECK(attempt.outcome() == test::Outcome{ErrorCode::Timeout, 0});
    }

    TEST_CASE("connector: its deadline holds while a name is being resolved, and nothing follows") {
        std::promise<void> gate;
        slow_gate = &gate;
        Attempt attempt;
        std::vector<Fd> accepted;
        const auto listener = open_door(attempt.loop, tcp("127.0.0.1", 0), accepted);
        // This one is kept after it is done, as long as its owner likes.
        int calls = 0;
        std::optional<ErrorCode> code;
        const Connector connector{attempt.loop,
                                  tcp("slow.test", listener->endpoint().port),
                                  Clock::now() + milliseconds{20},
                                  [&](const Result<Fd>& result) {
                                      ++calls;
                                      code = result ? ErrorCode::Closed : result.error().code();
                                  }};
        CHECK(turn_until(attempt.loop, [&calls] { return calls > 0; }));
        CHECK(code == ErrorCode::Timeout);
        gate.set_value();
        test::turn_for(attempt.loop, milliseconds{30});
        CHECK(accepted.empty());
        CHECK(calls == 1);
    }

    TEST_CASE("connector: destroyed while a name is being resolved it calls nobody") {
        std::promise<void> gate;
        slow_gate = &gate;
        Attempt attempt;
        attempt.begin(tcp("slow.test", 5432));
        attempt.connector.reset();
        gate.set_value();
        test::turn_for(attempt.loop, milliseconds{20});
        CHECK(attempt.calls == 0);
    }

    TEST_CASE("connector: a loop may end while a name is being resolved") {
        bool is_called = false;
        EventLoop loop;
        {
            const Connector connector{loop,
                                      tcp("localhost", 5432),
                                      Clock::now() + test::kPatience,
                                      [&is_called](const Result<Fd>&) { is_called = true; }};
        }
        CHECK(!is_called);
    }
}

}  // namespace
}  // namespace weir::net
