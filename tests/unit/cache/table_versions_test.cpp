#include "cache/table_versions.hpp"

#include "tests/unit/cache/cache_support.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using std::chrono::seconds;
using Tables = std::vector<TableId>;

namespace {

constexpr seconds kGrace{60};

WriteSet write_of(Tables tables) {
    return {.tables = std::move(tables), .everything = false};
}

/// @return how often entries were dropped
int end(TableVersions& versions, const WriteSet& set, Outcome outcome) {
    int drops = 0;
    versions.end_write(set, outcome, kStart, kGrace, [&] {
        CHECK(versions.is_blocked(set.tables, kStart));
        ++drops;
    });
    return drops;
}

}  // namespace

TEST_CASE("a table is blocked while it is written, and others are not") {
    TableVersions versions;
    CHECK_FALSE(versions.is_blocked(Tables{1}, kStart));
    const WriteSet set = versions.begin_write(write_of({1, 2}), kStart);
    CHECK(versions.is_blocked(Tables{1}, kStart));
    CHECK(versions.is_blocked(Tables{3, 2}, kStart));
    CHECK_FALSE(versions.is_blocked(Tables{3}, kStart));
    CHECK_FALSE(versions.is_blocked(Tables{}, kStart));
    CHECK_FALSE(versions.is_quiet(kStart));
    CHECK(end(versions, set, Outcome::Committed) == 1);
    CHECK_FALSE(versions.is_blocked(Tables{1, 2}, kStart));
    CHECK(versions.is_quiet(kStart));
}

TEST_CASE("a write of everything blocks everything") {
    TableVersions versions;
    const Snapshot before = versions.stamp(Tables{}, kStart);
    const WriteSet set = versions.begin_write(WriteSet::all(), kStart);
    CHECK(versions.is_blocked(Tables{1}, kStart));
    CHECK(versions.is_blocked(Tables{}, kStart));
    CHECK_FALSE(versions.stamp(Tables{}, kStart).is_valid());
    end(versions, set, Outcome::Committed);
    CHECK_FALSE(versions.is_blocked(Tables{1}, kStart));
    CHECK_FALSE(versions.is_current(before));
}

TEST_CASE("two writes of one table block it until both have ended") {
    TableVersions versions;
    const WriteSet one = versions.begin_write(write_of({1, 1}), kStart);
    const WriteSet two = versions.begin_write(write_of({1}), kStart);
    end(versions, one, Outcome::Committed);
    CHECK(versions.is_blocked(Tables{1}, kStart));
    end(versions, two, Outcome::RolledBack);
    CHECK_FALSE(versions.is_blocked(Tables{1}, kStart));
}

TEST_CASE("a stamp holds until a write of its tables begins") {
    TableVersions versions;
    const Snapshot one = versions.stamp(Tables{1}, kStart);
    const Snapshot two = versions.stamp(Tables{2}, kStart);
    CHECK(versions.is_current(one));
    const WriteSet set = versions.begin_write(write_of({1}), kStart);
    CHECK_FALSE(versions.is_current(one));
    CHECK(versions.is_current(two));
    const Snapshot within = versions.stamp(Tables{1, 2}, kStart);
    CHECK_FALSE(within.is_valid());
    end(versions, set, Outcome::RolledBack);
    CHECK_FALSE(versions.is_current(one));
    CHECK_FALSE(versions.is_current(within));
    CHECK(versions.is_current(two));
    CHECK(versions.is_current(versions.stamp(Tables{1, 2}, kStart)));
}

TEST_CASE("no stamp that was never made holds") {
    const TableVersions versions;
    CHECK_FALSE(versions.is_current({}));
    CHECK_FALSE(versions.run_if_current({}, [] { FAIL("put"); }));
}

TEST_CASE("what is put is put only while the stamp holds") {
    TableVersions versions;
    const Snapshot stamp = versions.stamp(Tables{1}, kStart);
    int puts = 0;
    CHECK(versions.run_if_current(stamp, [&] { ++puts; }));
    versions.invalidate_all();
    CHECK_FALSE(versions.run_if_current(stamp, [&] { ++puts; }));
    CHECK(puts == 1);
}

TEST_CASE("entries are dropped before a committed write unblocks its tables") {
    TableVersions versions;
    CHECK(end(versions, versions.begin_write(write_of({1}), kStart), Outcome::Committed) == 1);
    CHECK(end(versions, versions.begin_write(WriteSet::all(), kStart), Outcome::Committed) == 1);
    CHECK(end(versions, versions.begin_write(write_of({1}), kStart), Outcome::RolledBack) == 0);
}

TEST_CASE("a write whose outcome is not known blocks for a while") {
    TableVersions versions;
    CHECK(end(versions, versions.begin_write(write_of({1}), kStart), Outcome::Unknown) == 1);
    CHECK(versions.is_blocked(Tables{1}, kStart + kGrace - seconds{1}));
    CHECK_FALSE(versions.is_blocked(Tables{2}, kStart));
    CHECK_FALSE(versions.stamp(Tables{1}, kStart + kGrace - seconds{1}).is_valid());
    // A write that ends well meanwhile does not shorten it.
    end(versions, versions.begin_write(write_of({1}), kStart), Outcome::Committed);
    CHECK(versions.is_blocked(Tables{1}, kStart + seconds{1}));
    CHECK_FALSE(versions.is_quiet(kStart + seconds{1}));
    CHECK_FALSE(versions.is_blocked(Tables{1}, kStart + kGrace));
    CHECK(versions.is_quiet(kStart + kGrace));
    CHECK(versions.stamp(Tables{1}, kStart + kGrace).is_valid());
}

TEST_CASE("a stamp says when its tables were written last") {
    TableVersions versions;
    CHECK(versions.stamp(Tables{1}, kStart).written_at() == weir::TimePoint::min());
    end(versions, versions.begin_write(write_of({1}), kStart), Outcome::RolledBack);
    CHECK(versions.stamp(Tables{1}, kStart).written_at() == weir::TimePoint::min());
    end(versions, versions.begin_write(write_of({1}), kStart), Outcome::Committed);
    CHECK(versions.stamp(Tables{1, 2}, kStart).written_at() == kStart);
    CHECK(versions.stamp(Tables{2}, kStart).written_at() == weir::TimePoint::min());
}

TEST_CASE("only so many tables are remembered, and nothing is forgotten that matters") {
    TableVersions versions;
    const WriteSet long_one = versions.begin_write(write_of({1}), kStart);
    Tables many;
    for (TableId table = 2; table <= TableVersions::kTablesMax; ++table) {
        many.push_back(table);
    }
    const Snapshot before = versions.stamp(Tables{7}, kStart);
    const Snapshot of_other = versions.stamp(Tables{1'000'000}, kStart);
    end(versions, versions.begin_write(write_of(many), kStart), Outcome::Committed);
    CHECK(versions.tables() == TableVersions::kTablesMax);
    CHECK(versions.is_current(of_other));
    end(versions, versions.begin_write(write_of({2'000'000}), kStart), Outcome::Committed);
    CHECK(versions.tables() == 2);
    CHECK_FALSE(versions.is_current(before));
    CHECK_FALSE(versions.is_current(of_other));
    CHECK(versions.stamp(Tables{7}, kStart).written_at() == kStart);
    CHECK(versions.is_blocked(Tables{1}, kStart));
    end(versions, long_one, Outcome::Committed);
    CHECK_FALSE(versions.is_blocked(Tables{1}, kStart));
}

TEST_CASE("a write of more tables than can be remembered is one of everything") {
    TableVersions versions;
    Tables many(TableVersions::kTablesMax + 1);
    for (TableId table = 0; table < many.size(); ++table) {
        many[table] = table + 1;
    }
    const WriteSet set = versions.begin_write(write_of(many), kStart);
    CHECK(set.everything);
    CHECK(versions.is_blocked(Tables{1'000'000}, kStart));
    end(versions, set, Outcome::Committed);
    CHECK(versions.is_quiet(kStart));
    CHECK(versions.tables() == 0);
}
