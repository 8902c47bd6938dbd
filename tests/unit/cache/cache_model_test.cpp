#include "cache/cache.hpp"
#include "tests/unit/cache/cache_support.hpp"
#include "tests/unit/cache/flight_support.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace weir::cache;        // NOLINT(google-build-using-namespace)
using namespace weir::cache::test;  // NOLINT(google-build-using-namespace)
using weir::ByteView;
using weir::TimePoint;
using Tables = std::vector<TableId>;

namespace {

constexpr std::size_t kTables = 6;
constexpr std::chrono::seconds kGrace{2};

/// One number for each table: how often it was written.
using Values = std::array<std::uint64_t, kTables>;

struct Session {
    enum class State { Idle, Waiting, Sent, Executed };

    State state = State::Idle;
    Told told;
    Leader leader;
    Tables tables;
    Values seen{};   // the highest this session was ever shown
    Values floor{};  // what it must be shown at least
    Values values{};
};

struct Write {
    enum class State { Begun, Ended };

    Writing writing;
    WriteSet set;
    TimePoint until;  // of Ended: it may be committed until then
    State state = State::Begun;
    bool is_committed = false;
};

/// A server, sessions that read and write it through the cache at random, one step at a time, and
/// what each of them must be shown.
class Model {
public:
    explicit Model(std::uint64_t seed) : random_{seed} {}

    void step() {
        now_ += std::chrono::milliseconds{random_() % 10};
        switch (random_() % 16) {
            case 0: begin_write(); break;
            case 1:
            case 2:
            case 3: go_on_writing(); break;
            case 4: rarely(); break;
            default: go_on(sessions_[random_() % sessions_.size()]); break;
        }
        queue_->run();
        for (Session& session : sessions_) {
            if (session.state == Session::State::Waiting && session.told.calls > 0) {
                told(session);
            }
        }
    }

    /// What happened how often, so that a test can see that all of it did.
    std::size_t hits = 0;
    std::size_t stale = 0;  // of these
    std::size_t landed = 0;
    std::size_t kept = 0;
    std::size_t not_kept = 0;
    std::size_t bypassed = 0;
    std::size_t promoted = 0;

    [[nodiscard]] Statistics statistics() const { return cache_.statistics(); }

private:
    std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

    void show(Session& session, const Values& values) {
        for (const TableId table : session.tables) {
            REQUIRE(values[table - 1] >= session.floor[table - 1]);
            REQUIRE(values[table - 1] <= server_[table - 1]);
            session.seen[table - 1] = values[table - 1];
        }
        session.state = Session::State::Idle;
    }

    void show(Session& session, const Entry& entry) {
        Values values{};
        REQUIRE(entry.reply().size() >= sizeof(values));
        std::memcpy(values.data(), entry.reply().data(), sizeof(values));
        show(session, values);
    }

    void begin(Session& session) {
        session.tables.clear();
        const std::uint64_t bits = below(std::uint64_t{1} << kTables);
        for (TableId table = 1; table <= kTables; ++table) {
            if ((bits >> (table - 1) & 1U) != 0 && (bits % 3 == 0 || table % 3 == bits % 3)) {
                session.tables.push_back(table);
            }
        }
        std::string text;
        for (const TableId table : session.tables) {
            text += std::to_string(table);
        }
        for (std::size_t i = 0; i < kTables; ++i) {
            session.floor[i] = std::max(ended_[i], session.seen[i]);
        }
        session.told.calls = 0;
        const Key key = key_of(text);
        ReadStart start = cache_.begin_read(
            {key.view(), database_, session.tables, session.told, mailbox_}, now_);
        session.leader = std::move(start.leader);
        session.told.waiting = std::move(start.waiting);
        switch (start.action) {
            case ReadAction::Hit:
                ++hits;
                stale += start.freshness == Freshness::Stale ? 1 : 0;
                show(session, *start.entry);
                break;
            case ReadAction::Wait: session.state = Session::State::Waiting; break;
            case ReadAction::Run: session.state = Session::State::Sent; break;
            case ReadAction::Bypass:
                ++bypassed;
                session.state = Session::State::Sent;
                break;
        }
    }

    void told(Session& session) {
        session.told.calls = 0;
        session.state = Session::State::Sent;
        if (session.told.entry != nullptr) {
            ++landed;
            show(session, *std::exchange(session.told.entry, nullptr));
        } else if (session.told.leader) {
            ++promoted;
            session.leader = std::move(session.told.leader);
            session.leader.renew_stamp(now_);
        }
    }

    void end(Session& session) {
        show(session, session.values);
        if (!session.leader) {
            return;
        }
        if (below(8) == 0) {
            session.leader.fail();
            return;
        }
        std::string reply(sizeof(Values) + below(3'000), 'x');
        std::memcpy(reply.data(), session.values.data(), sizeof(Values));
        const ByteView piece = weir::as_bytes(reply);
        ReadResult result{.reply = {&piece, 1}};
        result.fresh_for = std::chrono::milliseconds{below(2'000)};
        result.stale_for = std::chrono::milliseconds{below(2'000)};
        const ReadEnd how = cache_.end_read(std::move(session.leader), result, now_);
        ++(how == ReadEnd::Kept ? kept : not_kept);
    }

    void go_on(Session& session) {
        switch (session.state) {
            case Session::State::Idle: begin(session); break;
            case Session::State::Waiting:
                if (below(20) == 0) {  // its client has left
                    session.told.waiting = Waiting{};
                    session.state = Session::State::Idle;
                }
                break;
            case Session::State::Sent:
                session.values = server_;
                session.state = Session::State::Executed;
                break;
            case Session::State::Executed:
                if (below(20) == 0) {
                    session.leader = Leader{};
                    session.state = Session::State::Idle;
                } else {
                    end(session);
                }
                break;
        }
    }

    void begin_write() {
        if (writes_.size() >= 4 || below(4) > 0) {
            return;
        }
        Write write;
        write.set.everything = below(10) == 0;
        for (auto count = 1 + below(2); count > 0; --count) {
            write.set.tables.push_back(static_cast<TableId>(1 + below(kTables)));
        }
        write.writing = cache_.begin_write(database_, write.set, now_);
        writes_.push_back(std::move(write));
    }

    void commit(Write& write) {
        write.is_committed = true;
        for (TableId table = 1; table <= kTables; ++table) {
            const auto& tables = write.set.tables;
            if (write.set.everything ||
                std::find(tables.begin(), tables.end(), table) != tables.end()) {
                ++server_[table - 1];
            }
        }
    }

    void go_on_writing() {
        if (writes_.empty()) {
            return;
        }
        const auto at = writes_.begin() + static_cast<std::ptrdiff_t>(below(writes_.size()));
        Write& write = *at;
        if (write.state == Write::State::Begun && !write.is_committed && below(3) > 0) {
            commit(write);
        } else if (write.state == Write::State::Begun && below(12) == 0) {
            write.writing.end(Outcome::Unknown, now_);
            write.until = now_ + kGrace;
            write.state = Write::State::Ended;
        } else if (write.state == Write::State::Begun) {
            write.writing.end(write.is_committed ? Outcome::Committed : Outcome::RolledBack, now_);
            note_ended(write);
            writes_.erase(at);
        } else {  // it may still be committed, or never
            if (!write.is_committed && now_ < write.until && below(2) == 0) {
                commit(write);
            }
            writes_.erase(at);
        }
    }

    /// From here on nobody may be shown what was before. (More than what this write has changed
    /// need not be seen: another one may be under way.)
    void note_ended(const Write& write) {
        if (!write.is_committed) {
            return;
        }
        for (std::size_t i = 0; i < kTables; ++i) {
            const auto& tables = write.set.tables;
            if (write.set.everything ||
                std::find(tables.begin(), tables.end(), i + 1) != tables.end()) {
                ended_[i] = server_[i];
            }
        }
    }

    void rarely() {
        switch (below(200)) {
            case 0: cache_.clear(); break;
            case 1: cache_.clear(database_); break;
            case 2: cache_.clear(database_, Tables{1, 2}, now_); break;
            case 3: cache_.clear_matching("*1*"); break;
            case 4:
                cache_.configure({.bytes_max = below(2) * 100'000 + 100'000,
                                  .entries_max = 5 + below(50),
                                  .entry_bytes_max = 500 + below(3'000)});
                break;
            default: break;
        }
    }

    std::mt19937_64 random_;
    TimePoint now_ = kStart;
    Cache cache_{{.bytes_max = 200'000, .entries_max = 30, .entry_bytes_max = 2'800}, kGrace};
    DatabasePtr database_ = cache_.database("shop", kStart);
    std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
    std::shared_ptr<Mailbox> mailbox_ = queue_;
    Values server_{};
    Values ended_{};
    std::vector<Write> writes_;
    std::array<Session, 12> sessions_;
};

}  // namespace

TEST_CASE(
    "nobody is shown what is older than a write that has ended, or than it was shown before") {
    // Rare, and what is evicted hangs on a hash that is another one in every process.
    std::uint64_t stale = 0;
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        Model model{seed};
        for (int i = 0; i < 50'000; ++i) {
            model.step();
        }
        CHECK(model.hits > 1'000);
        CHECK(model.landed > 100);
        CHECK(model.kept > 300);
        CHECK(model.not_kept > 100);
        CHECK(model.bypassed > 300);
        CHECK(model.promoted > 20);
        stale += model.stale;
        CHECK(model.statistics().evictions > 50);
    }
    CAPTURE(stale);
    CHECK(stale > 10);
}
