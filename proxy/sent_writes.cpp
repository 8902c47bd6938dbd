#include "proxy/sent_writes.hpp"

#include "cache/redis/shared_results.hpp"
#include "pool/lease_holder.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

namespace weir::proxy {

namespace {

/// Whom Redis has told of a write waits for its end for three times as long: who is still at it
/// says so again before.
constexpr std::chrono::seconds kRepeatAfter{10};

}  // namespace

/// Writes that have ended in PostgreSQL, and end here when Redis has heard of all of them.
class SentWrites::Ending {
public:
    Ending(std::vector<cache::Writing> writes, std::size_t untold)
        : writes_{std::move(writes)}, untold_{untold} {}

    Ending(const Ending&) = delete;
    Ending& operator=(const Ending&) = delete;
    Ending(Ending&&) = delete;
    Ending& operator=(Ending&&) = delete;

    /// Redis will not answer any more.
    ~Ending() { end(); }

    void note_told() {
        if (--untold_ == 0) {
            end();
        }
    }

    void end() {
        // Not the loop's time: that was read before the answer came.
        const TimePoint now = Clock::now();
        for (cache::Writing& write : std::exchange(writes_, {})) {
            write.end(cache::Outcome::Committed, now);
        }
    }

private:
    std::vector<cache::Writing> writes_;
    std::size_t untold_;
};

SentWrites::SentWrites(Worker& worker, cache::DatabasePtr database)
    : worker_{worker}, database_{std::move(database)} {}

SentWrites::~SentWrites() {
    cache::SharedResults* const shared = worker_.shared_results();
    for (const Tables& tables : told_) {
        if (shared != nullptr) {
            static_cast<void>(
                shared->end_write(database_->name(), tables, cache::WriteEnd::Unknown, nullptr));
        }
    }
}

bool SentWrites::has(const sql::WriteSet& set) const {
    return has_everything_ ||
           (!set.is_everything &&
            std::includes(tables_.begin(), tables_.end(), set.tables.begin(), set.tables.end()));
}

void SentWrites::add(const sql::WriteSet& set, pool::Backend* backend) {
    const TimePoint now = worker_.loop().now();
    if (!told_.empty() && now - told_at_ >= kRepeatAfter) {
        repeat();
    }
    if (has(set)) {
        return;
    }
    has_everything_ = has_everything_ || set.is_everything;
    tables_.insert(tables_.end(), set.tables.begin(), set.tables.end());
    std::sort(tables_.begin(), tables_.end());
    tables_.erase(std::unique(tables_.begin(), tables_.end()), tables_.end());
    writes_.push_back(worker_.shared().cache->begin_write(
        database_, {.tables = set.tables, .everything = set.is_everything}, now));
    tell(set.is_everything ? Tables{cache::kWholeDatabase} : set.tables, backend);
}

/// What is sent from now on leaves once Redis has heard of it.
void SentWrites::tell(const Tables& tables, pool::Backend* backend) {
    cache::SharedResults* const shared = worker_.shared_results();
    if (shared == nullptr) {
        return;
    }
    told_at_ = worker_.loop().now();
    told_.push_back(tables);
    static_cast<void>(shared->begin_write(database_->name(),
                                          tables,
                                          [held = backend == nullptr ? nullptr : backend->hold()](
                                              cache::SharedResults::Told /*how*/) {}));
}

/// What Redis has been told of is still under way.
void SentWrites::repeat() {
    told_at_ = worker_.loop().now();
    if (cache::SharedResults* const shared = worker_.shared_results(); shared != nullptr) {
        for (const Tables& tables : told_) {
            shared->repeat_write(database_->name(), tables);
        }
    }
}

void SentWrites::on_rest(pool::LeaseHolder* holder) {
    cache::SharedResults* const shared = worker_.shared_results();
    std::vector<Tables> told = std::exchange(told_, {});
    if (told.empty() && shared != nullptr) {  // there was no Redis yet when it began
        told.push_back(has_everything_ ? Tables{cache::kWholeDatabase} : tables_);
    }
    if (has_changed_catalog_) {
        told.insert(told.begin(), Tables{cache::kSchema});
    }
    const auto ending = std::make_shared<Ending>(std::move(writes_), told.size());
    if (shared == nullptr) {
        ending->end();
        return;
    }
    // What is kept here goes before the client is told, and not before Redis has heard: or another
    // thread could fetch from there what is old.
    const auto held = holder == nullptr ? nullptr : holder->hold_replies();
    for (const Tables& tables : told) {
        const bool is_sent = shared->end_write(
            database_->name(),
            tables,
            cache::WriteEnd::Known,
            [held, ending](cache::SharedResults::Told /*how*/) { ending->note_told(); });
        if (!is_sent) {
            ending->note_told();
        }
    }
}

}  // namespace weir::proxy
