#include "policies/decide.hpp"

#include "conf/load.hpp"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "sql/digest.hpp"
#include "sql/statement_facts.hpp"

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::policies;
using weir::sql::Hint;

namespace {

constexpr Session kSession{"shop", "app", "web"};

ConfigPtr load_config(const std::string& toml) {
    const Environment nothing;
    LoadResult result = load_text(
        "[cluster.main]\nservers = [\"h:1\"]\n[database.shop]\n" + toml, "weir.toml", nothing);
    for (const Problem& problem : result.problems) {
        FAIL_CHECK(problem.text());
    }
    REQUIRE(result.config);
    return result.config;
}

/// A configuration, and one statement after another.
class Decider {
public:
    explicit Decider(const std::string& toml)
        : config_{load_config(toml)}, rules_{config_->rules} {}

    [[nodiscard]] Explanation explain(std::string_view sql, Session session = kSession) const {
        const auto facts = weir::sql::statement_facts(sql);
        const Subject subject{session, sql, weir::sql::stable_digest(sql), &facts};
        Explanation explanation =
            weir::policies::explain(subject, *config_, rules_, weir::sql::read_hint(sql));
        const PolicySettings settings = config_->policy_for(session.database, session.user);
        // It never says another thing than what is done.
        CHECK(decide(subject, settings, rules_, weir::sql::read_hint(sql)) == explanation.plan);
        return explanation;
    }

    [[nodiscard]] Plan plan(std::string_view sql, Session session = kSession) const {
        return explain(sql, session).plan;
    }

    /// @return "value from place" of a part
    [[nodiscard]] std::string why(std::string_view name,
                                  std::string_view sql,
                                  Session session = kSession) const {
        for (const PlanPart& part : explain(sql, session).parts) {
            if (part.name == name) {
                return part.value + " from " + part.from;
            }
        }
        return "";
    }

    [[nodiscard]] bool is_of_digest(std::string_view sql) const {
        const auto facts = weir::sql::statement_facts(sql);
        const Subject subject{kSession, sql, weir::sql::stable_digest(sql), &facts};
        return weir::policies::is_of_digest(
            subject, config_->policy_for(kSession.database, kSession.user), rules_);
    }

private:
    ConfigPtr config_;
    Rules rules_;
};

}  // namespace

TEST_CASE("decide: nothing configured, nothing forbidden") {
    const Decider decider{""};
    Plan plan;
    plan.slow_query = 1s;
    CHECK(decider.plan("INSERT INTO t VALUES (1)") == plan);
    CHECK_FALSE(plan.limits_result());
    CHECK(decider.why("row_limit", "SELECT 1") == "0 from default");
    CHECK(decider.why("slow_query", "SELECT 1") == "1s from default");
    CHECK(decider.why("route", "SELECT 1") == "auto from default");
    CHECK(decider.why("result", "SELECT 1") == "may run from default");
    CHECK(decider.why("hint", "SELECT 1") == "");
}

TEST_CASE("decide: the most specific place, then the rules in their order, then the hint") {
    const Decider decider{R"([policy]
row_limit = 1000
byte_limit = "1MiB"
hints = "tighten"
[database.shop.policy]
row_limit = 500
row_limit_action = "truncate"
[user.app]
[user.app.policy]
statement_timeout = "30s"
log_statements = "all"
[[rule]]
match = { table = "big" }
set = { row_limit = 0, slow_query = "5s" }
[[rule]]
match = { table = "big", application_name = "w*" }
set = { row_limit = 100, route = "primary" }
[[rule]]
match = { user = "nobody" }
set = { row_limit = 1 }
)"};
    const Plan plan = decider.plan("SELECT * FROM big");
    CHECK(plan.row_limit == 100);
    CHECK(plan.byte_limit == 1024 * 1024);
    CHECK(plan.limit_action == LimitAction::Truncate);
    CHECK(plan.statement_timeout == 30s);
    CHECK(plan.slow_query == 5s);
    CHECK(plan.log_statements == LogStatements::All);
    CHECK(plan.route == RuleRoute::Primary);
    CHECK(plan.limits_result());
    CHECK(decider.why("row_limit", "SELECT * FROM big") == "100 from rule 2");
    CHECK(decider.why("slow_query", "SELECT * FROM big") == "5s from rule 1");
    CHECK(decider.why("route", "SELECT * FROM big") == "primary from rule 2");
    CHECK(decider.why("byte_limit", "SELECT * FROM big") == "1MiB from policy");
    CHECK(decider.why("row_limit_action", "SELECT 1") == "truncate from database.shop.policy");
    CHECK(decider.why("row_limit", "SELECT 1") == "500 from database.shop.policy");
    CHECK(decider.why("statement_timeout", "SELECT 1") == "30s from user.app.policy");
    CHECK(decider.why("hints", "SELECT 1") == "tighten from policy");
    CHECK(decider.why("row_limit", "SELECT * FROM big", {"shop", "app", "x"}) == "0 from rule 1");
    CHECK(decider.why("row_limit", "SELECT 1", {"other", "z", ""}) == "1000 from policy");
    CHECK(decider.why("row_limit", "SELECT 1 /* weir: rows=7 */") == "7 from hint");
    CHECK(decider.why("hint", "SELECT 1 /* weir: rows=7 x */") ==
          "rows=7 (and what means nothing) from statement");
}

TEST_CASE("decide: what comments may say") {
    const std::string limits = "statement_timeout = \"10s\"\nrow_limit = 100\nbyte_limit = 0\n";
    const std::string_view low = "SELECT 1 /* weir: timeout=1s rows=10 bytes=1KiB route=replica */";
    const std::string_view high = "SELECT 1 /* weir: timeout=20s rows=0 route=primary */";
    SUBCASE("off") {
        const Decider decider{"[policy]\nhints = \"off\"\n" + limits};
        CHECK(decider.plan(low) == decider.plan("SELECT 1"));
        CHECK(decider.plan(high) == decider.plan("SELECT 1"));
    }
    SUBCASE("route") {
        const Decider decider{"[policy]\n" + limits};
        CHECK(decider.plan(low).route == RuleRoute::Replica);
        CHECK(decider.plan(low).row_limit == 100);
        CHECK(decider.plan(low).statement_timeout == 10s);
        CHECK(decider.plan(low).byte_limit == 0);
        CHECK(decider.plan(high).route == RuleRoute::Primary);
    }
    SUBCASE("tighten") {
        const Decider decider{"[policy]\nhints = \"tighten\"\n" + limits};
        CHECK(decider.plan(low).route == RuleRoute::Replica);
        CHECK(decider.plan(low).row_limit == 10);
        CHECK(decider.plan(low).statement_timeout == 1s);
        CHECK(decider.plan(low).byte_limit == 1024);
        CHECK(decider.plan(high).row_limit == 100);
        CHECK(decider.plan(high).statement_timeout == 10s);
        CHECK(decider.why("statement_timeout", high) == "10s from policy");
    }
    SUBCASE("all") {
        const Decider decider{"[policy]\nhints = \"all\"\n" + limits};
        CHECK(decider.plan(low).row_limit == 10);
        CHECK(decider.plan(high).row_limit == 0);
        CHECK(decider.plan(high).statement_timeout == 20s);
        CHECK(decider.why("row_limit", high) == "0 from hint");
    }
}

TEST_CASE("decide: a hint goes before rules, and lifts no refusal") {
    const Decider decider{R"([policy]
hints = "all"
[[rule]]
match = { table = "t" }
set = { route = "replica", row_limit = 5 }
[[rule]]
match = { table = "secret" }
set = { deny = "no" }
)"};
    CHECK(decider.plan("SELECT * FROM t").route == RuleRoute::Replica);
    CHECK(decider.plan("SELECT * FROM t /* weir: route=auto */").route == RuleRoute::Auto);
    CHECK(decider.plan("SELECT * FROM t /* weir: rows=9 */").row_limit == 9);
    CHECK(decider.plan("SELECT * FROM secret /* weir: rows=9 deny= */").refusal == Refusal::Denied);
}

TEST_CASE("decide: what is denied, and allowed again") {
    const Decider decider{R"([[rule]]
match = { table = "audit_log" }
set = { deny = "ask the auditors" }
[[rule]]
match = { table = "audit_log", user = "auditor" }
set = { deny = "" }
)"};
    const Plan plan = decider.plan("DELETE FROM audit_log");
    CHECK(plan.refusal == Refusal::Denied);
    CHECK(plan.deny == "ask the auditors");
    CHECK(decider.why("result", "DELETE FROM audit_log") ==
          "fails with 42501: ask the auditors from rule 1");
    CHECK(decider.plan("DROP TABLE audit_log").refusal == Refusal::Denied);
    CHECK(decider.plan("SELECT 1").refusal == Refusal::None);
    CHECK(decider.plan("DELETE FROM audit_log", {"shop", "auditor", ""}).refusal == Refusal::None);
    CHECK(decider.why("result", "DELETE FROM audit_log", {"shop", "auditor", ""}) ==
          "may run from rule 2");
}

TEST_CASE("decide: only reads where nothing may be written") {
    const Decider decider{R"([user.app]
[user.app.policy]
read_only = true
[[rule]]
match = { table = "log" }
set = { read_only = false }
[[rule]]
match = { application_name = "guest" }
set = { read_only = true }
[[rule]]
match = { table = "secret" }
set = { deny = "no" }
)"};
    CHECK(decider.plan("SELECT 1").refusal == Refusal::None);
    const Plan plan = decider.plan("insert into t values (1)");
    CHECK(plan.refusal == Refusal::ReadOnly);
    CHECK(plan.deny == "cannot execute INSERT in a read-only session");
    CHECK(decider.why("result", "CALL p()") ==
          "fails with 25006: cannot execute CALL in a read-only session from user.app.policy");
    CHECK(decider.plan("INSERT INTO log VALUES (1)").refusal == Refusal::None);
    CHECK(decider.plan("INSERT INTO t VALUES (1)", {"shop", "x", "y"}).refusal == Refusal::None);
    CHECK(decider.why("read_only", "INSERT INTO t VALUES (1)", {"shop", "x", "guest"}) ==
          "true from rule 2");
    // What is denied is told with the rule's own words.
    CHECK(decider.plan("INSERT INTO secret VALUES (1)").refusal == Refusal::Denied);

    const ConfigPtr config = load_config("[policy]\nread_only = true\n");
    const Rules rules{config->rules};
    const Subject unseen{kSession, "SELECT 1", 0, nullptr};
    CHECK(decide(unseen, config->policy, rules, Hint{}).refusal == Refusal::ReadOnly);
    CHECK(decide({kSession, "", 0, nullptr}, config->policy, rules, Hint{}).deny ==
          "cannot execute this in a read-only session");
}

TEST_CASE("decide: what one plan holds for") {
    const std::string set_config = "SELECT set_config('search_path', 'a', false)";
    SUBCASE("for all texts of a digest") {
        const Decider decider{"[[rule]]\nmatch = { table = \"t\" }\nset = { row_limit = 1 }\n"};
        CHECK(decider.is_of_digest("SELECT * FROM t WHERE a = 1"));
    }
    SUBCASE("for one text alone where a regular expression looks at it") {
        const Decider decider{"[[rule]]\nmatch = { regex = \"1\" }\nset = { row_limit = 1 }\n"};
        CHECK_FALSE(decider.is_of_digest("SELECT 1"));
    }
    SUBCASE("for one text alone where a literal says which setting is set") {
        const Decider decider{"[policy]\nread_only = true\n"};
        CHECK(decider.is_of_digest("SELECT 1"));
        CHECK_FALSE(decider.is_of_digest(set_config));
        CHECK(Decider{""}.is_of_digest(set_config));
    }
}

TEST_CASE("decide: facts are asked for where somebody looks at them") {
    const auto asks = [](const std::string& toml) {
        const ConfigPtr config = load_config(toml);
        return needs_facts(kSession, config->policy, Rules{config->rules});
    };
    CHECK_FALSE(asks(""));
    CHECK_FALSE(asks("[policy]\nrow_limit = 5\n"));
    CHECK(asks("[policy]\nread_only = true\n"));
    CHECK(asks("[[rule]]\nmatch = { table = \"t\" }\nset = { row_limit = 1 }\n"));
    CHECK(asks("[[rule]]\nset = { read_only = true }\n"));
}

TEST_CASE("decide: a text nobody has seen is held to all that may hold for it") {
    const ConfigPtr config = load_config(R"(
[policy]
row_limit = 100
statement_timeout = "10s"
[[rule]]
match = { user = "app" }
set = { row_limit = 50 }
[[rule]]
match = { table = "big" }
set = { row_limit = 5, statement_timeout = "20s" }
[[rule]]
match = { table = "free" }
set = { row_limit = 0, byte_limit = "1MiB" }
[[rule]]
match = { regex = "secret", user = "guest" }
set = { deny = "not you" }
[[rule]]
match = { regex = "open", user = "guest" }
set = { deny = "" }
[[rule]]
match = { digest = "00000000000000ff", user = "reader" }
set = { read_only = true }
)");
    const Rules rules{config->rules};
    const auto plan_for = [&](std::string_view user) {
        Subject subject;
        subject.session = {"shop", user, ""};
        subject.is_unread = true;
        return decide(subject, config->policy_for("shop", user), rules, Hint{});
    };
    const Plan plan = plan_for("app");
    CHECK(plan.row_limit == 5);
    CHECK(plan.byte_limit == 1024U * 1024U);
    CHECK(plan.statement_timeout == 10s);
    CHECK(plan.refusal == Refusal::None);
    CHECK(plan_for("guest").refusal == Refusal::Denied);
    CHECK(plan_for("guest").deny == "not you");
    CHECK(plan_for("reader").refusal == Refusal::ReadOnly);
}

TEST_CASE("decide: how long a result is reused says [cache], then a rule, then the hint") {
    const std::string settings = R"([policy]
hints = "tighten"
[user.all]
[user.all.policy]
hints = "all"
[user.off]
[user.off.policy]
hints = "off"
[user.route]
[user.route.policy]
hints = "route"
[[rule]]
match = { table = "prices" }
set = { cache_ttl = "1m" }
[[rule]]
match = { table = "money" }
set = { cache_ttl = "0s" }
)";
    const Decider off{settings + "[cache]\ndefault_ttl = \"5s\"\n"};
    CHECK(off.why("cache_ttl", "SELECT 1") == "0s from cache.enabled");
    CHECK(off.why("cache_ttl", "SELECT * FROM prices /* weir: cache=5s */") ==
          "0s from cache.enabled");

    const Decider named{settings + "[cache]\nenabled = true\n"};
    CHECK(named.why("cache_ttl", "SELECT 1") == "0s from default");
    CHECK(named.why("cache_ttl", "SELECT * FROM prices") == "1m from rule 1");
    CHECK(named.plan("SELECT * FROM prices").cache_ttl == 60s);
    CHECK(named.plan("SELECT * FROM prices").cache_from == 0);
    CHECK(named.why("cache_ttl", "SELECT 1 /* weir: cache=1h */") == "1h from hint");
    CHECK(named.plan("SELECT 1 /* weir: cache=1h */").cache_from == kCacheByHint);
    CHECK(named.why("hint", "SELECT 1 /* weir: cache=1h */") == "cache=1h from statement");

    const Decider all{settings + "[cache]\nenabled = true\ndefault_ttl = \"5s\"\n"};
    CHECK(all.why("cache_ttl", "SELECT 1") == "5s from cache");
    CHECK(all.plan("SELECT 1").cache_from == kCacheByDefault);
    CHECK(all.why("cache_ttl", "SELECT * FROM money") == "0s from rule 2");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=2s */") == "2s from hint");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=0 */") == "0s from hint");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=9s */") == "5s from cache");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=9s */", {"shop", "all", ""}) ==
          "9s from hint");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=0 */", {"shop", "off", ""}) ==
          "5s from cache");
    CHECK(all.why("cache_ttl", "SELECT 1 /* weir: cache=0 */", {"shop", "route", ""}) ==
          "5s from cache");
}

TEST_CASE("decide: a result is not reused where nobody knows of what it is one") {
    const ConfigPtr config = load_config("[cache]\nenabled = true\ndefault_ttl = \"5s\"\n");
    const Rules rules{config->rules};
    const PolicySettings settings = config->policy_for("shop", "app");
    Subject subject{kSession, "SELECT 1", 1, nullptr};
    CHECK(decide(subject, settings, rules, Hint{}).cache_ttl == 5s);
    subject.is_doubtful = true;
    CHECK(decide(subject, settings, rules, Hint{}).cache_ttl == 0s);
    subject.is_doubtful = false;
    subject.is_unread = true;
    CHECK(decide(subject, settings, rules, Hint{}).cache_ttl == 0s);
    Subject textless;
    textless.session = kSession;
    CHECK(decide(textless, settings, rules, Hint{}).cache_ttl == 0s);
}
