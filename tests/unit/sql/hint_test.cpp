#include "sql/hint.hpp"

#include <doctest/doctest.h>

#include <string>

using weir::sql::Hint;
using weir::sql::read_hint;
using weir::sql::RouteHint;

namespace {

constexpr Hint kNone{};
constexpr Hint kReplica{RouteHint::Replica, false};
constexpr Hint kPrimary{RouteHint::Primary, false};

}  // namespace

TEST_CASE("hints wherever PostgreSQL sees a comment") {
    CHECK(read_hint("/* weir: route=replica */ SELECT 1") == kReplica);
    CHECK(read_hint("/*weir:route=replica*/SELECT 1") == kReplica);
    CHECK(read_hint("SELECT 1 /* weir: route=primary */") == kPrimary);
    CHECK(read_hint("SELECT /* weir: route=auto */ 1") == Hint{RouteHint::Auto, false});
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
    CHECK(read_hint("/* weir: cache=5s */") == Hint{RouteHint::None, true});
    CHECK(read_hint("/* weir: cache=5s route=replica x */") == Hint{RouteHint::Replica, true});
    CHECK(read_hint("/* weir: route=elsewhere */") == Hint{RouteHint::None, true});
    CHECK(read_hint("/* weir: route = replica */") == Hint{RouteHint::None, true});
    CHECK(read_hint("/* weir: route=replica; */") == Hint{RouteHint::None, true});
    CHECK(read_hint("/* weir: ROUTE=REPLICA */") == Hint{RouteHint::None, true});
    CHECK(read_hint("/* weir: */") == kNone);
    CHECK(read_hint("/* weir:") == kNone);
    CHECK(read_hint("/* weir: route=replica") == kNone);
    CHECK(read_hint("/* weir: route=replica *") == kNone);
    CHECK(read_hint("/*/ weir: route=replica */") == kNone);
    CHECK(read_hint("/* weir: route=\xff\xfe */") == Hint{RouteHint::None, true});
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
