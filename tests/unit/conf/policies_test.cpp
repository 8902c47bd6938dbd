#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_SUITE_BEGIN("policies");

TEST_CASE("policies: retries and breakers have the defaults of the contract") {
    const LoadResult result = load_with_base("");
    REQUIRE(result.config);
    const RetrySettings& retry = result.config->policy.retry;
    // Unlike there: a server that restarts takes longer than three attempts.
    CHECK(retry.connect == Backoff{0, 100ms, 2.0, 1s, true});
    CHECK(retry.statement == Backoff{3, 500ms, 2.0, 5s, true});
    CHECK(retry.transaction == Backoff{5, 100ms, 2.0, 2s, true});
    CHECK(retry.also_retry.empty());
    CHECK(result.config->breaker == BreakerSettings{true, 0.5, 20, 10s, 10s, 3, 0s, 1.0});
    CHECK(result.config->rules.empty());
}

TEST_CASE("policies: the most specific place says how something is retried") {
    const LoadResult result = load_with_base(R"([policy.retry]
statement = { attempts = 7, base = "10ms" }
also_retry = ["55P03", "could not*lock"]
[database.shop.policy.retry]
connect = { attempts = 0, max = "9s" }
statement = { max = 0, multiplier = 1.5, jitter = false }
[user.app.policy]
statement_timeout = "3s"
retry = { transaction = { attempts = 1 }, also_retry = [] }
)");
    REQUIRE(only_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.policy.retry.statement == Backoff{7, 10ms, 2.0, 5s, true});
    // A table is taken whole: it is not laid over that of a less specific place.
    CHECK(config.policy_for("shop", "x").retry.statement == Backoff{3, 500ms, 1.5, 0s, false});
    CHECK(config.policy_for("shop", "x").retry.connect == Backoff{0, 100ms, 2.0, 9s, true});
    CHECK(config.policy_for("shop", "x").retry.also_retry ==
          std::vector<std::string>{"55P03", "could not*lock"});
    const PolicySettings app = config.policy_for("shop", "app");
    CHECK(app.retry.transaction.attempts == 1);
    CHECK(app.retry.also_retry.empty());
    CHECK(app.statement_timeout == 3s);
    CHECK(is_sqlstate("55P03"));
    CHECK_FALSE(is_sqlstate("55p03"));
    CHECK_FALSE(is_sqlstate("55P031"));

    const LoadResult again = load_whole(config_toml(config));
    REQUIRE(only_text(again).empty());
    CHECK(compare(config, *again.config).changed == std::vector<std::string>{"user.app.password"});
}

TEST_CASE("policies: what cannot be a retry is said at its place") {
    struct Case {
        const char* toml;
        const char* text;
    };

    for (const Case& c : {
             Case{"statement = { attempts = 0 }",
                  "7:26: policy.retry.statement.attempts: 0 is not accepted; accepted: a whole "
                  "number from 1 to 100"},
             Case{"statement = { attempts = 101 }",
                  "7:26: policy.retry.statement.attempts: 101 is not accepted; accepted: a whole "
                  "number from 1 to 100"},
             Case{
                 "statement = { multiplier = 0.5 }",
                 "7:28: policy.retry.statement.multiplier: 0.5 is not accepted; accepted: a number "
                 "from 1 to 100"},
             Case{
                 "statement = { multiplier = nan }",
                 "7:28: policy.retry.statement.multiplier: nan is not accepted; accepted: a number "
                 "from 1 to 100"},
             Case{
                 "statement = { multiplier = inf }",
                 "7:28: policy.retry.statement.multiplier: inf is not accepted; accepted: a number "
                 "from 1 to 100"},
             Case{"statement = { multiplier = \"2\" }",
                  "7:28: policy.retry.statement.multiplier: \"2\" is not accepted; accepted: a "
                  "number from 1 to 100"},
             Case{"statement = { base = 5 }",
                  "7:22: policy.retry.statement.base: 5 has no unit; accepted: a whole number and "
                  "ms, s, m, h or d, such as \"250ms\"; 0 switches it off"},
             Case{"statement = { base = \"6s\" }",
                  "7:13: policy.retry.statement: a table has a max below its base; accepted: at "
                  "least the base, or 0 for no limit"},
             Case{"statement = { tries = 5 }",
                  "7:15: policy.retry.statement.tries: unknown key; accepted here: attempts, base, "
                  "multiplier, max, jitter"},
             Case{
                 "statement = 3",
                 "7:13: policy.retry.statement: 3 is not accepted; accepted: a table such as { "
                 "attempts = 3, base = \"500ms\", multiplier = 2.0, max = \"5s\", jitter = true }"},
             Case{"also_retry = \"55P03\"",
                  "7:14: policy.retry.also_retry: \"55P03\" is not accepted; accepted: a list of "
                  "SQLSTATEs such as \"55P03\" and parts of messages"},
             Case{"also_retry = [\"55p03\"]",
                  "7:15: policy.retry.also_retry: \"55p03\" is no SQLSTATE; accepted: \"55P03\""},
             Case{"also_retry = [\"**\"]",
                  "7:15: policy.retry.also_retry: \"**\" would fit every error; accepted: an "
                  "SQLSTATE such as \"55P03\", or a part of the message, with * for any "
                  "characters"},
         }) {
        CAPTURE(c.toml);
        CHECK(only_text(load_with_base("[policy.retry]\n" + std::string{c.toml} + "\n")) ==
              "weir.toml:" + std::string{c.text});
    }
    CHECK_FALSE(only_text(load_with_base("[policy.retry]\nalso_retry = [\"" +
                                         std::string(257, 'x') + "\"]\n"))
                    .empty());
    CHECK(only_text(load_with_base("[database.shop.policy.breaker]\nenabled = false\n"))
              .find("weir.toml:6:23: database.shop.policy.breaker: unknown key") == 0);
}

TEST_CASE("policies: a breaker's rates are shares") {
    const LoadResult result = load_with_base(
        "[policy.breaker]\nenabled = false\nfailure_rate = 1\nmin_calls = 1\nwindow = \"1m\"\n"
        "open_for = \"5s\"\nhalf_open_calls = 1\nslow_call = \"2s\"\nslow_rate = 0.25\n");
    REQUIRE(only_text(result).empty());
    CHECK(result.config->breaker == BreakerSettings{false, 1.0, 1, 1min, 5s, 1, 2s, 0.25});
    for (const char* wrong : {"failure_rate = 0",
                              "failure_rate = 0.0",
                              "failure_rate = 1.01",
                              "failure_rate = -0.1",
                              "failure_rate = nan",
                              "slow_rate = 2",
                              "min_calls = 0",
                              "half_open_calls = 0",
                              "window = 0",
                              "open_for = \"99ms\""}) {
        CAPTURE(wrong);
        CHECK(only_text(load_with_base("[policy.breaker]\n" + std::string{wrong} + "\n"))
                  .find(" is not accepted; accepted: ") != std::string::npos);
    }
}

TEST_CASE("policies: rules keep their order") {
    const LoadResult result = load_with_base(R"([[rule]]
match = { database = "shop", user = "report", application_name = "bi-*", table = "audit_log" }
set = { route = "replica" }
[[rule]]
[rule.match]
regex = "(?i)^select .* for update"
[rule.set]
route = "primary"
[[rule]]
set = { route = "auto" }
)");
    REQUIRE(only_text(result).empty());
    const auto& rules = result.config->rules;
    REQUIRE(rules.size() == 3);
    CHECK(rules[0].match == RuleMatch{"shop", "report", "bi-*", "audit_log", "", ""});
    CHECK(rules[0].set.route == RuleRoute::Replica);
    CHECK(rules[1].match.regex == "(?i)^select .* for update");
    CHECK(rules[1].set.route == RuleRoute::Primary);
    CHECK(rules[2].match == RuleMatch{});
    CHECK(name_of(*rules[2].set.route) == "auto");

    const LoadResult again = load_whole(config_toml(*result.config));
    REQUIRE(only_text(again).empty());
    CHECK(again.config->rules == rules);
}

TEST_CASE("policies: what cannot be a rule is said at its place") {
    struct Case {
        const char* toml;
        const char* text;
    };

    for (const Case& c : {
             Case{"[rule]\nmatch = {}\n",
                  "6:2: rule: is no list of tables; accepted: [[rule]] with match and set below "
                  "it, once for each rule"},
             Case{"[[rule]]\nset = { reject = \"no\" }\n",
                  "7:9: rule.1.set.reject: unknown key; accepted here: route, statement_timeout, "
                  "row_limit, byte_limit, row_limit_action, slow_query, log_statements, "
                  "log_parameters, explain_slow, read_only, cache_ttl, deny"},
             Case{"[[rule]]\nset = { deny = true }\n",
                  "7:16: rule.1.set.deny: true is not accepted; accepted: a string"},
             Case{"[[rule]]\nset = { row_limit = -1 }\n",
                  "7:21: rule.1.set.row_limit: -1 is not accepted; accepted: a whole number from 0 "
                  "to 1000000000000"},
             Case{"[[rule]]\nset = { route = \"auto\" }\nmatch = { digest = \"12\" }\n",
                  "8:20: rule.1.match.digest: \"12\" is no digest; accepted: 16 hexadecimal "
                  "digits, as EXPLAIN POLICY tells them, or \"\""},
             Case{"[[rule]]\nset = { route = \"auto\" }\nmatch = { digest = \"0123456789abcdeg\" "
                  "}\n",
                  "8:20: rule.1.match.digest: \"0123456789abcdeg\" is no digest; accepted: 16 "
                  "hexadecimal digits, as EXPLAIN POLICY tells them, or \"\""},
             Case{"[[rule]]\nset = { route = \"replicas\" }\n",
                  "7:17: rule.1.set.route: \"replicas\" is not accepted; accepted: \"auto\", "
                  "\"primary\" or \"replica\""},
             Case{"[[rule]]\nset = { route = \"auto\" }\nmatch = { users = \"x\" }\n",
                  "8:11: rule.1.match.users: unknown key, did you mean \"user\"? accepted here: "
                  "database, user, application_name, table, digest, regex"},
             Case{"[[rule]]\nset = { route = \"auto\" }\nmtch = {}\n",
                  "8:1: rule.1.mtch: unknown key, did you mean \"match\"? accepted here: match, "
                  "set"},
             Case{"[[rule]]\nset = { route = \"auto\" }\nmatch = 1\n",
                  "8:9: rule.1.match: is no section; accepted: match = { … }"},
             Case{"[[rule]]\nset = { route = \"auto\" }\n[[rule]]\nmatch = { regex = \"a(b\" }\n"
                  "set = { route = \"auto\" }\n",
                  "9:19: rule.2.match.regex: \"a(b\" is no regular expression (missing ): a(b); "
                  "accepted: RE2's syntax, or \"\""},
             Case{"[[rule]]\nmatch = { user = \"x\" }\n",
                  "6:1: rule.1: sets nothing; accepted: set with at least one key"},
         }) {
        CAPTURE(c.toml);
        CHECK(only_text(load_with_base(c.toml)) == "weir.toml:" + std::string{c.text});
    }
    // Back-references and what would need as much memory as it likes are not RE2's.
    for (const char* regex : {R"((a)\\1)", "((a{1000}){1000}){1000}", "(?=a)"}) {
        CAPTURE(regex);
        CHECK(
            only_text(load_with_base("[[rule]]\nset = { route = \"auto\" }\nmatch = { regex = \"" +
                                     std::string{regex} + "\" }\n"))
                .find("is no regular expression") != std::string::npos);
    }
}

TEST_CASE("policies: there is a limit to how many rules") {
    std::string text;
    for (std::size_t i = 0; i < kMaxRules; ++i) {
        text += "[[rule]]\nset = { route = \"auto\" }\n";
    }
    CHECK(only_text(load_with_base(text)).empty());
    CHECK(only_text(load_with_base(text + "[[rule]]\nset = { route = \"auto\" }\n")) ==
          "weir.toml:2006:1: rule: too many rules; accepted: at most 1000");
}

TEST_CASE("policies: health has the thresholds of the contract") {
    const LoadResult result = load_with_base("");
    REQUIRE(only_text(result).empty());
    const HealthSettings& health = result.config->health;
    CHECK(health.pool_usage == Thresholds<double>{0.8, 0.95});
    CHECK(health.pool_wait == Thresholds<milliseconds>{100ms, 1s});
    CHECK(health.error_rate == Thresholds<double>{0.01, 0.05});
    CHECK(health.average_response == Thresholds<milliseconds>{100ms, 2s});
}

TEST_CASE("policies: thresholds of health ascend, and 0 is none") {
    const LoadResult result = load_with_base(
        "[health]\npool_usage = [0.5, 1]\npool_wait = [\"0s\", \"2s\"]\nerror_rate = [0.1, 0]\n"
        "average_response = [\"0s\", \"0s\"]\n");
    REQUIRE(only_text(result).empty());
    CHECK(result.config->health.pool_usage == Thresholds<double>{0.5, 1.0});
    CHECK(result.config->health.pool_wait == Thresholds<milliseconds>{0s, 2s});
    CHECK(result.config->health.error_rate == Thresholds<double>{0.1, 0.0});
    CHECK(result.config->health.average_response == Thresholds<milliseconds>{0s, 0s});
}

TEST_CASE("policies: what cannot be a threshold is said at its place") {
    struct Case {
        const char* line;
        const char* problem;
    };

    for (const Case& c :
         {Case{"pool_usage = [0.95, 0.8]",
               "7:14: health.pool_usage: a list does not ascend; accepted: [degraded, critical] "
               "with the first below the second, 0 for never"},
          Case{"pool_usage = [0.8, 0.8]",
               "7:14: health.pool_usage: a list does not ascend; accepted: [degraded, critical] "
               "with the first below the second, 0 for never"},
          Case{"pool_wait = [\"2s\", \"1s\"]",
               "7:13: health.pool_wait: a list does not ascend; accepted: [degraded, critical] "
               "with the first below the second, 0 for never"},
          Case{"pool_usage = [0.5, 1.5]",
               "7:20: health.pool_usage: 1.5 is not accepted; accepted: a number from 0 to 1"},
          Case{"error_rate = [nan, 0.5]",
               "7:15: health.error_rate: nan is not accepted; accepted: a number from 0 to 1"},
          Case{"error_rate = [-0.1, 0.5]",
               "7:15: health.error_rate: -0.1 is not accepted; accepted: a number from 0 to 1"},
          Case{
              "error_rate = \"0.5\"",
              "7:14: health.error_rate: \"0.5\" is not accepted; accepted: two numbers from 0 to 1 "
              "that ascend, such as [0.8, 0.95]"},
          Case{"pool_wait = [100, \"1s\"]",
               "7:14: health.pool_wait: 100 has no unit; accepted: a whole number and ms, s, m, h "
               "or d, such as \"250ms\"; 0 switches it off"},
          Case{"pool_wait = [\"1s\"]",
               "7:13: health.pool_wait: a list is not accepted; accepted: two durations that "
               "ascend, such as [\"100ms\", \"1s\"]"}}) {
        CAPTURE(c.line);
        CHECK(only_text(load_with_base(std::string{"[health]\n"} + c.line + "\n")) ==
              std::string{"weir.toml:"} + c.problem);
    }
}

TEST_CASE("policies: SET changes them, and environment variables name them") {
    const LoadResult result = load_with_base("[[rule]]\nset = { route = \"replica\" }\n",
                                             {{"WEIR_POLICY_RETRY_STATEMENT", "attempts=9, max=0"},
                                              {"WEIR_POLICY_RETRY_ALSO_RETRY", "55P03, too many"},
                                              {"WEIR_POLICY_BREAKER_FAILURE_RATE", "0.75"},
                                              {"WEIR_HEALTH_POOL_USAGE", "0.1, 0.2"}});
    REQUIRE(only_text(result).empty());
    CHECK(notes_text(result).empty());
    const Config& config = *result.config;
    CHECK(config.policy.retry.statement == Backoff{9, 500ms, 2.0, 0s, true});
    CHECK(config.policy.retry.also_retry == std::vector<std::string>{"55P03", "too many"});
    CHECK(config.breaker.failure_rate == 0.75);
    CHECK(config.health.pool_usage == Thresholds<double>{0.1, 0.2});

    struct Case {
        const char* key;
        const char* value;
        bool is_accepted;
    };

    for (const Case& c : {Case{"policy.retry.statement", "attempts=1", true},
                          Case{"policy.retry.statement", "attempts=1, base=9s", false},
                          Case{"policy.retry.statement", "attempts", false},
                          Case{"policy.retry.statement", "tries=1", false},
                          Case{"database.shop.policy.retry.statement", "attempts=1", true},
                          Case{"user.app.policy.retry.also_retry", "40001", true},
                          Case{"policy.retry.also_retry", "*", false},
                          Case{"policy.breaker.enabled", "false", true},
                          Case{"policy.breaker.failure_rate", "0", false},
                          Case{"database.shop.policy.breaker.enabled", "false", false},
                          Case{"health.pool_wait", "1s, 2s", true},
                          Case{"health.pool_wait", "2s, 1s", false},
                          Case{"health.pool_wait", "2s", false},
                          Case{"health.cache_hit_rate", "0.5, 0.1", true},
                          Case{"health.cache_hit_rate", "0.5, 0", true},
                          Case{"health.cache_hit_rate", "0, 0.5", true},
                          Case{"health.cache_hit_rate", "0.1, 0.5", false},
                          Case{"health.cache_hit_rate", "0.5, 0.5", false},
                          Case{"health.cache_hit_rate", "1.5, 0.5", false},
                          Case{"health.error_rate", "0, 0", true},
                          Case{"health.error_rate", "0.1, 2", false},
                          Case{"rule.1.set.route", "primary", true},
                          Case{"rule.1.set.route", "away", false},
                          Case{"rule.1.match.regex", "(", false},
                          Case{"rule.1.match.regex", "^select", true},
                          Case{"rule.2.match.regex", "^select", false}}) {
        CAPTURE(c.key);
        CAPTURE(c.value);
        const Change done = change(config, c.key, c.value);
        CAPTURE(done.problem);
        CHECK((done.config != nullptr) == c.is_accepted);
        if (done.config) {
            const auto changed = compare(config, *done.config).changed;
            REQUIRE(changed.size() == 1);
            // Where nothing was written before, the whole section is new.
            const bool is_new = changed[0].ends_with(".policy.retry (added)");
            CHECK((is_new || changed[0] == c.key));
        }
    }
}

TEST_SUITE_END();
