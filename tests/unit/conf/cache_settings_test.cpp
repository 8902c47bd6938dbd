#include "conf/change.hpp"
#include "conf/reference.hpp"
#include "conf/reload.hpp"
#include "tests/unit/conf/loading.hpp"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using namespace weir::conf;
using namespace weir::conf::test;

TEST_CASE("cache settings: nothing is cached unless somebody says so") {
    const LoadResult result = load_with_base("");
    REQUIRE(result.config);
    CHECK(result.config->cache ==
          CacheSettings{
              false, 0s, 100U << 20U, 100'000, 1U << 20U, 0s, true, "", "weir:", 50ms, 10'000});
    CHECK(result.config->policy.cache_ttl == std::nullopt);
    CHECK(result.config->policy_for("shop", "app").cache_ttl == std::nullopt);
}

TEST_CASE("cache settings: what is written is read, and written again") {
    const LoadResult result = load_with_base(R"([cache]
enabled = true
default_ttl = "5s"
max_size = "2MiB"
max_entries = 7
max_entry = "1KiB"
stale_while_revalidate = "1m"
invalidate_on_write = false
redis = "redis://u:p@h:1/2"
redis_key_prefix = "mine:"
redis_timeout = "5ms"
redis_queue = 3
[[rule]]
match = { table = "prices" }
set = { cache_ttl = "1h" }
)");
    REQUIRE(only_text(result).empty());
    CHECK(
        result.config->cache ==
        CacheSettings{
            true, 5s, 2U << 20U, 7, 1U << 10U, 1min, false, "redis://u:p@h:1/2", "mine:", 5ms, 3});
    CHECK(result.config->rules.at(0).set.cache_ttl == 1h);
    CHECK(result.config->policy_for("shop", "app").cache_ttl == 5s);
    CHECK(result.config->policy_for("nobody", "").cache_ttl == 5s);

    const LoadResult again = load_whole(config_toml(*result.config));  // secrets are not shown
    CHECK(only_text(again).find("cache.redis: the value ") != std::string::npos);
    Config readable = *result.config;
    readable.cache.redis.clear();
    const LoadResult whole = load_whole(config_toml(readable));
    REQUIRE(only_text(whole).empty());
    CHECK(whole.config->cache == readable.cache);
    CHECK(whole.config->rules == result.config->rules);
}

TEST_CASE("cache settings: bounds, and all of them change at a reload") {
    struct Case {
        const char* key;
        const char* value;
        bool is_accepted;
    };

    const LoadResult result = load_with_base("[cache]\nenabled = true\nredis = \"redis://x\"\n");
    REQUIRE(result.config);
    for (const Case& c : {Case{"cache.enabled", "false", true},
                          Case{"cache.enabled", "maybe", false},
                          Case{"cache.default_ttl", "10s", true},
                          Case{"cache.default_ttl", "10", false},
                          Case{"cache.max_size", "1MiB", true},
                          Case{"cache.max_size", "1KiB", false},
                          Case{"cache.max_size", "1025GiB", false},
                          Case{"cache.max_entries", "1", true},
                          Case{"cache.max_entries", "0", false},
                          Case{"cache.max_entry", "1GiB", true},
                          Case{"cache.max_entry", "1B", false},
                          Case{"cache.stale_while_revalidate", "1s", true},
                          Case{"cache.invalidate_on_write", "false", true},
                          Case{"cache.max_size", "0", true},
                          Case{"cache.redis", "redis://h", true},
                          Case{"cache.redis_key_prefix", "mine:", true},
                          Case{"cache.redis_timeout", "0s", false},
                          Case{"cache.redis_timeout", "1s", true},
                          Case{"cache.redis_timeout", "2s", false},
                          Case{"cache.redis_queue", "1", true},
                          Case{"cache.redis_queue", "0", false},
                          Case{"database.shop.cache.enabled", "true", false}}) {
        CAPTURE(c.key);
        CAPTURE(c.value);
        const Change done = change(*result.config, c.key, c.value);
        CAPTURE(done.problem);
        CHECK((done.config != nullptr) == c.is_accepted);
        if (done.config) {
            const ReloadPlan plan = compare(*result.config, *done.config);
            CHECK(plan.changed == std::vector<std::string>{c.key});
            CHECK(plan.needs_restart.empty());
        }
    }
}

TEST_CASE("cache settings: what is said in vain is noted") {
    const std::string rule = "[[rule]]\nset = { cache_ttl = \"1m\" }\n";
    CHECK(notes_text(load_with_base(rule)) ==
          "rule.1.set.cache_ttl has no effect: cache.enabled is false");
    CHECK(notes_text(load_with_base(rule + "[cache]\nenabled = true\n")).empty());
    CHECK(notes_text(load_with_base("[[rule]]\nset = { cache_ttl = \"0s\" }\n")).empty());
    CHECK(notes_text(load_with_base("[cache]\ndefault_ttl = \"1s\"\n")) ==
          "cache.default_ttl has no effect: cache.enabled is false");
    CHECK(notes_text(load_with_base("[cache]\nmax_entry = \"2MiB\"\nmax_size = \"1MiB\"\n")) ==
          "cache.max_entry has no effect: it is above cache.max_size");
}

TEST_CASE("cache settings: a place for results, and a prefix") {
    const auto problem = [](const std::string& text) {
        return only_text(load_with_base("[cache]\nenabled = true\n" + text));
    };
    CHECK(problem("max_size = 0\n").find("cache.max_size: leaves no place") != std::string::npos);
    CHECK(problem("redis = \"http://:secret@h\"\n").find("secret") == std::string::npos);
    CHECK(problem("redis = \"redis://h\"\nredis_key_prefix = \"a b\"\n")
              .find("redis_key_prefix: is no prefix") != std::string::npos);
    CHECK(load_with_base("[cache]\nenabled = true\nmax_size = 0\nredis = \"redis://h\"\n").config);
}
