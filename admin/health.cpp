// The part of health that is about everything but single pools and members, and the whole.

#include "admin/health.hpp"

#include "admin/ledger_visit.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace weir::admin {

namespace {

/// From this share of listen.max_clients on somebody should know.
constexpr std::uint64_t kClientsHighPercent = 90;
constexpr std::uint64_t kPercent = 100;
/// Reasons that stand beside "overall"; the others are in the rows below it.
constexpr std::size_t kReasonsMax = 5;
constexpr std::string_view kWildcard = "*";

/// The members of one cluster of several, and how they do.
struct Cluster {
    std::string name;
    std::vector<const status::Member*> members;
    std::vector<HealthCheck> checks;  ///< of them, in their order
    bool is_without_primary = false;  ///< and should have one
    HealthCheck check;

    /// @return how well replicas could serve reads
    [[nodiscard]] Health reads() const;
};

Health Cluster::reads() const {
    bool is_any = false;
    bool is_all = true;
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (members[i]->role != "primary") {  // down or not: nobody misses it here
            const bool is_usable = members[i]->is_read && checks[i].health != Health::Critical;
            is_any = is_any || is_usable;
            is_all = is_all && is_usable && checks[i].health == Health::Healthy;
        }
    }
    return is_any ? (is_all ? Health::Healthy : Health::Degraded) : Health::Critical;
}

HealthCheck process_check(const status::Snapshot& now) {
    if (now.draining) {
        return {"process", {}, Health::Degraded, "is shutting down", {}};
    }
    if (now.suspended) {
        return {"process", {}, Health::Critical, "is suspended", "RESUME"};
    }
    if (now.paused) {
        return {"process", {}, Health::Degraded, "is paused", "RESUME"};
    }
    return {"process", {}, Health::Healthy, {}, {}};
}

HealthCheck clients_check(const status::Snapshot& now) {
    std::uint64_t clients = 0;
    for (const auto& [state, count] : now.totals.clients_by_state) {
        clients += count;
    }
    HealthCheck check{"clients", {}, Health::Healthy, {}, {}};
    check.detail = std::to_string(clients) + " of " + std::to_string(now.clients_max);
    if (now.clients_max > 0 && clients * kPercent >= now.clients_max * kClientsHighPercent) {
        check.health = clients >= now.clients_max ? Health::Critical : Health::Degraded;
        check.recommendation = "raise listen.max_clients, or find who keeps connections open";
    }
    return check;
}

/// @return why the database cannot be used, "" where it can
/// @param served_as the name of its section: its own, or "*"
std::string problem_of(const std::string& name,
                       std::string_view served_as,
                       const status::Snapshot& now) {
    for (const std::string& problem : now.not_ready) {
        for (const std::string_view who : {std::string_view{name}, served_as}) {
            if (problem.starts_with(who) && problem.substr(who.size()).starts_with(": ")) {
                return problem.substr(who.size() + 2);
            }
        }
    }
    return {};
}

HealthCheck unreachable(std::string name, std::string problem) {
    return {"database",
            std::move(name),
            Health::Critical,
            std::move(problem),
            "see whether PostgreSQL runs and can be reached from here"};
}

HealthCheck database_check(const status::Database& database, const CommandInput& input) {
    const bool has_section = input.config.databases.contains(database.name);
    if (std::string problem =
            problem_of(database.name, has_section ? database.name : kWildcard, input.snapshot);
        !problem.empty()) {
        return unreachable(database.name, std::move(problem));
    }
    if (database.is_paused || database.is_disabled) {
        const bool is_paused = database.is_paused;
        return {"database",
                database.name,
                Health::Degraded,
                is_paused ? "is paused" : "is disabled",
                (is_paused ? "RESUME " : "ENABLE ") + database.name};
    }
    return {"database", database.name, Health::Healthy, {}, {}};
}

/// One that still serves is degraded by what a member lacks; without its primary, or with two, it
/// is critical.
HealthCheck cluster_check(const Cluster& cluster) {
    HealthCheck check{"cluster", cluster.name, Health::Healthy, {}, {}};
    const auto add = [&check](Health health, const std::string& reason) {
        check.health = std::max(check.health, health);
        check.detail += (check.detail.empty() ? "" : "; ") + reason;
    };
    if (cluster.is_without_primary) {
        add(Health::Critical, "has no primary: what needs one waits for it");
        check.recommendation = "start the primary, or promote a replica";
    }
    bool is_any_well = false;
    for (std::size_t i = 0; i < cluster.members.size(); ++i) {
        const HealthCheck& member = cluster.checks[i];
        const bool is_bad = member.health == Health::Critical;
        const bool is_needed =
            cluster.members[i]->is_primary || cluster.members[i]->role == "split_brain";
        is_any_well = is_any_well || !is_bad;
        if (member.health != Health::Healthy) {
            add(is_bad && is_needed ? Health::Critical : Health::Degraded,
                member.subject + " " + member.detail);
        }
    }
    check.health = is_any_well ? check.health : Health::Critical;
    if (check.detail.empty()) {
        check.detail = std::to_string(cluster.members.size()) + " members";
    }
    return check;
}

std::vector<Cluster> clusters_of(const CommandInput& input) {
    std::vector<Cluster> clusters;  // the members of one stand together
    for (const status::Member& member : input.snapshot.members) {
        if (clusters.empty() || clusters.back().name != member.cluster) {
            clusters.emplace_back().name = member.cluster;
        }
        clusters.back().members.push_back(&member);
        clusters.back().checks.push_back(check_member(member));
    }
    for (Cluster& cluster : clusters) {
        cluster.is_without_primary = lacks_primary(cluster.name, input);
        cluster.check = cluster_check(cluster);
    }
    return clusters;
}

/// @return null where the database's cluster has one member only
const Cluster* find_cluster(const std::vector<Cluster>& clusters,
                            const conf::DatabaseSettings& database) {
    const auto found = std::find_if(clusters.begin(), clusters.end(), [&](const Cluster& cluster) {
        return cluster.name == database.cluster;
    });
    return found == clusters.end() ? nullptr : &*found;
}

/// Counts the database's pools. @return the worst of those for writes, and of those for reads
std::pair<Health, Health> add_pools(DatabaseHealth& row,
                                    const CommandInput& input,
                                    const std::vector<HealthCheck>& pools) {
    std::pair<Health, Health> worst{Health::Healthy, Health::Healthy};
    for (std::size_t i = 0; i < pools.size(); ++i) {
        const status::Pool& pool = input.snapshot.pools[i];
        if (pool.database != row.database) {
            continue;
        }
        const bool is_write = pool.member.empty();
        Health& health = is_write ? worst.first : worst.second;
        health = std::max(health, pools[i].health);
        (is_write ? row.write_open : row.read_open) += pool.open;
        (is_write ? row.write_idle : row.read_idle) += pool.backends_idle;
        (is_write ? row.write_waiting : row.read_waiting) += pool.clients_waiting;
    }
    return worst;
}

DatabaseHealth database_health(const status::Database& database,
                               const HealthCheck& check,
                               const CommandInput& input,
                               const std::vector<Cluster>& clusters,
                               const std::vector<HealthCheck>& pools) {
    DatabaseHealth row;
    row.database = database.name;
    const auto [write_pools, read_pools] = add_pools(row, input, pools);
    row.write = std::max(check.health, write_pools);
    row.read = row.write;
    const conf::DatabaseSettings* settings = input.config.find_database(database.name);
    const Cluster* cluster = settings == nullptr ? nullptr : find_cluster(clusters, *settings);
    if (cluster == nullptr) {
        return row;
    }
    for (std::size_t i = 0; i < cluster->members.size(); ++i) {
        if (cluster->members[i]->is_primary) {
            row.write = std::max(row.write, cluster->checks[i].health);
        }
    }
    if (cluster->is_without_primary) {
        row.write = Health::Critical;
    }
    row.read = row.write;
    if (!settings->read_write_split) {
        return row;
    }
    const Health replicas = cluster->reads();
    const bool is_held = database.is_paused || database.is_disabled;
    // Where no replica will do, the primary serves.
    row.read = replicas == Health::Critical ? std::max(row.write, Health::Degraded)
                                            : std::max(replicas, read_pools);
    row.read = std::max(row.read, is_held ? Health::Degraded : Health::Healthy);
    return row;
}

/// @return what a check makes of the whole. A member that its cluster can do without is not the end
/// of the world, and without a cache PostgreSQL answers.
Health share_of(const HealthCheck& check) {
    if (check.check == "member") {
        return Health::Healthy;
    }
    return check.check == "cache" ? std::min(check.health, Health::Degraded) : check.health;
}

HealthCheck overall_of(const std::vector<HealthCheck>& checks) {
    HealthCheck overall{"overall", {}, Health::Healthy, {}, {}};
    for (const HealthCheck& check : checks) {
        overall.health = std::max(overall.health, share_of(check));
    }
    std::size_t reasons = 0;
    for (const HealthCheck& check : checks) {
        if (overall.health == Health::Healthy || share_of(check) != overall.health) {
            continue;
        }
        if (++reasons <= kReasonsMax) {
            overall.detail +=
                (overall.detail.empty() ? "" : "; ") + check.title() + ": " + check.detail;
        }
    }
    if (reasons > kReasonsMax) {
        overall.detail += "; and " + std::to_string(reasons - kReasonsMax) + " more";
    }
    return overall;
}

/// Databases that nobody has asked for yet under a name, but whose server cannot be reached.
void add_wildcard(HealthReport& report, const status::Snapshot& now) {
    const std::string name{kWildcard};
    if (std::string problem = problem_of(name, kWildcard, now); !problem.empty()) {
        report.checks.push_back(unreachable(name, std::move(problem)));
    }
}

/// One that is off is no news.
void add_ledger(HealthReport& report, const CommandInput& input) {
    const ledger::LedgerStatus now =
        input.ledger == nullptr ? ledger::LedgerStatus{} : input.ledger->status();
    if (now.state == ledger::LedgerState::Off) {
        return;
    }
    HealthCheck check{"ledger", {}, Health::Healthy, {}, {}};
    if (now.state == ledger::LedgerState::Degraded) {
        check.health = Health::Degraded;
        check.detail = now.problem;
        check.recommendation =
            "make its file writable again; what happens meanwhile is kept only while it fits";
    }
    report.checks.push_back(std::move(check));
}

}  // namespace

std::string HealthCheck::title() const {
    return subject.empty() ? std::string{check} : std::string{check} + " " + subject;
}

HealthReport report_health(const CommandInput& input) {
    const status::Snapshot& now = input.snapshot;
    const std::vector<Cluster> clusters = clusters_of(input);
    std::vector<HealthCheck> pools;
    pools.reserve(now.pools.size());
    for (const status::Pool& pool : now.pools) {
        pools.push_back(check_pool(pool, input));
    }
    HealthReport report;
    report.checks = {process_check(now), clients_check(now)};
    for (const status::Database& database : now.databases) {
        HealthCheck check = database_check(database, input);
        report.databases.push_back(database_health(database, check, input, clusters, pools));
        report.checks.push_back(std::move(check));
    }
    add_wildcard(report, now);
    for (const Cluster& cluster : clusters) {
        report.checks.push_back(cluster.check);
        report.checks.insert(report.checks.end(), cluster.checks.begin(), cluster.checks.end());
    }
    report.checks.insert(report.checks.end(), pools.begin(), pools.end());
    if (now.cache.enabled) {
        report.checks.push_back(check_cache(input));
    }
    add_ledger(report, input);
    report.overall = overall_of(report.checks);
    return report;
}

}  // namespace weir::admin
