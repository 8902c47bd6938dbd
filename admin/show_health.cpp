#include "admin/show.hpp"

#include <algorithm>

namespace weir::admin {

namespace {

using enum ColumnType;

constexpr Column kMemColumns[] = {
    {"name", Text}, {"size", Int4}, {"used", Int4}, {"free", Int4}, {"memtotal", Int8}};

/// Objects without what they point to. Weir keeps no spare ones, so none is ever free.
std::vector<Row> mem_rows(const CommandInput& input) {
    std::vector<Row> rows;
    for (const status::MemoryUse& use : input.snapshot.memory) {
        rows.push_back(
            {use.name, cell(use.size), cell(use.used), std::int64_t{0}, cell(use.size * use.used)});
    }
    return rows;
}

constexpr Column kHealthColumns[] = {{"check", Text},
                                     {"subject", Text},
                                     {"status", Text},
                                     {"detail", Text},
                                     {"recommendation", Text}};

constexpr std::string_view kOk = "ok";
constexpr std::string_view kDegraded = "degraded";
constexpr std::string_view kCritical = "critical";
/// From this share of listen.max_clients on somebody should know.
constexpr std::uint64_t kClientsHighPercent = 90;
constexpr std::uint64_t kPercent = 100;

Row row(std::string_view check,
        const std::string& subject,
        std::string_view status,
        const std::string& detail = {},
        const std::string& recommendation = {}) {
    return {std::string{check},
            text_or_null(subject),
            std::string{status},
            text_or_null(detail),
            text_or_null(recommendation)};
}

Row process_row(const status::Snapshot& now) {
    if (now.draining) {
        return row("process", {}, kDegraded, "is shutting down");
    }
    if (now.suspended) {
        return row("process", {}, kCritical, "is suspended", "RESUME");
    }
    if (now.paused) {
        return row("process", {}, kDegraded, "is paused", "RESUME");
    }
    return row("process", {}, kOk);
}

Row clients_row(const status::Snapshot& now) {
    std::uint64_t clients = 0;
    for (const auto& [state, count] : now.totals.clients_by_state) {
        clients += count;
    }
    const std::string detail = std::to_string(clients) + " of " + std::to_string(now.clients_max);
    if (now.clients_max > 0 && clients * kPercent >= now.clients_max * kClientsHighPercent) {
        const bool is_full = clients >= now.clients_max;
        return row("clients",
                   {},
                   is_full ? kCritical : kDegraded,
                   detail,
                   "raise listen.max_clients, or find who keeps connections open");
    }
    return row("clients", {}, kOk, detail);
}

Row database_row(const status::Database& database, const status::Snapshot& now) {
    const std::string beginning = database.name + ": ";
    for (const std::string& problem : now.not_ready) {
        if (problem.starts_with(beginning)) {
            return row("database",
                       database.name,
                       kCritical,
                       problem.substr(beginning.size()),
                       "see whether PostgreSQL runs and can be reached from here");
        }
    }
    if (database.is_paused || database.is_disabled) {
        const bool is_paused = database.is_paused;
        return row("database",
                   database.name,
                   kDegraded,
                   is_paused ? "is paused" : "is disabled",
                   (is_paused ? "RESUME " : "ENABLE ") + database.name);
    }
    return row("database", database.name, kOk);
}

Row pool_row(const status::Pool& pool) {
    const std::string subject = pool.database + "/" + pool.user;
    const std::string detail = std::to_string(pool.clients_waiting) + " clients wait, " +
                               std::to_string(pool.open) + " of " + std::to_string(pool.size_max) +
                               " server connections open";
    if (pool.clients_waiting == 0) {
        return row("pool", subject, kOk, detail);
    }
    return row("pool",
               subject,
               kDegraded,
               detail,
               pool.open >= pool.size_max ? "raise pool.max, or shorten transactions" : "");
}

int rank(const Row& row) {
    const auto& status = std::get<std::string>(row[2]);
    return status == kCritical ? 2 : (status == kDegraded ? 1 : 0);
}

std::vector<Row> health_rows(const CommandInput& input) {
    const status::Snapshot& now = input.snapshot;
    std::vector<Row> rows{process_row(now), clients_row(now)};
    for (const status::Database& database : now.databases) {
        rows.push_back(database_row(database, now));
    }
    for (const status::Pool& pool : now.pools) {
        rows.push_back(pool_row(pool));
    }
    const int worst = rank(*std::max_element(
        rows.begin(), rows.end(), [](const Row& a, const Row& b) { return rank(a) < rank(b); }));
    rows.insert(rows.begin(),
                row("overall", {}, worst == 2 ? kCritical : (worst == 1 ? kDegraded : kOk)));
    return rows;
}

}  // namespace

Show show_mem() {
    return {kMemColumns, mem_rows};
}

Show show_health() {
    return {kHealthColumns, health_rows};
}

}  // namespace weir::admin
