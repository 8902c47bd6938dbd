#include "ledger/audit.hpp"

#include "ledger/schema.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::ledger {

namespace {

void fill(Connection& connection, int count) {
    REQUIRE(connection.open(":memory:", Connection::Mode::Write));
    REQUIRE(bring_up(connection, "") == SchemaState::Ready);
    for (int i = 0; i < count; ++i) {
        append_audit(connection,
                     {.id = 0,
                      .t = test::kTen,
                      .who = "admin",
                      .from = "127.0.0.1",
                      .action = "PAUSE",
                      .object = "shop" + std::to_string(i),
                      .text = ""});
    }
    REQUIRE(connection.is_well());
}

}  // namespace

TEST_SUITE("audit") {
    TEST_CASE("audit: what was not touched is in order") {
        Connection connection;
        fill(connection, 5);
        CHECK_FALSE(find_broken_audit(connection));
        CHECK(connection.integer("SELECT count(DISTINCT t) FROM audit") == 5);
    }

    TEST_CASE("audit: every kind of change is seen") {
        const std::pair<const char*, std::int64_t> changes[] = {
            {"UPDATE audit SET who = 'other' WHERE id = 3", 3},
            {"UPDATE audit SET t = t + 1 WHERE id = 2", 2},
            {"UPDATE audit SET object = 'op1', action = 'PAUSEsh' WHERE id = 2", 2},
            {"DELETE FROM audit WHERE id = 4", 4},
            {"DELETE FROM audit WHERE id = 1", 1},
            {"DELETE FROM audit WHERE id = 2; UPDATE audit SET id = id - 1 WHERE id > 2", 2},
            {"UPDATE audit SET hash = zeroblob(32) WHERE id = 5", 5},
            {"UPDATE audit SET prev_hash = zeroblob(32) WHERE id = 1", 1},
        };
        for (const auto& each : changes) {
            const char* change = each.first;
            const std::int64_t broken = each.second;
            CAPTURE(change);
            Connection connection;
            fill(connection, 5);
            REQUIRE(connection.execute(change));
            CHECK(find_broken_audit(connection) == broken);
        }
    }
}

}  // namespace weir::ledger
