#include "conf/alert_settings.hpp"
#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "loading.hpp"

namespace weir::conf {

using namespace std::chrono_literals;
using test::load_whole;
using test::load_with_base;
using test::only_text;

namespace {

std::string problem_of(std::string_view text) {
    return parse_alert_condition(text).problem;
}

}  // namespace

TEST_CASE("alerts: conditions are read with and without blanks, in their units") {
    using enum AlertValue;
    using enum AlertComparison;
    CHECK(parse_alert_condition("pool_usage > 0.8 for 1m").value ==
          AlertCondition{PoolUsage, Above, 0.8, 60s});
    CHECK(parse_alert_condition("pool_wait>=250ms").value ==
          AlertCondition{PoolWait, AtLeast, 0.25, 0ms});
    CHECK(parse_alert_condition("  error_rate <= 1   for   500ms ").value ==
          AlertCondition{ErrorRate, AtMost, 1, 500ms});
    CHECK(parse_alert_condition("average_response < 2 s for 10 s").value ==
          AlertCondition{AverageResponse, Below, 2, 10s});
    CHECK(parse_alert_condition("waiting_clients > 0").value ==
          AlertCondition{WaitingClients, Above, 0, 0ms});
    CHECK(parse_alert_condition("replication_lag > 1h\tfor 7d").value ==
          AlertCondition{ReplicationLag, Above, 3600, 168h});
    CHECK(parse_alert_condition("breaker_open >= 1").value ==
          AlertCondition{BreakerOpen, AtLeast, 1, 0ms});
    CHECK(parse_alert_condition("ledger_dropped > 10 for 0s").value ==
          AlertCondition{LedgerDropped, Above, 10, 0ms});
}

TEST_CASE("alerts: what is no condition is told what would be one") {
    for (const char* text : {"", "   ", "> 0.8", "0.8 < pool_usage"}) {
        CAPTURE(text);
        CHECK(problem_of(text) ==
              "is no condition; accepted: NAME, then >, >=, < or <=, a value, and how long it must "
              "hold: \"pool_usage > 0.8 for 1m\"");
    }
    CHECK(problem_of("pool_usag > 1")
              .starts_with("begins with no name of a value, did you mean \"pool_usage\"? accepted: "
                           "pool_usage, "));
    CHECK(problem_of("weather > 1").starts_with("begins with no name of a value; accepted: "));
    CHECK(problem_of("POOL_USAGE > 1").starts_with("begins with no name of a value"));
    for (const char* text : {"pool_usage",
                             "pool_usage 0.8",
                             "pool_usage = 0.8",
                             "pool_usage == 0.8",
                             "pool_usage => 0.8",
                             "pool_usage != 0.8",
                             "pool_usage > > 0.8",
                             "pool_usage for 1m"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_alert_condition(text).value);
    }
    CHECK(problem_of("pool_usage = 1").starts_with("does not compare with >, >=, < or <=; "));
    for (const char* text : {"80", "80 %", "-0.1", "1.01", "nan", "inf", "", "0.8 0.9", "1e400"}) {
        CAPTURE(text);
        CHECK(problem_of(std::string{"pool_usage > "} + text) ==
              "compares with no share; accepted: a number from 0 to 1, as 0.8 for 80 %");
    }
    for (const char* text : {"1.5", "-1", "18446744073709551616", "1s", ""}) {
        CAPTURE(text);
        CHECK(problem_of(std::string{"waiting_clients > "} + text) ==
              "compares with no count; accepted: a whole number");
    }
    CHECK(problem_of("pool_wait > 100").starts_with("compares with a time that has no unit"));
    CHECK(problem_of("pool_wait > 99999999d").starts_with("compares with a time that "));
    CHECK(problem_of("pool_usage > 0.8 for").starts_with("must hold for a time that "));
    CHECK(problem_of("pool_usage > 0.8 for 1").starts_with("must hold for a time that "));
    CHECK(problem_of("pool_usage > 0.8 for 1m for 2m").starts_with("must hold for a time that "));
    CHECK_FALSE(parse_alert_condition("pool_usage > 0.8for 1m").value);
    CHECK(problem_of(std::string(257, ' ')).starts_with("is too long; "));
}

TEST_CASE("alerts: a comparison is what it says at the threshold, and no number meets none") {
    const double nan = std::nan("");
    for (const char* text :
         {"pool_usage > 0.5", "pool_usage >= 0.5", "pool_usage < 0.5", "pool_usage <= 0.5"}) {
        CAPTURE(text);
        const AlertCondition condition = *parse_alert_condition(text).value;
        const std::string sign{name_of(condition.comparison)};
        CHECK(condition.is_met_by(0.5) == (sign.size() == 2));
        CHECK(condition.is_met_by(0.6) == (sign[0] == '>'));
        CHECK(condition.is_met_by(0.4) == (sign[0] == '<'));
        CHECK_FALSE(condition.is_met_by(nan));
        CHECK(condition.is_worse(0.9, 0.1) == (sign[0] == '>'));
        CHECK(condition.is_worse(0.1, 0.9) == (sign[0] == '<'));
        CHECK_FALSE(condition.is_worse(0.5, 0.5));
    }
}

TEST_CASE("alerts: webhooks are plain http and https URLs, and show no more than their host") {
    for (const auto& [url, origin] :
         {std::pair{"http://127.0.0.1:9093/hook", "http://127.0.0.1:9093"},
          std::pair{"https://hooks.example.com", "https://hooks.example.com"},
          std::pair{"HTTPS://u:secret@hooks.example.com:8443/T0/secret?key=secret#x",
                    "HTTPS://hooks.example.com:8443"},
          std::pair{"http://[::1]:80/", "http://[::1]:80"},
          std::pair{"http://host?key=a@b", "http://host"},
          std::pair{"http://host/p@q:1", "http://host"}}) {
        CAPTURE(url);
        CHECK(problem_of_webhook(url).empty());
        CHECK(webhook_origin(url) == origin);
    }
    for (const char* url : {"ftp://host/",
                            "file:///etc/passwd",
                            "http:/host",
                            "host:80/x",
                            "http://",
                            "http:///path",
                            "http://:80/",
                            "http://host:0/",
                            "http://host:65536/",
                            "http://host:x/",
                            "http://host:/",
                            "http://u@v@host/",
                            "http://user@/",
                            "http://[::1",
                            "http://[]/",
                            "http://[::1]x/",
                            "http://[fe80::1%25eth0]/",
                            "http://host\\@other/",
                            "http://ho st/",
                            "http://host/\n",
                            "http://host/a b",
                            "http://h%6fst/",
                            "http://höst/"}) {
        CAPTURE(url);
        CHECK(problem_of_webhook(url).find("accepted: an http:// or https:// URL") !=
              std::string::npos);
    }
    CHECK(problem_of_webhook("http://host/" + std::string(2048, 'x')).starts_with("is too long"));
}

TEST_CASE("alerts: keep their order, and are written as they are read") {
    const LoadResult result = load_with_base(R"([[alert]]
when = "pool_usage > 0.8 for 1m"
webhook = "http://127.0.0.1:9093/hook"
[[alert]]
name = "waiting"
when = "waiting_clients >= 5"
)");
    REQUIRE(only_text(result).empty());
    const auto& alerts = result.config->alerts;
    REQUIRE(alerts.size() == 2);
    CHECK(alerts[0] == AlertSettings{"", "pool_usage > 0.8 for 1m", "http://127.0.0.1:9093/hook"});
    CHECK(alerts[0].title() == "pool_usage > 0.8 for 1m");
    CHECK(alerts[1].title() == "waiting");
    const std::string toml = config_toml(*result.config);
    CHECK(toml.find("webhook = \"********\"") != std::string::npos);
    CHECK(toml.find("9093") == std::string::npos);
}

TEST_CASE("alerts: a mistake is said at its place, and a webhook is not repeated") {
    struct Case {
        const char* toml;
        const char* text;
    };

    for (const Case& c : {
             Case{"[alert]\nwhen = \"pool_usage > 1\"\n",
                  "6:2: alert: is no list of tables; accepted: [[alert]] with when below it, once "
                  "for each alert"},
             Case{"[[alert]]\nname = \"a\"\n",
                  "6:1: alert.1: has no when; accepted: when = \"pool_usage > 0.8 for 1m\" and the "
                  "like"},
             Case{"[[alert]]\nwhen = 1\n",
                  "7:8: alert.1.when: 1 is not accepted; accepted: a string"},
             Case{"[[alert]]\nwhen = \"pool_usage > 80\"\n",
                  "7:8: alert.1.when: \"pool_usage > 80\" compares with no share; accepted: a "
                  "number from 0 to 1, as 0.8 for 80 %"},
             Case{
                 "[[alert]]\nwhen = \"pool_usage > 0.8\"\nwebhok = \"\"\n",
                 "8:1: alert.1.webhok: unknown key, did you mean \"webhook\"? accepted here: name, "
                 "when, webhook"},
             Case{"[[alert]]\nwhen = \"pool_usage > 0.8\"\nwebhook = \"ftp://u:secret@x\"\n",
                  "8:11: alert.1.webhook: the value is no URL that can be posted to; accepted: an "
                  "http:// or https:// URL, as \"https://hooks.example.com/weir\""},
             Case{
                 "[[alert]]\nwhen = \"pool_usage > 0.8\"\n[[alert]]\nwhen = \"pool_usage > 0.8\"\n",
                 "8:1: alert.2: is called \"pool_usage > 0.8\", as an earlier one is; accepted: a "
                 "name of its own"},
         }) {
        CAPTURE(c.toml);
        CHECK(only_text(load_with_base(c.toml)) == "weir.toml:" + std::string{c.text});
    }
    const std::string long_name =
        "[[alert]]\nwhen = \"pool_usage > 0.8\"\nname = \"" + std::string(129, 'x') + "\"\n";
    CHECK(only_text(load_with_base(long_name)) ==
          "weir.toml:8:8: alert.1.name: is too long; accepted: at most 128 bytes");
    std::string many;
    for (std::size_t i = 0; i <= kMaxAlerts; ++i) {
        many += "[[alert]]\nwhen = \"waiting_clients > " + std::to_string(i) + "\"\n";
    }
    CHECK(only_text(load_with_base(many)) ==
          "weir.toml:206:1: alert: too many alerts; accepted: at most 100");
}

TEST_CASE("alerts: reload and SET change them") {
    const LoadResult before = load_with_base("[[alert]]\nwhen = \"pool_usage > 0.8\"\n");
    const LoadResult after = load_with_base(
        "[[alert]]\nwhen = \"pool_usage > 0.9\"\n[[alert]]\nwhen = \"waiting_clients > 1\"\n");
    REQUIRE(only_text(before).empty());
    REQUIRE(only_text(after).empty());
    const ReloadPlan plan = compare(*before.config, *after.config);
    CHECK(plan.changed == std::vector<std::string>{"alert.1.when", "alert.2 (added)"});
    CHECK(plan.needs_restart.empty());
    const Change changed = change(*before.config, "alert.1.when", "pool_wait > 1s");
    REQUIRE(changed.config != nullptr);
    CHECK(changed.config->alerts[0].when == "pool_wait > 1s");
    CHECK(change(*before.config, "alert.1.when", "nonsense").config == nullptr);
    CHECK(change(*before.config, "alert.2.when", "pool_wait > 1s").config == nullptr);
    CHECK(is_secret(*before.config, "alert.1.webhook"));
}

}  // namespace weir::conf
