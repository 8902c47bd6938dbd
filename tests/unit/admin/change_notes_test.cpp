#include "admin/change_notes.hpp"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace weir::admin {

namespace {

using namespace std::chrono_literals;

struct Noted : events::Sink {
    std::vector<events::Event> all;

    void note(events::Event event) override { all.push_back(std::move(event)); }

    void note(events::Deed /*deed*/) override {}
};

status::Snapshot with_pool(std::uint64_t requests, std::uint64_t errors = 0) {
    status::Snapshot snapshot;
    status::Pool& pool = snapshot.pools.emplace_back();
    pool.database = "shop";
    pool.user = "app";
    pool.events[static_cast<std::size_t>(status::PoolEvent::AcquireRequest)] = requests;
    pool.events[static_cast<std::size_t>(status::PoolEvent::Error)] = errors;
    return snapshot;
}

status::Snapshot with_member(bool is_primary, std::string breaker, std::uint64_t trips = 0) {
    status::Snapshot snapshot;
    status::Member& member = snapshot.members.emplace_back();
    member.cluster = "main";
    member.name = "db1:5432";
    member.is_up = true;
    member.is_primary = is_primary;
    member.breaker = std::move(breaker);
    member.trips = trips;
    return snapshot;
}

constexpr TimePoint kBegin{};

}  // namespace

TEST_SUITE("change notes") {
    TEST_CASE("pools: once a minute, what they went through since") {
        Noted noted;
        ChangeNotes notes{noted};
        notes.on_sample(with_pool(5), kBegin);
        REQUIRE(noted.all.size() == 1);
        notes.on_sample(with_pool(7), kBegin + 59s);
        CHECK(noted.all.size() == 1);
        notes.on_sample(with_pool(9, 1), kBegin + 60s);
        REQUIRE(noted.all.size() == 2);
        CHECK(noted.all[0].severity == events::Severity::Info);
        CHECK(noted.all[1].severity == events::Severity::Warning);
        CHECK(noted.all[1].kind == "pool");
        CHECK(noted.all[1].object == "shop/app");
        const auto counts = nlohmann::json::parse(noted.all[1].data);
        CHECK(counts.size() == 10);
        CHECK(counts["acquire_request"] == 4);
        CHECK(counts["error"] == 1);
    }

    TEST_CASE(
        "pools: nothing is told of one that did nothing; one that began anew counts from zero") {
        Noted noted;
        ChangeNotes notes{noted};
        notes.on_sample(with_pool(5), kBegin);
        notes.on_sample(with_pool(5), kBegin + 60s);
        CHECK(noted.all.size() == 1);
        notes.on_sample(with_pool(2), kBegin + 120s);
        REQUIRE(noted.all.size() == 2);
        CHECK(nlohmann::json::parse(noted.all[1].data)["acquire_request"] == 2);
    }

    TEST_CASE("members: another primary and a breaker that turns, once each") {
        Noted noted;
        ChangeNotes notes{noted};
        notes.on_sample(with_member(true, "closed"), kBegin);
        notes.on_sample(with_member(true, "closed"), kBegin + 1s);
        CHECK(noted.all.empty());
        notes.on_sample(with_member(false, "open", 1), kBegin + 2s);
        REQUIRE(noted.all.size() == 2);
        CHECK(noted.all[0].kind == "failover");
        CHECK(noted.all[0].what == "is not the primary of main any more");
        CHECK(noted.all[1].kind == "breaker");
        CHECK(noted.all[1].severity == events::Severity::Warning);
        notes.on_sample(with_member(false, "open", 1), kBegin + 3s);
        CHECK(noted.all.size() == 2);
        notes.on_sample(status::Snapshot{}, kBegin + 4s);
        notes.on_sample(with_member(true, "closed"), kBegin + 5s);
        CHECK(noted.all.size() == 2);
    }
}

}  // namespace weir::admin
