#include "admin/show.hpp"

#include <cmath>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kJobColumns[] = {
    {"name", Text},  {"kind", Text},         {"schedule", Text},     {"state", Text},
    {"next", Text},  {"phase", Text},        {"done", Int8},         {"total", Int8},
    {"unit", Text},  {"per_second", Float8}, {"left_s", Int8},       {"began", Text},
    {"ended", Text}, {"outcome", Text},      {"rows", Int8},         {"message", Text},
    {"runs", Int8},  {"failures", Int8},     {"last_success", Text},
};

constexpr Column kPartitionColumns[] = {
    {"name", Text},
    {"state", Text},
    {"partitions", Int8},
    {"horizon_s", Float8},
    {"horizon_ids", Int8},
    {"default_rows", Int8},
    {"gaps", Int8},
    {"pending", Int8},
    {"first", Text},
    {"last", Text},
    {"problem", Text},
};

std::uint64_t runs_of(const status::Job& job) {
    std::uint64_t runs = 0;
    for (const auto& [outcome, count] : job.runs) {
        runs += count;
    }
    return runs;
}

Row row_of(const status::Job& job) {
    const bool is_under_way = !job.phase.empty();
    const bool has_ended = job.ended_unix_ms != 0;
    return {job.name,
            job.kind,
            job.schedule,
            job.state,
            time_cell(job.next_unix_ms),
            text_or_null(job.phase),
            is_under_way ? Cell{job.done} : Cell{},
            is_under_way && job.total != 0 ? Cell{job.total} : Cell{},
            text_or_null(job.unit),
            job.per_second ? Cell{*job.per_second} : Cell{},
            job.left_s ? Cell{*job.left_s} : Cell{},
            time_cell(job.began_unix_ms),
            time_cell(job.ended_unix_ms),
            text_or_null(job.outcome),
            has_ended ? Cell{job.rows} : Cell{},
            text_or_null(job.message),
            cell(runs_of(job)),
            cell(job.failures),
            time_cell(job.success_unix_ms)};
}

std::vector<Row> job_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Job& job : input.snapshot.jobs) {
        rows.push_back(row_of(job));
    }
    return rows;
}

std::vector<Row> partition_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::Partitioned& table : input.snapshot.partitioned) {
        rows.push_back(
            {table.table,
             table.state,
             cell(table.partitions),
             table.horizon_s && std::isfinite(*table.horizon_s) ? Cell{*table.horizon_s} : Cell{},
             table.horizon_ids ? Cell{*table.horizon_ids} : Cell{},
             table.default_rows ? Cell{*table.default_rows} : Cell{},
             cell(table.gaps),
             cell(table.pending),
             text_or_null(table.first),
             text_or_null(table.last),
             text_or_null(table.problem)});
    }
    return rows;
}

}  // namespace

Show show_jobs() {
    return {kJobColumns, job_rows};
}

Show show_partitions() {
    return {kPartitionColumns, partition_rows};
}

}  // namespace weir::admin
