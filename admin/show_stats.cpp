#include "admin/show.hpp"

#include <cstddef>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kStatsColumns[] = {
    {"database", Text},
    {"total_server_assignment_count", Numeric},
    {"total_xact_count", Numeric},
    {"total_query_count", Numeric},
    {"total_received", Numeric},
    {"total_sent", Numeric},
    {"total_xact_time", Numeric},
    {"total_query_time", Numeric},
    {"total_wait_time", Numeric},
    {"total_client_parse_count", Numeric},
    {"total_server_parse_count", Numeric},
    {"total_bind_count", Numeric},
    {"total_client_login_count", Numeric},
    {"avg_server_assignment_count", Numeric},
    {"avg_xact_count", Numeric},
    {"avg_query_count", Numeric},
    {"avg_recv", Numeric},
    {"avg_sent", Numeric},
    {"avg_xact_time", Numeric},
    {"avg_query_time", Numeric},
    {"avg_wait_time", Numeric},
    {"avg_client_parse_count", Numeric},
    {"avg_server_parse_count", Numeric},
    {"avg_bind_count", Numeric},
    {"avg_client_login_count", Numeric},
    // PgBouncer before 1.8 called the queries so; exporters still ask for it.
    {"total_requests", Numeric},
};

constexpr Column kHalfColumns[] = {
    {"database", Text},
    {"server_assignment_count", Numeric},
    {"xact_count", Numeric},
    {"query_count", Numeric},
    {"bytes_received", Numeric},
    {"bytes_sent", Numeric},
    {"xact_time", Numeric},
    {"query_time", Numeric},
    {"wait_time", Numeric},
    {"client_parse_count", Numeric},
    {"server_parse_count", Numeric},
    {"bind_count", Numeric},
    {"client_login_count", Numeric},
};

constexpr Column kTotalsColumns[] = {{"name", Text}, {"value", Numeric}};

/// SHOW TOTALS calls the bytes after where they come from.
constexpr std::string_view kTotalsNames[] = {
    "server_assignment_count",
    "xact_count",
    "query_count",
    "client_bytes",
    "server_bytes",
    "xact_time",
    "query_time",
    "wait_time",
    "client_parse_count",
    "server_parse_count",
    "bind_count",
    "client_login_count",
};

static_assert(std::size(kStatsColumns) == 1 + 2 * kStats + 1);
static_assert(std::size(kHalfColumns) == 1 + kStats);
static_assert(std::size(kTotalsNames) == kStats);

void append(Row& row, const Stats& stats) {
    for (const std::uint64_t value : stats) {
        row.push_back(cell(value));
    }
}

Stats find_or_zero(const StatsByDatabase& all, const std::string& database) {
    const auto found = all.find(database);
    return found == all.end() ? Stats{} : found->second;
}

std::vector<Row> stats_rows(const CommandInput& input) {
    const StatsByDatabase averages = input.history.averages();
    std::vector<Row> rows;
    for (const auto& [database, totals] : totals_by_database(input.snapshot)) {
        Row& row = rows.emplace_back(Row{database});
        append(row, totals);
        append(row, find_or_zero(averages, database));
        row.push_back(cell(at(totals, Stat::Queries)));
    }
    return rows;
}

std::vector<Row> total_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const auto& [database, totals] : totals_by_database(input.snapshot)) {
        append(rows.emplace_back(Row{database}), totals);
    }
    return rows;
}

std::vector<Row> average_rows(const CommandInput& input) {
    const StatsByDatabase averages = input.history.averages();
    std::vector<Row> rows;
    for (const auto& [database, totals] : totals_by_database(input.snapshot)) {
        append(rows.emplace_back(Row{database}), find_or_zero(averages, database));
    }
    return rows;
}

Stats sum_of(const StatsByDatabase& all) {
    Stats sum{};
    for (const auto& [database, stats] : all) {
        for (std::size_t i = 0; i < kStats; ++i) {
            sum[i] += stats[i];
        }
    }
    return sum;
}

std::vector<Row> totals_rows(const CommandInput& input) {
    const Stats totals = sum_of(totals_by_database(input.snapshot));
    const Stats averages = input.history.overall();
    std::vector<Row> rows;
    for (std::size_t i = 0; i < kStats; ++i) {
        rows.push_back({"total_" + std::string{kTotalsNames[i]}, cell(totals[i])});
    }
    for (std::size_t i = 0; i < kStats; ++i) {
        rows.push_back({"avg_" + std::string{kTotalsNames[i]}, cell(averages[i])});
    }
    return rows;
}

}  // namespace

Show show_stats() {
    return {kStatsColumns, stats_rows};
}

Show show_stats_totals() {
    return {kHalfColumns, total_rows};
}

Show show_stats_averages() {
    return {kHalfColumns, average_rows};
}

Show show_totals() {
    return {kTotalsColumns, totals_rows};
}

}  // namespace weir::admin
