#include "tests/support/pool_support.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::pool {
namespace {

using std::chrono::milliseconds;
using test::Borrower;
using test::PoolRig;
using test::ServerConnection;

constexpr milliseconds kLimit{60};

void one_connection(PoolPlan& plan) {
    plan.settings.max = 1;
}

/// A client whose statements are limited, and a server that keeps cancel requests open until it is
/// told to close them.
struct LimitScene {
    LimitScene() {
        rig.server.on_cancel = [this](ServerConnection& connection) { canceller = &connection; };
        REQUIRE(rig.lend_to(client));
        client.backend->limit_statements(kLimit);
        id = client.backend->id();
    }

    PoolRig rig{one_connection};
    Borrower client{rig.loop, *rig.pool};
    ServerConnection* canceller = nullptr;
    std::uint64_t id = 0;
};

TEST_SUITE("pool_timeout") {
    TEST_CASE("pool: a statement that takes too long is cancelled and told in our words") {
        LimitScene scene;
        scene.client.query("SLOW");
        REQUIRE(scene.rig.until([&] { return scene.client.ends == 1; }));
        CHECK(scene.client.replies.find("canceling statement due to statement timeout") !=
              std::string::npos);
        CHECK(scene.client.replies.find("57014") != std::string::npos);
        CHECK(scene.rig.counters.statement_timeouts.value() == 1);
        CHECK(scene.client.losses.empty());
        SUBCASE("until the cancel has done its work the next statement must wait") {
            CHECK(scene.client.backend->is_cancel_on_its_way());
            scene.canceller->hang_up();
            REQUIRE(scene.rig.until([&] { return scene.client.progress == 1; }));
            CHECK_FALSE(scene.client.backend->is_cancel_on_its_way());
        }
        SUBCASE("given back meanwhile the connection is lent to nobody") {
            scene.client.release();
            CHECK(scene.rig.row().backends_being_canceled == 1);
            scene.canceller->hang_up();
            REQUIRE(scene.rig.until([&] { return scene.rig.row().backends_idle == 1; }));
        }
    }

    TEST_CASE("pool: a cancel that does not help is asked for again, less soon before other work") {
        LimitScene scene;
        scene.rig.server.on_cancel = [](ServerConnection& canceller) { canceller.hang_up(); };
        scene.client.query("DEAF");
        std::size_t most = 0;
        SUBCASE("nothing else is there to be hit") {}
        SUBCASE("a statement behind it") {
            scene.client.query("DEAF");
            most = 1;
        }
        const auto& cancelled = scene.rig.server.cancelled;
        REQUIRE(scene.rig.until([&] { return !cancelled.empty(); }));
        if (most == 0) {
            CHECK(scene.rig.until([&] { return cancelled.size() >= 3; }));
        } else {
            const TimePoint later = Clock::now() + milliseconds{250};
            REQUIRE(scene.rig.until([&] { return Clock::now() > later; }));
            CHECK(cancelled.size() == most);
            CHECK(scene.rig.until([&] { return cancelled.size() >= 2; }));  // but it is
        }
    }

    TEST_CASE("pool: the limit ends with the lease") {
        LimitScene scene;
        scene.client.query("SELECT 1");
        REQUIRE(scene.rig.until([&] { return scene.client.ends == 1; }));
        scene.client.release();
        Borrower other{scene.rig.loop, *scene.rig.pool};
        REQUIRE(scene.rig.lend_to(other));
        CHECK(other.backend->id() == scene.id);
        other.query("SLOW");
        const TimePoint later = Clock::now() + 3 * kLimit;
        REQUIRE(scene.rig.until([&] { return Clock::now() > later; }));
        CHECK(other.ends == 0);
        CHECK(scene.canceller == nullptr);
    }
}

}  // namespace
}  // namespace weir::pool
