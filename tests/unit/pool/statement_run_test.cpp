#include "pool/statement_run.hpp"

#include <doctest/doctest.h>

#include <memory>

namespace weir::pool {
namespace {

using protocol::BackendMessage;
using Ruling = StatementRuns::Ruling;
using std::chrono::milliseconds;

constexpr std::size_t kRowBytes = 20;
const TimePoint kBegin{milliseconds{1000}};

StatementRun limited(conf::LimitAction action, std::uint64_t rows, std::uint64_t bytes = 0) {
    policies::Plan plan;
    plan.row_limit = rows;
    plan.byte_limit = bytes;
    plan.limit_action = action;
    StatementRun run;
    run.ticket.plan = std::make_shared<const policies::Plan>(plan);
    return run;
}

Ruling row(StatementRuns& runs) {
    return runs.on_reply(BackendMessage::DataRow, kRowBytes);
}

Ruling end(StatementRuns& runs) {
    return runs.on_reply(BackendMessage::CommandComplete, kRowBytes);
}

TEST_SUITE("statement_runs") {
    TEST_CASE("runs: rows and bytes are counted, and tags where there are no rows") {
        StatementRuns runs;
        runs.add({}, kBegin);
        CHECK(runs.on_reply(BackendMessage::RowDescription, 30) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(end(runs) == Ruling::Pass);
        runs.note_tag("SELECT 2");
        runs.end_result();
        CHECK(end(runs) == Ruling::Pass);
        runs.note_tag("UPDATE 5");
        const StatementRun done = runs.take(kBegin + milliseconds{5});
        CHECK(done.rows == 7);
        CHECK(done.bytes == 30 + 4 * kRowBytes);
        CHECK(done.began_at == kBegin);
        CHECK(done.ended_at == kBegin + milliseconds{5});
        CHECK(runs.empty());
    }

    TEST_CASE("runs: tags without a number change nothing") {
        StatementRuns runs;
        runs.add({}, kBegin);
        for (const std::string_view tag : {"BEGIN", "CREATE TABLE", "INSERT 0 x", "", " "}) {
            runs.note_tag(tag);
        }
        runs.note_tag("INSERT 0 3");
        CHECK(runs.take(kBegin).rows == 3);
    }

    TEST_CASE("runs: a tag's number has a bound, so that sums cannot overflow") {
        StatementRuns runs;
        runs.add({}, kBegin);
        for (const std::string_view tag : {"INSERT 0 18446744073709551615",
                                           "INSERT 0 18446744073709551616",
                                           "INSERT 0 9223372036854775807",
                                           "INSERT 0 -1"}) {
            runs.note_tag(tag);
        }
        CHECK(runs.take(kBegin).rows == std::uint64_t{2} << 40U);
    }

    TEST_CASE("runs: the row beyond the limit is cut") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Error, 2), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK_FALSE(runs.is_cut());
        CHECK(row(runs) == Ruling::Cut);
        CHECK(row(runs) == Ruling::Drop);
        CHECK(runs.is_cut());
        CHECK(runs.has_too_many_rows());
        CHECK(runs.rows_given() == 2);
        CHECK(end(runs) == Ruling::Settle);
        const StatementRun done = runs.take(kBegin);
        CHECK(done.rows == 2);
        CHECK(done.is_cut);
    }

    TEST_CASE("runs: a result that has just as much as it may is not cut") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Error, 2, 2 * kRowBytes), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(end(runs) == Ruling::Pass);
        CHECK_FALSE(runs.take(kBegin).is_cut);
    }

    TEST_CASE("runs: bytes are limited alike") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Truncate, 0, 2 * kRowBytes + 1), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Cut);
        CHECK_FALSE(runs.has_too_many_rows());
        CHECK(runs.on_reply(BackendMessage::PortalSuspended, 5) == Ruling::Settle);
    }

    TEST_CASE("runs: a warning keeps nothing back") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Warn, 1), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(end(runs) == Ruling::Warn);
        CHECK(runs.take(kBegin).rows == 2);
        CHECK_FALSE(runs.may_fail_late());
    }

    TEST_CASE("runs: each result of a query string has the limit to itself") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Error, 1), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(end(runs) == Ruling::Pass);
        runs.end_result();
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Cut);
    }

    TEST_CASE("runs: what is read in pieces is one result") {
        StatementRuns runs;
        const auto result = std::make_shared<ResultSoFar>();
        const auto piece = [&] {
            StatementRun run = limited(conf::LimitAction::Truncate, 3);
            run.ticket.result = result;
            return run;
        };
        runs.add(piece(), kBegin);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Pass);
        CHECK(runs.on_reply(BackendMessage::PortalSuspended, 5) == Ruling::Pass);
        runs.add(piece(), kBegin);
        static_cast<void>(runs.take(kBegin));
        CHECK(row(runs) == Ruling::Pass);
        CHECK(row(runs) == Ruling::Cut);
        CHECK(runs.rows_given() == 1);
        CHECK(end(runs) == Ruling::Settle);
        static_cast<void>(runs.take(kBegin));
        runs.add(piece(), kBegin);
        CHECK(row(runs) == Ruling::Cut);
        CHECK(runs.rows_given() == 0);
    }

    TEST_CASE("runs: behind an error of ours nothing is passed on but the end of the request") {
        StatementRuns runs;
        runs.add(limited(conf::LimitAction::Error, 1), kBegin);
        static_cast<void>(row(runs));
        static_cast<void>(row(runs));
        CHECK(end(runs) == Ruling::Settle);
        runs.fail();
        for (const BackendMessage type : {BackendMessage::RowDescription,
                                          BackendMessage::DataRow,
                                          BackendMessage::CommandComplete,
                                          BackendMessage::EmptyQueryResponse,
                                          BackendMessage::CopyInResponse,
                                          BackendMessage::CopyData,
                                          BackendMessage::NoticeResponse,
                                          BackendMessage::ErrorResponse}) {
            CHECK(runs.on_reply(type, kRowBytes) == Ruling::Drop);
        }
        CHECK(runs.on_reply(BackendMessage::ParameterStatus, kRowBytes) == Ruling::Pass);
        CHECK(runs.on_reply(BackendMessage::ReadyForQuery, kRowBytes) == Ruling::Pass);
        static_cast<void>(runs.take(kBegin));
        runs.add({}, kBegin);
        CHECK(row(runs) == Ruling::Pass);
    }

    TEST_CASE("runs: one that may fail late is known as long as it is there") {
        StatementRuns runs;
        CHECK_FALSE(runs.may_fail_late());
        runs.add({}, kBegin);
        runs.add(limited(conf::LimitAction::Error, 1), kBegin);
        CHECK(runs.may_fail_late());
        static_cast<void>(runs.take(kBegin));
        CHECK(runs.may_fail_late());
        static_cast<void>(runs.take(kBegin));
        CHECK_FALSE(runs.may_fail_late());
        runs.add(limited(conf::LimitAction::Error, 1), kBegin);
        runs.clear();
        CHECK_FALSE(runs.may_fail_late());
        CHECK(runs.empty());
    }

    TEST_CASE("runs: the next begins when the one before it has ended") {
        StatementRuns runs;
        runs.add({}, kBegin);
        runs.add({}, kBegin);
        static_cast<void>(runs.take(kBegin + milliseconds{7}));
        CHECK(runs.front().began_at == kBegin + milliseconds{7});
        runs.note_blocked(milliseconds{2});
        CHECK(runs.take(kBegin + milliseconds{9}).blocked == milliseconds{2});
        SUBCASE("also where it came while nothing was left, in the same batch") {
            runs.add({}, kBegin);
            CHECK(runs.front().began_at == kBegin + milliseconds{9});
        }
    }

    TEST_CASE("runs: thousands at once keep their order") {
        constexpr std::size_t kMany = 5000;
        StatementRuns runs;
        for (std::size_t i = 0; i < kMany; ++i) {
            StatementRun run;
            run.asked_at = kBegin + milliseconds{i};
            runs.add(std::move(run), kBegin);
        }
        for (std::size_t i = 0; i < kMany; ++i) {
            REQUIRE(runs.size() == kMany - i);
            REQUIRE(runs.take(kBegin).asked_at == kBegin + milliseconds{i});
        }
        CHECK(runs.empty());
    }
}

}  // namespace
}  // namespace weir::pool
