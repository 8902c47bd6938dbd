#include "maintenance/partition_state.hpp"

#include "maintenance/partition_default.hpp"
#include "maintenance/partition_plan.hpp"

#include <limits>

namespace weir::maintenance {

namespace {

Answer<void> add_horizon(Connection& db,
                         const PartitionSet& set,
                         const std::string& zone,
                         PartitionState& state) {
    constexpr double kMicros = 1e6;
    const Answer<std::int64_t> now = read_now(db, set, zone);
    if (!now) {
        return failed(now.error());
    }
    const std::int64_t until = set.covered_until(*now);
    if (set.kind == KeyKind::Integer) {
        state.horizon_ids = until - *now;
    } else {
        state.horizon_seconds = until == PartitionBound::kMax
                                    ? std::numeric_limits<double>::infinity()
                                    : static_cast<double>(until - *now) / kMicros;
    }
    return {};
}

Answer<PartitionState> state_of(Connection& db, const std::string& zone, const std::string& name) {
    const Answer<Relation> table = find_relation(db, name);
    if (!table) {
        return failed(table.error());
    }
    const Answer<PartitionSet> set = read_partition_set(db, *table);
    if (!set) {
        return failed(set.error());
    }
    PartitionState state;
    state.partitions = set->partitions.size();
    state.pending = set->pending.size();
    state.has_default = set->default_partition.has_value();
    if (set->default_partition) {
        const Answer<RowCount> count = count_rows(db, *set->default_partition);
        if (!count) {
            return failed(count.error());
        }
        state.default_rows = count->rows;
        state.is_default_estimated = count->is_estimate;
    }
    if (!set->unsupported.empty()) {
        state.problem = set->unsupported;
        return state;
    }
    state.gaps = set->gaps().size();
    if (!set->partitions.empty()) {
        state.first = set->partitions.front().range.lo.text;
        state.last = set->partitions.back().range.hi.text;
    }
    const Answer<void> done = add_horizon(db, *set, zone, state);
    return done ? Answer<PartitionState>{std::move(state)} : failed(done.error());
}

}  // namespace

Answer<std::vector<PartitionState>> partition_states(
    Connection& db,
    const conf::MaintenanceSettings& settings,
    const std::vector<conf::PartitionSettings>& partitions) {
    std::vector<PartitionState> all;
    for (const conf::PartitionSettings& partition : partitions) {
        Answer<PartitionState> state = state_of(db, zone_of(settings), partition.table);
        if (!state && !db.is_alive()) {
            return failed(state.error());
        }
        PartitionState& one = all.emplace_back();
        if (state) {
            one = std::move(*state);
        } else {
            one.problem = state.error().line();
        }
        one.table = partition.table;
    }
    return all;
}

}  // namespace weir::maintenance
