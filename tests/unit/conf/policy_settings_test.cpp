#include "conf/change.hpp"
#include "conf/policy_place.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("policy settings");

TEST_CASE("policy settings: nothing is limited unless somebody says so") {
    const LoadResult result = load_with_base("");
    REQUIRE(only_text(result).empty());
    PolicySettings expected;
    expected.slow_query = 1s;
    expected.retry = result.config->policy.retry;
    CHECK(result.config->policy == expected);
    CHECK(notes_text(result).empty());
}

TEST_CASE("policy settings: every key, in every place") {
    const LoadResult result = load_with_base(R"([policy]
statement_timeout = "30s"
row_limit = 50000
byte_limit = "64MiB"
row_limit_action = "truncate"
slow_query = "250ms"
log_statements = "all"
log_parameters = true
explain_slow = true
rate_limit = 100
read_only = true
hints = "tighten"
[database.shop.policy]
row_limit = 0
hints = "off"
rate_limit = 5
[user.app.policy]
row_limit_action = "warn"
read_only = false
log_parameters = false
byte_limit = "1KiB"
)");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    const PolicySettings general = config.policy_for("other", "other");
    CHECK(general == config.policy);
    CHECK(general.statement_timeout == 30s);
    CHECK(general.row_limit == 50'000);
    CHECK(general.byte_limit == 64 * 1024 * 1024);
    CHECK(general.row_limit_action == LimitAction::Truncate);
    CHECK(general.slow_query == 250ms);
    CHECK(general.log_statements == LogStatements::All);
    CHECK(general.log_parameters);
    CHECK(general.explain_slow);
    CHECK(general.rate_limit == 100);
    CHECK(general.read_only);
    CHECK(general.hints == Hints::Tighten);
    const PolicySettings app = config.policy_for("shop", "app");
    CHECK(app.row_limit == 0);
    CHECK(app.hints == Hints::Off);
    CHECK(app.rate_limit == 5);
    CHECK(app.row_limit_action == LimitAction::Warn);
    CHECK_FALSE(app.read_only);
    CHECK_FALSE(app.log_parameters);
    CHECK(app.byte_limit == 1024);
    CHECK(app.slow_query == 250ms);

    const LoadResult again = load_whole(config_toml(config));
    REQUIRE(only_text(again).empty());
    CHECK(compare(config, *again.config).changed == std::vector<std::string>{"user.app.password"});
}

TEST_CASE("policy settings: who has the last word on a key") {
    const LoadResult result = load_with_base(R"([policy]
row_limit = 5
slow_query = "1s"
[database."*".policy]
byte_limit = 7
[database.shop.policy]
row_limit = 6
[user.app.policy]
row_limit = 5
)");
    // Bytes have a unit.
    CHECK(only_text(result).find("database.\"*\".policy.byte_limit: 7 has no unit") !=
          std::string::npos);
    const LoadResult good = load_with_base(R"([policy]
row_limit = 5
slow_query = "1s"
[database."*".policy]
byte_limit = "7B"
[database.shop.policy]
row_limit = 6
[user.app.policy]
row_limit = 5
)");
    REQUIRE(only_text(good).empty());
    const Config& config = *good.config;
    CHECK(policy_place(config, "shop", "app", "row_limit") == "user.app.policy");
    CHECK(policy_place(config, "shop", "x", "row_limit") == "database.shop.policy");
    CHECK(policy_place(config, "y", "x", "row_limit") == "policy");
    CHECK(policy_place(config, "y", "x", "byte_limit") == "database.\"*\".policy");
    CHECK(policy_place(config, "shop", "x", "byte_limit") == "default");
    // Said, but what it would be anyway.
    CHECK(policy_place(config, "shop", "x", "slow_query") == "default");
    CHECK(policy_place(config, "shop", "app", "hints") == "default");
}

TEST_CASE("policy settings: rules say everything that [policy] says") {
    const LoadResult result = load_with_base(R"([[rule]]
match = { digest = "0123456789ABCDEF" }
set = { statement_timeout = "5m", row_limit = 0, byte_limit = 0, row_limit_action = "warn", slow_query = "0s", log_statements = "none", log_parameters = true, explain_slow = true, read_only = true, deny = "no" }
[[rule]]
set = { deny = "" }
)");
    REQUIRE(only_text(result).empty());
    REQUIRE(result.config->rules.size() == 2);
    const RuleSettings& rule = result.config->rules.front();
    CHECK(rule.match.digest == "0123456789ABCDEF");
    RuleSet expected;
    expected.statement_timeout = 5min;
    expected.row_limit = 0;
    expected.byte_limit = 0;
    expected.row_limit_action = LimitAction::Warn;
    expected.slow_query = 0s;
    expected.log_statements = LogStatements::None;
    expected.log_parameters = true;
    expected.explain_slow = true;
    expected.read_only = true;
    expected.deny = "no";
    CHECK(rule.set == expected);
    CHECK(result.config->rules[1].set.deny == "");

    const LoadResult again = load_whole(config_toml(*result.config));
    REQUIRE(only_text(again).empty());
    CHECK(again.config->rules == result.config->rules);
    const Change changed = change(*result.config, "rule.2.set.deny", "closed");
    REQUIRE(changed.config);
    CHECK(changed.config->rules[1].set.deny == "closed");
    CHECK_FALSE(change(*result.config, "rule.1.match.digest", "12").config);
}

TEST_CASE("policy settings: what cannot be is said at its place") {
    struct Case {
        const char* toml;
        const char* text;
    };

    for (const Case& c : {
             Case{"row_limit = \"5\"",
                  "7:13: policy.row_limit: \"5\" is not accepted; accepted: a whole number from 0 "
                  "to 1000000000000"},
             Case{"byte_limit = 5",
                  "7:14: policy.byte_limit: 5 has no unit; accepted: a whole number and B, KiB, "
                  "MiB, GiB, kB, MB or GB, such as \"64KiB\""},
             Case{"row_limit_action = \"cut\"",
                  "7:20: policy.row_limit_action: \"cut\" is not accepted; accepted: \"error\", "
                  "\"truncate\" or \"warn\""},
             Case{"log_statements = true",
                  "7:18: policy.log_statements: true is not accepted; accepted: \"none\", "
                  "\"slow\" or \"all\""},
             Case{"rate_limit = 1000001",
                  "7:14: policy.rate_limit: 1000001 is not accepted; accepted: a whole number from "
                  "0 to 1000000"},
             Case{"hints = \"on\"",
                  "7:9: policy.hints: \"on\" is not accepted; accepted: \"off\", \"route\", "
                  "\"tighten\" or \"all\""},
             Case{"read_only = \"yes\"",
                  "7:13: policy.read_only: \"yes\" is not accepted; accepted: true or false"},
         }) {
        CAPTURE(c.toml);
        CHECK(only_text(load_with_base("[policy]\n" + std::string{c.toml} + "\n")) ==
              "weir.toml:" + std::string{c.text});
    }
}

TEST_CASE("policy settings: what is said in vain is noted") {
    CHECK(
        notes_text(load_with_base("[policy]\nrow_limit_action = \"warn\"\n")) ==
        "policy.row_limit_action has no effect: there is no row_limit and no byte_limit anywhere");
    CHECK(notes_text(load_with_base("[user.app.policy]\nrow_limit_action = \"warn\"\n"
                                    "[[rule]]\nset = { row_limit_action = \"warn\" }\n")) ==
          "user.app.policy.row_limit_action has no effect: there is no row_limit and no byte_limit "
          "anywhere || rule.1.set.row_limit_action has no effect: there is no row_limit and no "
          "byte_limit anywhere");
    // A limit in any place, or one that comments may bring, is one.
    for (const char* limit : {"[user.app.policy]\nrow_limit = 5\n",
                              "[database.shop.policy]\nbyte_limit = \"1MiB\"\n",
                              "[[rule]]\nset = { row_limit = 5 }\n",
                              "[user.app.policy]\nhints = \"tighten\"\n"}) {
        CAPTURE(limit);
        CHECK(notes_text(
                  load_with_base("[policy]\nrow_limit_action = \"warn\"\n" + std::string{limit}))
                  .empty());
    }
}

TEST_CASE("policy settings: comments that may lift limits are noted") {
    CHECK(notes_text(load_with_base("[policy]\nhints = \"all\"\n")) ==
          "policy.hints = \"all\" lets a comment lift the timeouts and limits of its statement; "
          "\"tighten\" lets it lower them");
    CHECK(notes_text(load_with_base("[database.shop.policy]\nhints = \"all\"\n"))
              .find("database.shop.policy.hints") == 0);
    CHECK(notes_text(load_with_base("[policy]\nhints = \"tighten\"\n")).empty());
}

TEST_CASE("policy settings: a rule that never matches is noted") {
    const auto notes = [](const std::string& match, const std::string& more = "") {
        return notes_text(load_with_base(more + "[[rule]]\nset = { row_limit = 1 }\nmatch = { " +
                                         match + " }\n"));
    };
    CHECK(notes("database = \"shop\", user = \"app\"").empty());
    CHECK(notes("database = \"sh*\", user = \"a*\"").empty());
    CHECK(notes("database = \"shopp\"") == "rule.1 never matches: there is no [database.shopp]");
    CHECK(notes("database = \"shopp\"", "[database.\"*\"]\n").empty());
    CHECK(notes("user = \"ap\"") == "rule.1 never matches: no user \"ap\" can log in");
    CHECK(notes("user = \"ap\"", "[auth]\nmethod = \"trust\"\n").find("never") ==
          std::string::npos);
    CHECK(notes("user = \"ap\"", "[auth]\nquery = \"SELECT $1, 'x'\"\nquery_user = \"app\"\n")
              .find("never") == std::string::npos);
}

TEST_CASE("policy settings: the threshold of slow statements has a variable of its own") {
    const LoadResult result = load_with_base("", {{"SLOW_QUERY_THRESHOLD", "250"}});
    REQUIRE(only_text(result).empty());
    CHECK(result.config->policy.slow_query == 250ms);
    CHECK(notes_text(result).empty());
    CHECK(load_with_base("", {{"SLOW_QUERY_THRESHOLD", "2s"}}).config->policy.slow_query == 2s);
    CHECK(only_text(load_with_base("", {{"SLOW_QUERY_THRESHOLD", "fast"}})) ==
          "environment: SLOW_QUERY_THRESHOLD: \"fast\" does not begin with a whole number; "
          "accepted: a whole number and ms, s, m, h or d, such as \"250ms\"; 0 switches it off");
    CHECK(load_with_base("", {{"SLOW_QUERY_THRESHOLD", "250"}, {"WEIR_POLICY_SLOW_QUERY", "3s"}})
              .config->policy.slow_query == 3s);
}

TEST_CASE("policy settings: the ledger") {
    const LoadResult result = load_with_base("");
    REQUIRE(only_text(result).empty());
    CHECK(result.config->ledger ==
          LedgerSettings{
              "weir-ledger.db", 0.1, {24h * 14, 24h * 400, 24h * 90}, 2ULL * 1024 * 1024 * 1024});
    const LoadResult other = load_with_base(
        "[ledger]\npath = \"\"\nsample_rate = 0\nretention = { hourly = 0, events = \"2d\" }\n"
        "max_size = 0\n");
    REQUIRE(only_text(other).empty());
    CHECK(other.config->ledger == LedgerSettings{"", 0, {24h * 14, 0h, 48h}, 0});
    const LoadResult again = load_whole(config_toml(*other.config));
    REQUIRE(only_text(again).empty());
    CHECK(again.config->ledger == other.config->ledger);

    const ReloadPlan plan = compare(*result.config, *other.config);
    CHECK(plan.needs_restart == std::vector<std::string>{"ledger.path"});
    CHECK(plan.changed ==
          std::vector<std::string>{"ledger.sample_rate", "ledger.retention", "ledger.max_size"});
    CHECK(
        load_with_base("", {{"WEIR_LEDGER_RETENTION", "statements=1d"}}).config->ledger.retention ==
        Retention{24h, 24h * 400, 24h * 90});
    CHECK(only_text(load_with_base("[ledger]\nretention = { days = \"5d\" }\n")) ==
          "weir.toml:7:15: ledger.retention.days: unknown key; accepted here: statements, hourly, "
          "events");
    CHECK(only_text(load_with_base("[ledger]\nretention = \"5d\"\n"))
              .find("accepted: a table such as { statements = \"14d\"") != std::string::npos);
    CHECK(only_text(load_with_base("[ledger]\nsample_rate = 1.5\n")) ==
          "weir.toml:7:15: ledger.sample_rate: 1.5 is not accepted; accepted: a number from 0 to "
          "1");
}

TEST_SUITE_END();
