#include "cache/admission.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <functional>
#include <unordered_set>

using weir::cache::Admission;

namespace {

constexpr std::uint64_t kStatement = 7;
constexpr std::uint64_t kQuickUs = 100;
constexpr std::uint64_t kSlowUs = 50'000;

/// As hashes are: each bit as good as another.
std::uint64_t key_of(std::uint64_t number) {
    std::uint64_t key = number + 0x9e37'79b9'7f4a'7c15U;
    key = (key ^ (key >> 30U)) * 0xbf58'476d'1ce4'e5b9U;
    key = (key ^ (key >> 27U)) * 0x94d0'49bb'1331'11ebU;
    return key ^ (key >> 31U);
}

/// A cache that keeps all that is admitted.
struct Model {
    Admission admission;
    std::unordered_set<std::uint64_t> kept;
    std::uint64_t server_us = kQuickUs;
    std::uint64_t digest = kStatement;

    enum class Fate { Hit, Read, Skipped };

    Fate ask(std::uint64_t number) {
        const std::uint64_t key = key_of(number);
        if (!admission.admits(digest, key)) {
            return Fate::Skipped;
        }
        if (kept.count(key) != 0) {
            admission.note_hit(digest, key);
            return Fate::Hit;
        }
        kept.insert(key);
        admission.note_read(digest, server_us);
        return Fate::Read;
    }

    /// @return how many of them had that fate
    std::uint64_t ask_all(std::uint64_t count,
                          const std::function<std::uint64_t(std::uint64_t)>& number,
                          Fate fate) {
        std::uint64_t with_it = 0;
        for (std::uint64_t i = 0; i < count; ++i) {
            with_it += static_cast<std::uint64_t>(ask(number(i)) == fate);
        }
        return with_it;
    }
};

std::uint64_t next_number() {
    static std::uint64_t last = 1'000'000'000;
    return ++last;
}

void make_rare(Model& model) {
    for (unsigned i = 0; i <= Admission::kWindow; ++i) {
        model.ask(next_number());
    }
    REQUIRE(model.admission.is_rare(model.digest));
}

constexpr std::uint64_t kMany = 100'000;

}  // namespace

TEST_SUITE("admission") {
    TEST_CASE("admission: all are kept of what is new, and of what is found") {
        Model model;
        CHECK(model.ask_all(
                  Admission::kWindow, [](auto) { return next_number(); }, Model::Fate::Skipped) ==
              0);
        Model found;
        CHECK(found.ask_all(
                  kMany, [](auto i) { return i % 1000; }, Model::Fate::Skipped) == 0);
        CHECK_FALSE(found.admission.is_rare(kStatement));
    }

    TEST_CASE("admission: of what is never found a part is kept") {
        Model model;
        make_rare(model);
        const std::uint64_t read = model.ask_all(
            kMany, [](auto) { return next_number(); }, Model::Fate::Read);
        CHECK(read > kMany / Admission::kSampleOf / 2);
        CHECK(read < kMany / Admission::kSampleOf * 2);
        CHECK(model.admission.is_rare(kStatement));
    }

    TEST_CASE("admission: one hit in ten thousand is enough where the server works long") {
        constexpr std::uint64_t kSeldom = 2000;  // hits a window: 2; they save 100 ms, cost 20
        Model slow;
        slow.server_us = kSlowUs;
        const auto seldom = [](auto i) { return i % kSeldom == 0 ? 1 : next_number(); };
        CHECK(slow.ask_all(kMany, seldom, Model::Fate::Skipped) == 0);
        Model quick;
        CHECK(quick.ask_all(kMany, seldom, Model::Fate::Skipped) > kMany / 2);
    }

    TEST_CASE("admission: a key that comes again soon is found, of a rare statement too") {
        for (std::uint64_t number = 1; number <= 20; ++number) {  // in the sample or not
            Model model;
            make_rare(model);
            model.ask(number);
            model.ask_all(
                100, [](auto) { return next_number(); }, Model::Fate::Read);
            model.ask(number);
            CHECK(model.ask(number) == Model::Fate::Hit);
        }
    }

    TEST_CASE("admission: what comes to be asked for often is kept again") {
        Model model;
        make_rare(model);
        SUBCASE("a few keys") {
            model.ask_all(
                kMany, [](auto i) { return i % 10; }, Model::Fate::Hit);
        }
        SUBCASE("more keys than are remembered") {
            model.ask_all(
                4 * kMany, [](auto i) { return i % 50'000; }, Model::Fate::Hit);
        }
        CHECK_FALSE(model.admission.is_rare(kStatement));
        CHECK(model.ask_all(
                  Admission::kWindow, [](auto i) { return i % 10; }, Model::Fate::Skipped) == 0);
    }

    TEST_CASE("admission: statements are weighed each by itself") {
        Model model;
        make_rare(model);
        model.digest = kStatement + 1;
        CHECK_FALSE(model.admission.is_rare(model.digest));
        CHECK(model.ask_all(
                  Admission::kWindow, [](auto) { return next_number(); }, Model::Fate::Skipped) ==
              0);
    }

    TEST_CASE("admission: where nothing was read nothing is known of what a hit saves") {
        Admission admission;
        for (unsigned i = 0; i < 3 * Admission::kWindow; ++i) {  // failed, or written meanwhile
            CHECK(admission.admits(kStatement, key_of(next_number())));
        }
        CHECK_FALSE(admission.is_rare(kStatement));
    }

    TEST_CASE("admission: statements without end") {
        Model model;
        for (std::uint64_t digest = 0; digest < 3 * Admission::kStatementsMax; ++digest) {
            model.digest = digest;
            CHECK(model.ask(next_number()) != Model::Fate::Skipped);
        }
    }
}
