#include "cache/redis/shared_results.hpp"
#include "tests/support/shared_results_support.hpp"

#include <doctest/doctest.h>

#include <array>
#include <memory>
#include <random>
#include <string>
#include <vector>

/// Many readers and writers in one database of two counters, in random order: no read that begins
/// after a commit may see what was before it, whatever comes in between.
namespace weir::cache {
namespace {

using std::chrono::milliseconds;
using test::Fleet;
using test::Instance;
using test::kItems;
using test::kOrders;

constexpr std::array kTables{kOrders, kItems};

/// What PostgreSQL would be: how often each table has been written to, as committed.
struct Model {
    std::array<int, 2> committed{};
    int wrong = 0;
    int hits = 0;
    int reads = 0;
    int commits = 0;
    int told_later = 0;
    std::mt19937 random{7};  // NOLINT(cert-msc51-cpp): the same order every time

    [[nodiscard]] unsigned any(unsigned below) { return static_cast<unsigned>(random() % below); }
};

/// One client that goes on step by step, each in a turn of its own.
class Actor {
public:
    Actor(Model& model, Instance& instance) : model_{model}, instance_{instance} {}

    Actor(const Actor&) = delete;
    Actor& operator=(const Actor&) = delete;
    Actor(Actor&&) = delete;
    Actor& operator=(Actor&&) = delete;
    virtual ~Actor() = default;

    /// @return whether it had something to do
    bool step() {
        if (waits_) {
            return false;
        }
        next();
        return true;
    }

protected:
    virtual void next() = 0;

    Model& model_;        // NOLINT: for the two kinds below
    Instance& instance_;  // NOLINT
    bool waits_ = false;  // NOLINT
    unsigned table_ = 0;  // NOLINT
    int at_ = 0;          // NOLINT
};

/// get, then a snapshot, then set; or a hit.
class Reader final : public Actor {
public:
    using Actor::Actor;

private:
    void next() override {
        switch (at_) {
            case 0: look(); break;
            case 1:
                snapshot_ = model_.committed[table_];
                at_ = 2;
                break;
            default:
                keep();
                at_ = 0;
                break;
        }
    }

    [[nodiscard]] std::string key() const { return "counter " + std::to_string(table_); }

    void look() {
        table_ = model_.any(kTables.size());
        const int expected = model_.committed[table_];
        const std::array<TableId, 1> tables{kTables[table_]};
        const std::string name = key();
        ++model_.reads;
        waits_ = instance_.results->get(
            {"shop", as_bytes(name), tables}, [this, expected](const FoundResult& found) {
                waits_ = false;
                versions_ = found.versions;
                if (found.value) {
                    ++model_.hits;
                    model_.wrong +=
                        std::stoi(std::string{as_text(found.value->result.reply)}) < expected ? 1
                                                                                              : 0;
                    return;
                }
                at_ = versions_ ? 1 : 0;
            });
    }

    void keep() {
        const std::string name = key();
        const std::string reply = std::to_string(snapshot_);
        instance_.results->set({"shop", as_bytes(name), {}},
                               *versions_,
                               {1, 2, 3, 4, as_bytes(reply)},
                               std::chrono::seconds{60});
    }

    int snapshot_ = 0;
    std::optional<SharedVersions> versions_;
};

/// begin_write, commit, end_write.
class Writer final : public Actor {
public:
    using Actor::Actor;

private:
    void next() override {
        if (at_ == 1) {
            ++model_.committed[table_];
            ++model_.commits;
            at_ = 2;
            return;
        }
        if (at_ == 0 && model_.any(12) != 0) {
            return;  // there is more reading than writing
        }
        if (at_ == 0) {
            table_ = model_.any(kTables.size());
        }
        const std::array<TableId, 1> tables{kTables[table_]};
        const auto on_told = [this](SharedResults::Told told) {
            waits_ = false;
            model_.told_later += told == SharedResults::Told::Later ? 1 : 0;
        };
        SharedResults& results = *instance_.results;
        waits_ = at_ == 0 ? results.begin_write("shop", tables, on_told)
                          : results.end_write("shop", tables, WriteEnd::Known, on_told);
        at_ = at_ == 0 ? 1 : 0;
    }
};

TEST_SUITE("redis_model") {
    TEST_CASE("shared results: no read after a commit sees what was before it") {
        Fleet fleet;
        fleet.begin();
        Model model;
        std::vector<std::unique_ptr<Actor>> actors;
        for (int i = 0; i < 6; ++i) {
            Instance& instance = i % 2 == 0 ? fleet.one : fleet.two;
            actors.push_back(std::make_unique<Reader>(model, instance));
            actors.push_back(std::make_unique<Reader>(model, instance));
            actors.push_back(std::make_unique<Writer>(model, instance));
        }
        for (int turn = 0; turn < 20'000; ++turn) {
            test::on_loop(fleet.loop, [&] {
                static_cast<void>(actors[model.any(static_cast<unsigned>(actors.size()))]->step());
            });
        }
        CHECK(model.wrong == 0);
        CHECK(model.told_later == 0);
        CHECK(model.hits > 20);
        CHECK(model.commits > 20);
        MESSAGE(model.reads, " reads, ", model.hits, " hits, ", model.commits, " commits");
        fleet.one.results.reset();
        fleet.two.results.reset();
    }
}

}  // namespace
}  // namespace weir::cache
