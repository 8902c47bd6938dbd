#include "cache/cache.hpp"

#include <utility>
#include <vector>

namespace weir::cache {

namespace {

ReadStart hit(Found found) {
    ReadStart start;
    start.action = ReadAction::Hit;
    start.entry = std::move(found.entry);
    start.freshness = found.freshness;
    return start;
}

}  // namespace

Writing::Writing(Cache& cache, DatabasePtr database, WriteSet set)
    : cache_{&cache}, database_{std::move(database)}, set_{std::move(set)} {}

Writing& Writing::operator=(Writing&& other) noexcept {
    if (this != &other) {
        if (database_ != nullptr) {
            end(Outcome::Unknown, Clock::now());
        }
        cache_ = other.cache_;
        database_ = std::move(other.database_);
        set_ = std::move(other.set_);
    }
    return *this;
}

Writing::~Writing() {
    if (database_ != nullptr) {
        end(Outcome::Unknown, Clock::now());
    }
}

void Writing::end(Outcome outcome, TimePoint now) {
    const DatabasePtr database = std::exchange(database_, nullptr);
    cache_->end_write(*database, set_, outcome, now);
}

Cache::Cache(const Limits& limits, Duration grace)
    : grace_{grace}, store_{limits}, flights_{std::make_shared<Flights>()} {}

DatabasePtr Cache::database(std::string_view name, TimePoint now) {
    const std::lock_guard lock{mutex_};
    if (const auto known = databases_.find(name); known != databases_.end()) {
        return known->second;
    }
    if (databases_.size() >= kDatabasesMax) {
        forget_databases(now);
    }
    auto database = std::make_shared<Database>(++last_id_, std::string{name});
    databases_.emplace(name, database);
    return database;
}

std::vector<DatabasePtr> Cache::databases() {
    const std::lock_guard lock{mutex_};
    std::vector<DatabasePtr> all;
    for (const auto& [name, database] : databases_) {
        all.push_back(database);
    }
    return all;
}

/// Their ids are not used again, so nobody finds what they leave; it goes at once all the same.
void Cache::forget_databases(TimePoint now) {
    for (auto at = databases_.begin(); at != databases_.end();) {
        const DatabasePtr& database = at->second;
        if (database.use_count() == 1 && database->versions().is_quiet(now)) {
            store_.drop_database(database->id());
            at = databases_.erase(at);
        } else {
            ++at;
        }
    }
}

ReadStart Cache::begin_read(const ReadRequest& request, TimePoint now) {
    TableVersions& versions = request.database->versions();
    if (versions.is_blocked(request.tables, now)) {
        return {};
    }
    Found found = store_.find(request.key, now);
    if (found.freshness == Freshness::Fresh) {
        return hit(std::move(found));
    }
    Snapshot stamp = versions.stamp(request.tables, now);
    if (!stamp.is_valid()) {
        return {};
    }
    if (found.freshness == Freshness::Stale) {
        Leader leader = flights_->lead(request.key, request.database, std::move(stamp));
        if (leader) {
            return lead(std::move(leader), now);
        }
        return hit(std::move(found));
    }
    if (!request.may_wait) {
        Leader leader = flights_->lead(request.key, request.database, std::move(stamp));
        return leader ? lead(std::move(leader), now) : ReadStart{};
    }
    Joined joined = flights_->join(
        {request.key, request.database, request.follower, request.mailbox}, std::move(stamp));
    if (joined.leader) {
        return lead(std::move(joined.leader), now);
    }
    ReadStart start;
    if (!joined.waiting) {
        return start;
    }
    start.action = ReadAction::Wait;
    start.waiting = std::move(joined.waiting);
    return start;
}

/// The flight before may have landed after the caller had looked for its entry: then that is it,
/// for it was put before the flight ended. The stamp says that no write came in between.
ReadStart Cache::lead(Leader leader, TimePoint now) {
    Found found = store_.find(leader.key(), now);
    if (found.freshness == Freshness::Fresh) {
        leader.land(found.entry);
        return hit(std::move(found));
    }
    ReadStart start;
    start.action = ReadAction::Run;
    start.leader = std::move(leader);
    return start;
}

Cache::Landing Cache::land(Leader leader, const ReadResult& result, TimePoint now) {
    const TimePoint fresh_until = now + result.fresh_for;
    EntryParts parts{.key = leader.key(),
                     .reply = result.reply,
                     .tables = leader.stamp().tables(),
                     .facts = {.database = leader.database()->id(),
                               .digest = result.digest,
                               .rows = result.rows,
                               .server_us = result.server_us,
                               .stored_at = now,
                               .fresh_until = fresh_until,
                               .stale_until = fresh_until + result.stale_for}};
    std::shared_ptr<StoredEntry> made = store_.make(parts);
    if (made == nullptr) {
        not_kept_.fetch_add(1, std::memory_order_relaxed);
        leader.give_up();
        return {};
    }
    Landing landing;
    landing.entry = made;
    Removed removed;  // let go after the lock
    landing.is_kept = result.fresh_for > Duration::zero() &&
                      leader.database()->versions().run_if_current(
                          leader.stamp(), [&] { removed = store_.put(std::move(made)); });
    leader.land(landing.entry);
    return landing;
}

ReadEnd Cache::end_read(Leader leader, const ReadResult& result, TimePoint now) {
    const Landing landing = land(std::move(leader), result, now);
    if (landing.entry == nullptr) {
        return ReadEnd::TooLarge;
    }
    if (!landing.is_kept && result.fresh_for > Duration::zero()) {
        not_kept_.fetch_add(1, std::memory_order_relaxed);
    }
    return landing.is_kept ? ReadEnd::Kept : ReadEnd::NotKept;
}

EntryPtr Cache::take_over(Leader leader, const ReadResult& result, TimePoint now) {
    return land(std::move(leader), result, now).entry;
}

Writing Cache::begin_write(const DatabasePtr& database, WriteSet set, TimePoint now) {
    WriteSet blocked = database->versions().begin_write(std::move(set), now);
    return {*this, database, std::move(blocked)};
}

std::size_t Cache::drop(const Database& database, const WriteSet& set) {
    return set.everything ? store_.drop_database(database.id())
                          : store_.drop_tables(database.id(), set.tables);
}

void Cache::end_write(Database& database, const WriteSet& set, Outcome outcome, TimePoint now) {
    database.versions().end_write(set, outcome, now, grace_, [&] { drop(database, set); });
}

std::size_t Cache::clear(const DatabasePtr& database,
                         std::span<const TableId> tables,
                         TimePoint now) {
    WriteSet set{.tables = {tables.begin(), tables.end()}, .everything = false};
    TableVersions& versions = database->versions();
    set = versions.begin_write(std::move(set), now);
    std::size_t count = 0;
    versions.end_write(set, Outcome::Committed, now, grace_, [&] { count = drop(*database, set); });
    return count;
}

std::size_t Cache::clear(const DatabasePtr& database) {
    database->versions().invalidate_all();
    return store_.drop_database(database->id());
}

std::size_t Cache::clear() {
    {
        const std::lock_guard lock{mutex_};
        for (const auto& [name, database] : databases_) {
            database->versions().invalidate_all();
        }
    }
    return store_.clear();
}

std::size_t Cache::clear_matching(std::string_view pattern) {
    return store_.drop_matching(pattern);
}

Statistics Cache::statistics() const {
    const StoreStatistics store = store_.statistics();
    return {.evictions = store.counts.evictions,
            .drops = store.counts.drops,
            .expired = store.counts.expired,
            .not_kept = not_kept_.load(std::memory_order_relaxed),
            .bytes = store.bytes,
            .entries = store.entries};
}

}  // namespace weir::cache
