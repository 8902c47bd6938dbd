#include "maintenance/job_record.hpp"

#include <algorithm>
#include <cstdint>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;

constexpr const char* kHasTable = "SELECT pg_catalog.to_regclass('weir.job') IS NOT NULL";
constexpr const char* kHasSchema = "SELECT pg_catalog.to_regnamespace('weir') IS NOT NULL";
constexpr const char* kMakeTable =
    "CREATE TABLE IF NOT EXISTS weir.job (job text PRIMARY KEY, covers timestamptz NOT NULL, "
    "retry_at timestamptz, failures integer NOT NULL, ended timestamptz NOT NULL, outcome text NOT "
    "NULL, result text NOT NULL);"
    "COMMENT ON TABLE weir.job IS 'What Weir has run, so that of several one runs it'";
/// A Weir with a wrong clock is not to keep the others from running it until then: what is more
/// than a day ahead of the server counts as of when it was written, by the server's clock.
constexpr const char* kColumns =
    "(extract(epoch FROM CASE WHEN covers <= clock_timestamp() + interval '1 day' THEN covers "
    "WHEN ended <= clock_timestamp() THEN ended ELSE 'epoch' END) * 1000)::bigint, "
    "CASE WHEN retry_at <= clock_timestamp() + interval '1 day' "
    "THEN (extract(epoch FROM retry_at) * 1000)::bigint ELSE 0 END, failures";
constexpr const char* kWrite =
    "INSERT INTO weir.job (job, covers, retry_at, failures, ended, outcome, result) VALUES ($1, "
    "pg_catalog.to_timestamp($2::float8 / 1000), pg_catalog.to_timestamp(nullif($3::float8, 0) / "
    "1000), $4, pg_catalog.clock_timestamp(), $5, $6) ON CONFLICT (job) DO UPDATE SET covers = "
    "excluded.covers, retry_at = excluded.retry_at, failures = excluded.failures, ended = "
    "excluded.ended, outcome = excluded.outcome, result = excluded.result";

WallTime time_of(std::int64_t unix_ms) {
    return WallTime{milliseconds{unix_ms}};
}

std::string text_of(WallTime when) {
    return when == WallTime::max() ? "0" : std::to_string(when.time_since_epoch().count());
}

JobMemory memory_in(const Rows& rows, std::size_t row, std::size_t column) {
    constexpr std::int64_t kMost = 1'000'000;
    return {.covers = time_of(rows.number(row, column)),
            .retry_at = time_of(rows.number(row, column + 1)),
            .failures = static_cast<unsigned>(
                std::clamp<std::int64_t>(rows.number(row, column + 2), 0, kMost))};
}

}  // namespace

Answer<void> prepare_job_records(Connection& connection) {
    const Answer<Rows> is_there = connection.run(kHasTable);
    if (!is_there) {
        return failed(is_there.error());
    }
    if (is_there->flag(0, 0)) {
        return {};
    }
    const Answer<Rows> has_schema = connection.run(kHasSchema);
    if (!has_schema) {
        return failed(has_schema.error());
    }
    const std::string make_schema = has_schema->flag(0, 0) ? "" : "CREATE SCHEMA weir;";
    const Answer<Rows> made = connection.run(make_schema + kMakeTable);
    if (made) {
        return {};
    }
    // Another Weir may have been faster.
    const Answer<Rows> is_there_now = connection.run(kHasTable);
    if (is_there_now && is_there_now->flag(0, 0)) {
        return {};
    }
    return failed(made.error());
}

Answer<std::map<std::string, JobMemory>> read_job_records(Connection& connection) {
    const Answer<Rows> rows =
        connection.run(std::string{"SELECT job, "} + kColumns + " FROM weir.job");
    if (!rows) {
        return failed(rows.error());
    }
    std::map<std::string, JobMemory> records;
    for (std::size_t row = 0; row < rows->size(); ++row) {
        records.emplace(rows->text(row, 0), memory_in(*rows, row, 1));
    }
    return records;
}

Answer<std::optional<JobMemory>> read_job_record(Connection& connection, const std::string& job) {
    const Answer<Rows> rows =
        connection.run(std::string{"SELECT "} + kColumns + " FROM weir.job WHERE job = $1", {job});
    if (!rows) {
        return failed(rows.error());
    }
    return rows->empty() ? std::nullopt : std::optional{memory_in(*rows, 0, 0)};
}

Answer<void> write_job_record(Connection& connection,
                              const std::string& job,
                              const JobMemory& memory,
                              const JobResult& result) {
    const Answer<Rows> written = connection.run(kWrite,
                                                {job,
                                                 text_of(memory.covers),
                                                 text_of(memory.retry_at),
                                                 std::to_string(memory.failures),
                                                 std::string{name_of(result.end)},
                                                 result.text});
    if (!written) {
        return failed(written.error());
    }
    return {};
}

}  // namespace weir::maintenance
