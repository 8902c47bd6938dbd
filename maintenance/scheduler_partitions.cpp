// The part of Scheduler that looks how far partitioned tables are provided for.

#include "base/log.hpp"
#include "maintenance/partition_state.hpp"
#include "maintenance/scheduler.hpp"

#include <utility>

namespace weir::maintenance {

namespace {

std::string_view state_of(const PartitionState& table) {
    if (!table.problem.empty()) {
        return "unknown";
    }
    const bool is_full = (table.horizon_seconds && *table.horizon_seconds <= 0) ||
                         (table.horizon_ids && *table.horizon_ids <= 0);
    if (is_full) {
        return "full";
    }
    return table.gaps > 0 ? "gaps" : "fine";
}

status::Partitioned row_of(const PartitionState& table) {
    status::Partitioned row;
    row.table = table.table;
    row.state = state_of(table);
    row.partitions = table.partitions;
    row.horizon_s = table.horizon_seconds;
    row.horizon_ids = table.horizon_ids;
    if (table.has_default) {
        row.default_rows = table.default_rows;
    }
    row.gaps = table.gaps;
    row.pending = table.pending;
    row.first = table.first;
    row.last = table.last;
    row.problem = table.problem;
    return row;
}

}  // namespace

bool Scheduler::wants_to_look(WallTime now) const {
    return !config_->partitions.empty() && now >= look_at_ && now >= connect_at_;
}

void Scheduler::look_at_partitions() {
    if (!connect()) {
        return;
    }
    look_at_ = wall_now() + kLookEvery;
    const Answer<std::vector<PartitionState>> states =
        partition_states(*connection_, config_->maintenance, config_->partitions);
    if (!states) {
        if (!connection_->is_alive()) {
            fail_to_connect(states.error());
        } else {
            log::warn("partition_states", {{"why", states.error().line()}});
        }
        return;
    }
    std::vector<status::Partitioned> rows;
    for (const PartitionState& table : *states) {
        rows.push_back(row_of(table));
    }
    board_.show_partitioned(std::move(rows));
}

}  // namespace weir::maintenance
