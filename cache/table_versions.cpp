#include "cache/table_versions.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <utility>

namespace weir::cache {

template <class Visitor>
void TableVersions::for_each_state(const WriteSet& set, Visitor&& visit) {
    if (set.everything) {
        visit(everything_);
        return;
    }
    for (const TableId table : set.tables) {
        visit(tables_[table]);
    }
}

template <class Predicate>
bool TableVersions::any_state(std::span<const TableId> tables, Predicate&& is) const {
    if (is(everything_)) {
        return true;
    }
    return std::any_of(tables.begin(), tables.end(), [&](TableId table) {
        const auto found = tables_.find(table);
        return found != tables_.end() && is(found->second);
    });
}

bool TableVersions::is_quiet(TimePoint now) const {
    // In this order: a write that ends unknown blocks for a while before it is no longer counted.
    return writes_.load() == 0 && now.time_since_epoch().count() >= blocked_until_ns_.load();
}

bool TableVersions::is_blocked(std::span<const TableId> tables, TimePoint now) const {
    if (is_quiet(now)) {
        return false;
    }
    const std::lock_guard lock{mutex_};
    return any_state(tables, [now](const State& state) { return state.is_blocked(now); });
}

Snapshot TableVersions::stamp(std::span<const TableId> tables, TimePoint now) const {
    Snapshot stamp;
    stamp.tables_.assign(tables.begin(), tables.end());
    const std::lock_guard lock{mutex_};
    const bool is_blocked = any_state(tables, [&](const State& state) {
        stamp.written_at_ = std::max(stamp.written_at_, state.written_at);
        return state.is_blocked(now);
    });
    stamp.clock_ = is_blocked ? 0 : clock_;
    return stamp;
}

bool TableVersions::is_current_locked(const Snapshot& stamp) const {
    return stamp.is_valid() && !any_state(stamp.tables_, [&stamp](const State& state) {
               return state.version > stamp.clock_;
           });
}

bool TableVersions::is_current(const Snapshot& stamp) const {
    const std::lock_guard lock{mutex_};
    return is_current_locked(stamp);
}

bool TableVersions::run_if_current(const Snapshot& stamp, const std::function<void()>& put) const {
    const std::lock_guard lock{mutex_};
    const bool is_current = is_current_locked(stamp);
    if (is_current) {
        put();
    }
    return is_current;
}

/// Those that are blocked stay: who writes them will ask for them again.
void TableVersions::forget_tables(TimePoint now) {
    everything_.version = ++clock_;
    for (auto table = tables_.begin(); table != tables_.end();) {
        if (table->second.is_blocked(now)) {
            ++table;
        } else {
            everything_.written_at = std::max(everything_.written_at, table->second.written_at);
            table = tables_.erase(table);
        }
    }
}

WriteSet TableVersions::begin_write(WriteSet set, TimePoint now) {
    const std::lock_guard lock{mutex_};
    if (!set.everything && tables_.size() + set.tables.size() > kTablesMax) {
        forget_tables(now);
        set.everything = tables_.size() + set.tables.size() > kTablesMax;
    }
    writes_.fetch_add(1);
    const std::uint64_t version = ++clock_;
    for_each_state(set, [version](State& state) {
        ++state.writes;
        state.version = version;
    });
    return set;
}

void TableVersions::end_write(const WriteSet& set,
                              Outcome outcome,
                              TimePoint now,
                              Duration grace,
                              const std::function<void()>& drop) {
    if (outcome != Outcome::RolledBack) {
        {
            const std::lock_guard lock{mutex_};
            const std::uint64_t version = ++clock_;
            for_each_state(set, [version](State& state) { state.version = version; });
        }
        drop();  // still blocked; takes its time, and others may go on
    }
    const std::lock_guard lock{mutex_};
    for_each_state(set, [&](State& state) {
        WEIR_CHECK(state.writes > 0);
        --state.writes;
        if (outcome != Outcome::RolledBack) {
            state.written_at = std::max(state.written_at, now);
        }
        if (outcome == Outcome::Unknown) {
            const TimePoint until = now + grace;
            state.blocked_until = std::max(state.blocked_until, until);
            state.written_at = std::max(state.written_at, until);
            const std::int64_t until_ns = until.time_since_epoch().count();
            blocked_until_ns_.store(std::max(blocked_until_ns_.load(), until_ns));
        }
    });
    writes_.fetch_sub(1);
}

void TableVersions::invalidate_all() {
    const std::lock_guard lock{mutex_};
    everything_.version = ++clock_;
}

std::size_t TableVersions::tables() const {
    const std::lock_guard lock{mutex_};
    return tables_.size();
}

}  // namespace weir::cache
