#include "net/connector.hpp"
#include "tests/support/connect_support.hpp"
#include "tests/support/stream_support.hpp"

#include <doctest/doctest.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::net {
namespace {

using std::chrono::milliseconds;
using test::Attempt;
using test::FullDoor;
using test::open_door;
using test::Outcome;
using test::tcp;
using test::TemporaryFolder;
using test::turn_until;
using test::unix_at;

TEST_SUITE("net_connector") {
    TEST_CASE("connector: reaches a numeric address, a unix path and an abstract name") {
        const TemporaryFolder folder;
        const std::string abstract = "@weir-dial-" + std::to_string(::getpid());
        const Endpoint rows[] = {
            tcp("127.0.0.1", 0), tcp("::1", 0), unix_at(folder.file("s")), unix_at(abstract)};
        for (const Endpoint& row : rows) {
            if (row.host == "::1" && !test::has_ipv6()) {
                continue;
            }
            CAPTURE(row.text());
            Attempt attempt;
            std::vector<Fd> accepted;
            const auto listener = open_door(attempt.loop, row, accepted);
            attempt.begin(listener->endpoint());
            CHECK(turn_until(attempt.loop, [&] { return attempt.calls > 0 && !accepted.empty(); }));
            REQUIRE(attempt.outcome().code == ErrorCode::Closed);
            CHECK(test::tell(accepted[0], "hello"));
            CHECK(test::heard(**attempt.result) == "hello");
            test::turn_for(attempt.loop, milliseconds{10});
            CHECK(attempt.calls == 1);
        }
    }

    TEST_CASE("connector: says why it was refused") {
        const TemporaryFolder folder;
        const std::string stale = folder.file("stale");
        {
            const auto address = numeric_address(unix_at(stale));
            const Fd left{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
            CHECK(::bind(left.get(), address->get(), address->length) == 0);
        }
        const std::uint16_t port = test::free_port();

        struct Row {
            Endpoint to;
            int error = 0;
        };

        const Row rows[] = {{tcp("127.0.0.1", port), ECONNREFUSED},
                            {unix_at(stale), ECONNREFUSED},
                            {unix_at(folder.file("missing")), ENOENT},
                            {unix_at("/" + std::string(200, 'x')), ENAMETOOLONG}};
        for (const Row& row : rows) {
            CAPTURE(row.to.text());
            Attempt attempt;
            attempt.begin(row.to);
            CHECK(attempt.until_done());
            CHECK(attempt.outcome() == Outcome{ErrorCode::Network, row.error});
            test::turn_for(attempt.loop, milliseconds{10});
            CHECK(attempt.calls == 1);
        }
    }

    TEST_CASE("connector: ends by its deadline when the peer never answers") {
        Attempt attempt;
        const FullDoor door;
        const TimePoint begun = Clock::now();
        attempt.begin(door.endpoint(), milliseconds{50});
        CHECK(attempt.until_done());
        CHECK(attempt.outcome() == Outcome{ErrorCode::Timeout, 0});
        CHECK(Clock::now() - begun >= milliseconds{50});
    }

    TEST_CASE("connector: a deadline of now is a timeout, too") {
        Attempt attempt;
        const FullDoor door;
        attempt.begin(door.endpoint(), milliseconds{0});
        CHECK(attempt.until_done());
        CHECK(attempt.outcome() == Outcome{ErrorCode::Timeout, 0});
    }

    TEST_CASE("connector: destroyed half-way it calls nobody") {
        Attempt attempt;
        const FullDoor door;
        SUBCASE("while it connects") {
            attempt.begin(door.endpoint());
        }
        SUBCASE("while it connects, some turns later") {
            attempt.begin(door.endpoint());
            attempt.loop.run_pending();
        }
        SUBCASE("while a failure waits to be told") {
            attempt.begin(unix_at("/nowhere/at/all"));
        }
        attempt.connector.reset();
        test::turn_for(attempt.loop, milliseconds{20});
        CHECK(attempt.calls == 0);
    }
}

}  // namespace
}  // namespace weir::net
