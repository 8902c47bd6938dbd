#pragma once

#include "admin/commands.hpp"
#include "policies/health.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// How the process, its databases, clusters, members and pools do: what SHOW HEALTH, the metrics,
/// /api/health and `weir health` show. Thread: any (no shared state).
namespace weir::admin {

using policies::Health;

/// One thing that was looked at.
struct HealthCheck {
    std::string_view check;  ///< overall, process, clients, database, cluster, member, pool,
                             ///< cache, ledger
    std::string subject;     ///< which one; "" where there is only one
    Health health = Health::Healthy;
    std::string detail;          ///< in what state it is, and why that is bad
    std::string recommendation;  ///< "" = none

    /// @return "pool shop/app", "process"
    [[nodiscard]] std::string title() const;
};

/// A database by what its clients want of it. Pools for reads are those of replicas.
struct DatabaseHealth {
    std::string database;
    Health write = Health::Healthy;
    Health read = Health::Healthy;  ///< where reads are not split: as `write`
    std::uint64_t write_open = 0;   ///< server connections
    std::uint64_t read_open = 0;
    std::uint64_t write_idle = 0;
    std::uint64_t read_idle = 0;
    std::uint64_t write_waiting = 0;  ///< clients
    std::uint64_t read_waiting = 0;
};

struct HealthReport {
    /// The worst of the checks, but for members; a cache that is no use degrades it at most.
    HealthCheck overall;
    std::vector<HealthCheck> checks;  ///< all others
    std::vector<DatabaseHealth> databases;
};

/// @param input with a snapshot of Detail::Pools
[[nodiscard]] HealthReport report_health(const CommandInput& input);

/// @return server connections that serve a client or are made ready for the next one
[[nodiscard]] std::uint64_t backends_in_use(const status::Pool& pool);

/// Server connections in use or being cancelled, as a part of the most the pool may have (above 1
/// with a reserve; 0 where that is not known).
[[nodiscard]] double utilization(const status::Pool& pool);

/// @return whether writes to a cluster of several members wait, for want of a primary; false where
/// the configuration calls all of them replicas
[[nodiscard]] bool lacks_primary(const std::string& cluster, const CommandInput& input);

/// What a pool is judged by. Averages and shares of few leases or statements say little: they are
/// empty.
struct PoolValues {
    double usage = 0;   ///< utilization()
    double wait_s = 0;  ///< how long clients wait: now, or lately on average
    std::optional<double> error_rate;
    std::optional<double> response_s;  ///< average
};

/// @param recent what the pool has done lately
[[nodiscard]] PoolValues measure(const status::Pool& pool, const PoolWork& recent);

/// @return "shop/app", "shop/app on db2:5432"
[[nodiscard]] std::string title_of(const status::Pool& pool);

/// Judges a pool by the thresholds of [health]. That clients wait for RESUME or for a primary only
/// degrades it: what makes them wait is judged by itself.
[[nodiscard]] HealthCheck check_pool(const status::Pool& pool, const CommandInput& input);

/// Judges how useful the cache of results was in the last period, by [health].
[[nodiscard]] HealthCheck check_cache(const CommandInput& input);

/// Judges a member of a cluster of several: critical where it cannot be used for anything and does
/// not mend by itself.
[[nodiscard]] HealthCheck check_member(const status::Member& member);

}  // namespace weir::admin
