#include "ledger/audit.hpp"

#include "ledger/schema.hpp"
#include "tests/support/ledger_support.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::ledger {

namespace {

void append(Connection& connection, int count, std::int64_t t = test::kTen) {
    for (int i = 0; i < count; ++i) {
        append_audit(connection,
                     {.id = 0,
                      .t = t,
                      .who = "admin",
                      .from = "127.0.0.1",
                      .action = "PAUSE",
                      .object = "shop" + std::to_string(i),
                      .text = ""});
    }
    REQUIRE(connection.is_well());
}

void fill(Connection& connection, int count) {
    REQUIRE(connection.open(":memory:", Connection::Mode::Write));
    REQUIRE(bring_up(connection, "") == SchemaState::Ready);
    append(connection, count);
}

/// @return the line that is broken; 0 = none is
std::int64_t broken_line(Connection& connection) {
    const AuditCheck check = check_audit(connection);
    REQUIRE(check.state != AuditState::Unknown);
    return check.state == AuditState::Broken ? check.line : 0;
}

}  // namespace

TEST_SUITE("audit") {
    TEST_CASE("audit: what was not touched is in order") {
        Connection connection;
        fill(connection, 5);
        CHECK(broken_line(connection) == 0);
        CHECK(check_audit(connection).line == 5);
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
            {"DELETE FROM audit WHERE id = 5", 5},
            {"DELETE FROM audit WHERE id > 2", 3},
            {"DELETE FROM audit", 1},
            {"UPDATE audit SET prev_hash = zeroblob(32) WHERE id = 1", 1},
        };
        for (const auto& each : changes) {
            const char* change = each.first;
            const std::int64_t broken = each.second;
            CAPTURE(change);
            Connection connection;
            fill(connection, 5);
            REQUIRE(connection.execute(change));
            CHECK(broken_line(connection) == broken);
            // What is written behind it hides nothing.
            append(connection, 2);
            CHECK(broken_line(connection) == broken);
        }
    }

    TEST_CASE("audit: one that cannot be read to its end is not said to be in order") {
        Connection connection;
        fill(connection, 5);
        REQUIRE(connection.execute("ALTER TABLE audit RENAME TO other"));
        CHECK(check_audit(connection).state == AuditState::Unknown);
    }

    TEST_CASE("audit: one of a file that knew no end of it yet is checked as far as it goes") {
        Connection connection;
        fill(connection, 5);
        REQUIRE(connection.execute("DELETE FROM meta"));
        CHECK(broken_line(connection) == 0);
        append(connection, 1);
        CHECK(broken_line(connection) == 0);
        CHECK(connection.integer("SELECT max(id) FROM audit") == 6);
        CHECK(audit_bytes(connection) > 6 * 96);
    }

    TEST_CASE("audit: its oldest lines are cut off, and what is left is in order") {
        Connection connection;
        fill(connection, 1200);
        const std::uint64_t before = audit_bytes(connection);
        CHECK(cut_audit(connection) == 500);
        CHECK(audit_bytes(connection) < before * 7 / 12 + 1000);
        CHECK(broken_line(connection) == 0);
        CHECK(connection.integer("SELECT min(id) FROM audit") == 501);
        append(connection, 1);
        CHECK(broken_line(connection) == 0);
        CHECK(cut_audit(connection) == 500);
        CHECK(cut_audit(connection) == 200);
        CHECK(cut_audit(connection) == 0);
        CHECK(connection.integer("SELECT count(*) FROM audit") == 1);
        CHECK(broken_line(connection) == 0);
        CHECK(audit_bytes(connection) ==
              connection.integer("SELECT sum(96 + length(who || from_where || action || object || "
                                 "text)) FROM audit"));
        // More than was cut off is missing.
        append(connection, 3);
        REQUIRE(connection.execute("DELETE FROM audit WHERE id < 1203"));
        CHECK(broken_line(connection) == 1201);
    }

    TEST_CASE("audit: a clock that was ahead does not hold for the lines that come") {
        Connection connection;
        fill(connection, 1);
        append(connection, 1, test::kTen + 86'400'000'000);
        append(connection, 1, test::kTen + 10);
        append(connection, 1, test::kTen + 5);
        CHECK(connection.integer("SELECT t FROM audit WHERE id = 3") == test::kTen + 10);
        CHECK(connection.integer("SELECT t FROM audit WHERE id = 4") == test::kTen + 11);
        CHECK(broken_line(connection) == 0);
    }
}

}  // namespace weir::ledger
