#include "pool/database_knowledge.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>

using weir::TimePoint;
using weir::pool::DatabaseKnowledge;
using weir::pool::FunctionKnowledge;

namespace {

constexpr TimePoint kStart{std::chrono::hours{1}};

void read(DatabaseKnowledge& knowledge, TimePoint now) {
    REQUIRE(knowledge.claim(now));
    const auto changes = knowledge.changes();
    knowledge.renew(std::make_shared<const FunctionKnowledge>(), changes, now, knowledge.losses());
}

}  // namespace

TEST_CASE("what a database's functions do is known for a while") {
    DatabaseKnowledge knowledge;
    CHECK_FALSE(knowledge.is_current(kStart));
    read(knowledge, kStart);
    CHECK(knowledge.is_current(kStart));
    CHECK_FALSE(knowledge.claim(kStart));
    CHECK(knowledge.is_current(kStart + DatabaseKnowledge::kHoldsFor - std::chrono::seconds{1}));
    CHECK_FALSE(knowledge.is_current(kStart + DatabaseKnowledge::kHoldsFor));
    CHECK(knowledge.claim(kStart + DatabaseKnowledge::kRenewAfter));
}

TEST_CASE("one at a time reads the catalog, and a failure waits a moment") {
    DatabaseKnowledge knowledge;
    REQUIRE(knowledge.claim(kStart));
    CHECK_FALSE(knowledge.claim(kStart));
    knowledge.fail(kStart);
    CHECK_FALSE(knowledge.claim(kStart));
    CHECK(knowledge.claim(kStart + DatabaseKnowledge::kRetryAfter));
}

TEST_CASE("where all reads go elsewhere one at a time is sent for the catalog") {
    DatabaseKnowledge knowledge;
    read(knowledge, kStart);
    CHECK_FALSE(knowledge.takes_errand(kStart));
    const TimePoint due = kStart + DatabaseKnowledge::kRenewAfter;
    CHECK(knowledge.takes_errand(due));
    CHECK_FALSE(knowledge.takes_errand(due));                             // it is on its way
    CHECK(knowledge.takes_errand(due + DatabaseKnowledge::kRetryAfter));  // it has not come back
    REQUIRE(knowledge.claim(due + DatabaseKnowledge::kRetryAfter));
    CHECK_FALSE(knowledge.takes_errand(due + 2 * DatabaseKnowledge::kRetryAfter));
}

TEST_CASE("a change that is not committed may be committed at any moment") {
    DatabaseKnowledge knowledge;
    read(knowledge, kStart);
    const auto before = knowledge.changes();
    auto change = std::make_unique<DatabaseKnowledge::Change>(knowledge);
    CHECK_FALSE(knowledge.is_current(kStart));
    CHECK_FALSE(knowledge.is_unchanged_since(before));
    CHECK_FALSE(knowledge.claim(kStart));
    change.reset();
    CHECK_FALSE(knowledge.is_current(kStart));
    CHECK_FALSE(knowledge.is_unchanged_since(before));
    read(knowledge, kStart);
    CHECK(knowledge.is_current(kStart));
}

TEST_CASE("what changes while the catalog is read is read again") {
    DatabaseKnowledge knowledge;
    REQUIRE(knowledge.claim(kStart));
    const auto changes = knowledge.changes();
    { const DatabaseKnowledge::Change change{knowledge}; }
    knowledge.renew(
        std::make_shared<const FunctionKnowledge>(), changes, kStart, knowledge.losses());
    CHECK_FALSE(knowledge.is_current(kStart));
    CHECK(knowledge.claim(kStart));
}

TEST_CASE(
    "a server that was lost is known again once the catalog was read, and nobody is sent for "
    "that") {
    DatabaseKnowledge knowledge;
    read(knowledge, kStart);
    knowledge.note_loss();
    CHECK_FALSE(knowledge.is_of_server());
    CHECK(knowledge.is_current(kStart));  // reads go on being routed
    CHECK_FALSE(knowledge.takes_errand(kStart + std::chrono::seconds{2}));
    REQUIRE(knowledge.claim(kStart));
    const auto losses = knowledge.losses();
    knowledge.note_loss();
    knowledge.renew(nullptr, knowledge.changes(), kStart, losses);
    CHECK_FALSE(knowledge.is_of_server());
    read(knowledge, kStart);
    CHECK(knowledge.is_of_server());
}

TEST_CASE("the names of settings that were mentioned last are kept") {
    DatabaseKnowledge knowledge;
    knowledge.learn_custom_setting("a.first");
    for (std::size_t i = 1; i < DatabaseKnowledge::kCustomSettingsMax; ++i) {
        knowledge.learn_custom_setting("a.n" + std::to_string(i));
    }
    knowledge.learn_custom_setting("a.first");
    knowledge.learn_custom_setting("a.new");
    const auto names = knowledge.custom_settings();
    CHECK(names.size() == DatabaseKnowledge::kCustomSettingsMax);
    const auto has = [&](const char* name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    CHECK(has("a.first"));
    CHECK(has("a.new"));
    CHECK_FALSE(has("a.n1"));
}
