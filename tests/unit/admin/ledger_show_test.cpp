#include "admin/health.hpp"
#include "admin/http_ledger.hpp"
#include "admin/http_routes.hpp"
#include "admin/ledger_pages.hpp"
#include "admin/ledger_visit.hpp"
#include "admin/metrics.hpp"
#include "tests/support/ledger_support.hpp"

#include <nlohmann/json.hpp>

#include <set>
#include <string>
#include <vector>

#include "console_fixture.hpp"

namespace weir::admin {

namespace {

using Json = nlohmann::json;

std::int64_t now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

/// A ledger in memory that has seen a few statements, an event and a deed.
struct Seen {
    ledger::Ledger ledger{test::ledger_options(":memory:")};

    Seen() {
        const auto labels = test::make_labels();
        for (int i = 1; i <= 5; ++i) {
            auto statement =
                test::make_statement(test::make_digest(i, "select * from t" + std::to_string(i)),
                                     labels,
                                     now_us() - 1'000'000 + i,
                                     i * 10'000);
            statement.is_slow = i >= 4;
            if (i == 2) {
                statement.error = SqlState{"42P01"};
                statement.detail = std::make_unique<StatementDetail>();
                statement.detail->message = "relation \"t2\" does not exist";
            }
            ledger.recorder(0).add(std::move(statement));
        }
        ledger.recorder(0).hand_over();
        ledger.note(
            events::Event{.kind = "reload", .object = "weir.toml", .what = "reloaded", .data = ""});
        ledger.note(events::Deed{.who = "root",
                                 .from = "::1",
                                 .action = "PAUSE",
                                 .object = "shop",
                                 .text = "PAUSE shop"});
        REQUIRE(ledger.sync(test::kPatience));
    }
};

struct Shown : test::ConsoleFixture {
    explicit Shown(ledger::Ledger* of, Role role = Role::Admin) : ConsoleFixture{role} {
        context.ledger = of;
    }

    /// @return how many rows the query gave
    std::size_t rows(std::string_view sql) {
        query(sql);
        std::size_t count = 0;
        for (const Message& message : take()) {
            CAPTURE(message.body);
            CHECK(message.type != 'E');
            count += message.type == 'D' ? 1 : 0;
        }
        return count;
    }

    Message error(std::string_view sql) {
        query(sql);
        for (const Message& message : take()) {
            if (message.type == 'E') {
                return message;
            }
        }
        return {};
    }
};

Json list(ledger::Ledger* of,
          std::string_view name,
          const std::vector<HttpParameter>& parameters = {}) {
    LedgerVisit visit{of};
    const ApiAnswer answer = ledger_list_json(name, visit, parameters);
    REQUIRE_MESSAGE(answer.problem.empty(), answer.problem);
    REQUIRE_MESSAGE(visit.problem().empty(), visit.problem());
    return Json::parse(answer.json);
}

std::string problem(std::string_view name, const std::vector<HttpParameter>& parameters) {
    Seen seen;
    LedgerVisit visit{&seen.ledger};
    return ledger_list_json(name, visit, parameters).problem;
}

}  // namespace

TEST_SUITE("the ledger in the admin database") {
    TEST_CASE("show: every list has what was remembered") {
        Seen seen;
        Shown console{&seen.ledger};
        CHECK(console.rows("SHOW STATEMENTS") == 5);
        CHECK(console.rows("SHOW SLOW") == 3);
        CHECK(console.rows("SHOW ERRORS") == 2);
        CHECK(console.rows("SHOW EVENTS") >= 1);
        CHECK(console.rows("SHOW AUDIT") == 1);
        CHECK(console.rows("SHOW SESSIONS") == 0);
        CHECK(console.rows("SHOW LEDGER") == 1);
    }

    TEST_CASE("select: over the same tables, together with those of live state") {
        Seen seen;
        Shown console{&seen.ledger};
        CHECK(console.rows("SELECT query FROM statements WHERE calls = 1 AND errors = 1") == 1);
        CHECK(console.rows("SELECT * FROM slow WHERE sqlstate = '42P01'") == 1);
        CHECK(console.rows("SELECT s.query, p.user FROM statements s, pools p") > 5);
        CHECK(console.rows("SELECT kind FROM events WHERE kind = 'reload'") == 1);
        CHECK(console.rows("SELECT digest FROM statements WHERE total_ms >= 49.9") == 1);
    }

    TEST_CASE("extended protocol: types are told before, rows come after") {
        Seen seen;
        Shown console{&seen.ledger};
        console.parse("", "SHOW STATEMENTS");
        console.bind("", "");
        console.describe('P', "");
        console.execute("");
        console.sync();
        CHECK(console.types() == "12TDDDDDCZ");
        CHECK(console.ready == 1);
    }

    TEST_CASE("roles: a viewer may not see the audit, in neither way") {
        Seen seen;
        Shown console{&seen.ledger, Role::Viewer};
        CHECK(test::has_field(console.error("SHOW AUDIT"), "C42501"));
        CHECK(test::has_field(console.error("SELECT * FROM audit"), "C42501"));
        CHECK(console.rows("SHOW STATEMENTS") == 5);
    }

    TEST_CASE("off: an error says so, and the console goes on") {
        Shown console{nullptr};
        for (const char* sql : {"SHOW STATEMENTS", "SELECT * FROM slow", "SHOW AUDIT"}) {
            CAPTURE(sql);
            const auto error = console.error(sql);
            CHECK(test::has_field(error, "C55000"));
            CHECK(test::has_field(error, "Mthe ledger is off (ledger.path)"));
        }
        CHECK(console.rows("SHOW LEDGER") == 1);
        CHECK(console.rows("SHOW VERSION") == 1);
    }

    TEST_CASE("a file that cannot be opened: an error says why, and health is degraded") {
        ledger::Ledger ledger{test::ledger_options("/nonexistent-folder/ledger.db")};
        REQUIRE(test::wait_for(
            ledger, [&ledger] { return ledger.status().state == ledger::LedgerState::Degraded; }));
        Shown console{&ledger};
        CHECK(test::has_field(console.error("SHOW STATEMENTS"), "C55000"));
        CHECK(console.rows("SHOW LEDGER") == 1);
        CHECK(console.rows(
                  "SELECT 1 FROM health WHERE \"check\" = 'ledger' AND status = 'degraded'") == 1);

        const status::Snapshot now;
        const conf::Config config;
        const StatsHistory history;
        LedgerVisit visit{&ledger};
        const CommandInput input{now, config, history, "1", &visit};
        CHECK(report_health(input).overall.health == Health::Degraded);
        CHECK(render_metrics(input).find("weir_ledger_state 1") != std::string::npos);
    }

    TEST_CASE("metrics: of a ledger that works, and of none") {
        Seen seen;
        const status::Snapshot now;
        const conf::Config config;
        const StatsHistory history;
        LedgerVisit visit{&seen.ledger};
        std::string text = render_metrics({now, config, history, "1", &visit});
        CHECK(text.find("weir_ledger_state 0") != std::string::npos);
        CHECK(text.find("weir_ledger_dropped_total{kind=\"deeds\"} 0") != std::string::npos);
        CHECK(text.find("weir_ledger_rows_total 7") != std::string::npos);
        text = render_metrics({now, config, history, "1"});
        CHECK(text.find("weir_ledger_state 2") != std::string::npos);
        CHECK(text.find("\nweir_ledger_rows_total ") == std::string::npos);
    }
}

TEST_SUITE("the ledger over HTTP") {
    TEST_CASE("pages: neither repeat nor hide") {
        Seen seen;
        for (const char* order :
             {"total", "calls", "mean", "p95", "errors", "server", "wait", "rows"}) {
            CAPTURE(order);
            std::multiset<std::string> digests;
            std::string cursor;
            for (int page = 0; page < 4; ++page) {
                std::vector<HttpParameter> parameters{{"limit", "2"}, {"order", order}};
                if (!cursor.empty()) {
                    parameters.emplace_back("cursor", cursor);
                }
                const Json answer = list(&seen.ledger, "statements", parameters);
                for (const Json& item : answer["items"]) {
                    digests.insert(item["digest"].get<std::string>());
                }
                if (answer["next"].is_null()) {
                    break;
                }
                cursor = answer["next"].get<std::string>();
            }
            CHECK(digests.size() == 5);
            CHECK(std::set<std::string>(digests.begin(), digests.end()).size() == 5);
        }
    }

    TEST_CASE("slow: kinds and filters") {
        Seen seen;
        CHECK(list(&seen.ledger, "slow")["items"].size() == 2);
        CHECK(list(&seen.ledger, "slow", {{"kind", "failed"}})["items"].size() == 1);
        CHECK(list(&seen.ledger, "slow", {{"kind", "all"}})["items"].size() == 5);
        CHECK(list(&seen.ledger, "slow", {{"database", "shop"}})["items"].size() == 2);
        CHECK(list(&seen.ledger, "slow", {{"database", "other"}})["items"].empty());
        CHECK(list(&seen.ledger, "slow", {{"digest", "0000000000000005"}})["items"].size() == 1);
        const Json failed = list(&seen.ledger, "slow", {{"kind", "failed"}})["items"][0];
        CHECK(failed["message"] == "relation \"t2\" does not exist");
        CHECK(failed["total_ms"] == doctest::Approx(20));
    }

    TEST_CASE("errors by state, class and pattern; events by kind") {
        Seen seen;
        CHECK(list(&seen.ledger, "errors")["items"][0]["sqlstate"] == "42P01");
        CHECK(list(&seen.ledger, "errors", {{"by", "class"}})["items"][0]["sqlstate"] == "42");
        CHECK_FALSE(
            list(&seen.ledger, "errors", {{"by", "pattern"}})["items"][0]["pattern"].is_null());
        CHECK(list(&seen.ledger, "events", {{"kind", "reload"}})["items"][0]["what"] == "reloaded");
        CHECK(list(&seen.ledger, "events", {{"kind", "none"}})["items"].empty());
    }

    TEST_CASE("parameters: what is wrong is said") {
        CHECK(problem("statements", {{"hours", "0"}}) ==
              "hours: \"0\" is not accepted; accepted: a whole number from 1 to 2160");
        CHECK(problem("statements", {{"hours", "2161"}}) != "");
        CHECK(problem("statements", {{"order", "up"}}) ==
              "order: \"up\" is not accepted; accepted: total, calls, mean, p95, errors, server, "
              "wait or rows");
        CHECK(problem("statements", {{"digest", "xyz"}}) != "");
        CHECK(problem("statements", {{"database", ""}}) != "");
        CHECK(problem("statements", {{"limit", "1001"}}) != "");
        CHECK(problem("statements", {{"cursor", "nonsense"}}).starts_with("cursor: "));
        CHECK(problem("slow", {{"kind", "quick"}}) ==
              "kind: \"quick\" is not accepted; accepted: slow, failed or all");
        CHECK(problem("slow", {{"order", "total"}}).starts_with("\"order\": unknown parameter"));
        CHECK(problem("errors", {{"cursor", "x"}}).starts_with("\"cursor\": unknown parameter"));
        CHECK(problem("events", {{"limit", "1"}, {"limit", "2"}}) ==
              "limit: is given twice; accepted: once");
    }

    TEST_CASE("a cursor of another question is refused") {
        Seen seen;
        const Json first = list(&seen.ledger, "statements", {{"limit", "2"}});
        const std::string cursor = first["next"].get<std::string>();
        LedgerVisit visit{&seen.ledger};
        CHECK(ledger_list_json("statements",
                               visit,
                               std::vector<HttpParameter>{{"order", "calls"}, {"cursor", cursor}})
                  .problem.starts_with("cursor: "));
    }

    TEST_CASE("routes: 503 says why when the ledger is off, 400 what is wrong with a parameter") {
        test::FakeStatus status;
        const StatsHistory history;
        const auto config = std::make_shared<const conf::Config>();
        const auto ask = [&](ledger::Ledger* of, std::vector<HttpParameter> parameters) {
            const HttpRoutes routes{{status, history, [&config] { return config; }, "1", of},
                                    {},
                                    std::chrono::milliseconds{1000}};
            return routes.answer({"GET", "/api/statements", "", std::move(parameters)});
        };
        Seen seen;
        CHECK(ask(nullptr, {}).status == 503);
        CHECK(ask(nullptr, {}).body == "the ledger is off (ledger.path)\n");
        CHECK(ask(&seen.ledger, {}).status == 200);
        CHECK(ask(&seen.ledger, {{"hours", "x"}}).status == 400);
    }
}

TEST_SUITE("pages of the ledger") {
    TEST_CASE("digests are 16 hexadecimal digits") {
        CHECK(digest_text(0x1f) == "000000000000001f");
        CHECK(digest_in("000000000000001f") == std::uint64_t{0x1f});
        CHECK(digest_in(digest_text(UINT64_MAX)) == UINT64_MAX);
        for (const char* wrong :
             {"", "1f", "000000000000001g", "-00000000000001f", "00000000000000001"}) {
            CHECK_FALSE(digest_in(wrong).has_value());
        }
    }

    TEST_CASE("moments have microseconds") {
        CHECK(moment_cell(test::kTen + 42) == Cell{"2026-11-22 10:00:00.000042 UTC"});
        CHECK(moment_cell(0) == Cell{});
    }
}

}  // namespace weir::admin
