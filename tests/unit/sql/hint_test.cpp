#include "sql/hint.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <string>

using std::chrono::milliseconds;
using weir::sql::Hint;
using weir::sql::read_hint;
using weir::sql::RouteHint;
using namespace std::chrono_literals;

namespace {

const Hint kNone{};
enum class Unknown : bool { None, Some };

Hint routed(RouteHint route, Unknown unknown = Unknown::None) {
    Hint hint;
    hint.route = route;
    hint.has_unknown = unknown == Unknown::Some;
    return hint;
}

const Hint kReplica = routed(RouteHint::Replica);
const Hint kPrimary = routed(RouteHint::Primary);

Hint limited(std::optional<milliseconds> timeout,
             std::optional<std::uint64_t> rows = std::nullopt,
             std::optional<std::uint64_t> bytes = std::nullopt) {
    Hint hint;
    hint.timeout = timeout;
    hint.rows = rows;
    hint.bytes = bytes;
    return hint;
}

}  // namespace

TEST_CASE("hints wherever PostgreSQL sees a comment") {
    CHECK(read_hint("/* weir: route=replica */ SELECT 1") == kReplica);
    CHECK(read_hint("/*weir:route=replica*/SELECT 1") == kReplica);
    CHECK(read_hint("SELECT 1 /* weir: route=primary */") == kPrimary);
    CHECK(read_hint("SELECT /* weir: route=auto */ 1") == routed(RouteHint::Auto));
    CHECK(read_hint("-- weir: route=primary\nSELECT 1") == kPrimary);
    CHECK(read_hint("SELECT 1 -- weir: route=primary") == kPrimary);
    CHECK(read_hint("SELECT 1 --weir:route=primary\r") == kPrimary);
    CHECK(read_hint("SELECT 'a' /*\n\tweir:\n  route=replica\n*/ , E'x'") == kReplica);
    CHECK(read_hint("/* x *//* weir: route=replica */SELECT 1") == kReplica);
    CHECK(read_hint("-- x\n-- weir: route=replica\n/* y */ SELECT 1") == kReplica);
    CHECK(read_hint("SELECT 1; /* weir: route=replica */ U&'x'") == kReplica);
    CHECK(read_hint("/* weir: route=replica */") == kReplica);
}

TEST_CASE("what is no comment is no hint") {
    CHECK(read_hint("") == kNone);
    CHECK(read_hint("SELECT 1") == kNone);
    CHECK(read_hint("SELECT '/* weir: route=replica */'") == kNone);
    CHECK(read_hint("SELECT E'\\'/* weir: route=replica */'") == kNone);
    CHECK(read_hint("SELECT \"-- weir: route=replica\"") == kNone);
    CHECK(read_hint("SELECT $$ -- weir: route=replica\n$$") == kNone);
    CHECK(read_hint("DO $x$ /* weir: route=replica */ $x$") == kNone);
    CHECK(read_hint("SELECT U&\" /* weir: route=replica */ \"") == kNone);
    CHECK(read_hint("SELECT weir: route=replica") == kNone);
    CHECK(read_hint("/* see weir: route=replica */ SELECT 1") == kNone);
    CHECK(read_hint("/* a /* weir: route=replica */ b */ SELECT 1") == kNone);
    CHECK(read_hint("/* WEIR: route=replica */") == kNone);
    CHECK(read_hint("-- x weir: route=replica\nSELECT 1") == kNone);
}

TEST_CASE("what is not known is told, and harms nothing") {
    CHECK(read_hint("/* weir: colour=5s */") == routed(RouteHint::None, Unknown::Some));
    CHECK(read_hint("/* weir: colour=5s route=replica x */") ==
          routed(RouteHint::Replica, Unknown::Some));
    CHECK(read_hint("/* weir: route=elsewhere */") == routed(RouteHint::None, Unknown::Some));
    CHECK(read_hint("/* weir: route = replica */") == routed(RouteHint::None, Unknown::Some));
    CHECK(read_hint("/* weir: route=replica; */") == routed(RouteHint::None, Unknown::Some));
    CHECK(read_hint("/* weir: ROUTE=REPLICA */") == routed(RouteHint::None, Unknown::Some));
    CHECK(read_hint("/* weir: */") == kNone);
    CHECK(read_hint("/* weir:") == kNone);
    CHECK(read_hint("/* weir: route=replica") == kNone);
    CHECK(read_hint("/* weir: route=replica *") == kNone);
    CHECK(read_hint("/*/ weir: route=replica */") == kNone);
    CHECK(read_hint("/* weir: route=\xff\xfe */") == routed(RouteHint::None, Unknown::Some));
}

TEST_CASE("the primary wins where hints contradict each other") {
    CHECK(read_hint("/* weir: route=primary */ SELECT 1 /* weir: route=replica */") == kPrimary);
    CHECK(read_hint("/* weir: route=replica route=primary */") == kPrimary);
    CHECK(read_hint("/* weir: route=auto */ SELECT 1 -- weir: route=replica") == kReplica);
}

TEST_CASE("long and cut texts") {
    const std::string whole =
        "SELECT 'x' /* weir: route=replica */ , $$y$$ -- weir: route=primary\n";
    for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
        CHECK_NOTHROW(static_cast<void>(read_hint(std::string_view{whole}.substr(0, cut))));
    }
    std::string many;
    for (int i = 0; i < 10'000; ++i) {
        many += "/* weir: a=b */ /*";
    }
    CHECK(read_hint(many).has_unknown);
    CHECK(read_hint(std::string(1'000'000, 'w') + "/* weir: route=replica */") == kReplica);
}

TEST_CASE("limits in hints") {
    CHECK(read_hint("/* weir: timeout=5s */ SELECT 1") == limited(5s));
    CHECK(read_hint("/* weir: timeout=250ms rows=100 bytes=1MiB */ SELECT 1") ==
          limited(250ms, 100, 1024 * 1024));
    CHECK(read_hint("SELECT 1 -- weir: rows=7") == limited(std::nullopt, 7));
    CHECK(read_hint("/*weir:bytes=10kB*/ SELECT 1") == limited(std::nullopt, std::nullopt, 10'000));
    CHECK(read_hint("/* weir: timeout=0 rows=0 bytes=0 */ SELECT 1") == limited(0ms, 0, 0));
    Hint all = limited(2s, 9, 512);
    all.route = RouteHint::Replica;
    CHECK(
        read_hint("/* weir: timeout=2s route=replica */ SELECT /* weir: bytes=512B rows=9 */ 1") ==
        all);
}

TEST_CASE("of limits that contradict each other the lowest holds") {
    CHECK(read_hint("/* weir: timeout=5s timeout=2s */") == limited(2s));
    CHECK(read_hint("/* weir: timeout=2s */ SELECT 1 /* weir: timeout=5s */") == limited(2s));
    CHECK(read_hint("/* weir: timeout=0 timeout=5s */") == limited(5s));
    CHECK(read_hint("/* weir: timeout=5s timeout=0 */") == limited(5s));
    CHECK(read_hint("/* weir: rows=5 rows=4 rows=6 bytes=9B bytes=1KiB */") ==
          limited(std::nullopt, 4, 9));
}

TEST_CASE("how long a result may be reused") {
    const auto cached = [](std::chrono::milliseconds time) {
        Hint hint;
        hint.cache = time;
        return hint;
    };
    CHECK(read_hint("/* weir: cache=60s */ SELECT 1") == cached(1min));
    CHECK(read_hint("/* weir: cache=0 */ SELECT 1") == cached(0ms));
    CHECK(read_hint("/* weir: cache=60s cache=5s */ SELECT 1") == cached(5s));
    CHECK(read_hint("/* weir: cache=0 */ SELECT 1 -- weir: cache=5s") == cached(0ms));
}

TEST_CASE("a value that means nothing is unknown, and the others count") {
    Hint unknown;
    unknown.has_unknown = true;
    for (const char* key : {"timeout=5",
                            "timeout=-5s",
                            "timeout=5sec",
                            "timeout=",
                            "timeout",
                            "timeout=99999d",
                            "timeout=18446744073709551616ms",
                            "timeout=1.5s",
                            "rows=many",
                            "rows=-1",
                            "rows=1e3",
                            "rows=",
                            "rows=1000000000001",
                            "rows=18446744073709551616",
                            "rows=5s",
                            "bytes=5",
                            "bytes=1TiB",
                            "bytes=1025GiB",
                            "bytes=99999999999999999999GiB",
                            "cache=5",
                            "cache=-1s",
                            "cache=",
                            "cache=99999d",
                            "deny=x",
                            "=",
                            "=5s"}) {
        CAPTURE(key);
        CHECK(read_hint("/* weir: " + std::string{key} + " */ SELECT 1") == unknown);
        Hint both = limited(std::nullopt, 3);
        both.has_unknown = true;
        CHECK(read_hint("/* weir: " + std::string{key} + " rows=3 */ SELECT 1") == both);
    }
}
