// The part of health that is about pools and members: each judged by itself.

#include "admin/health.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <vector>

namespace weir::admin {

namespace {

using policies::Measurement;
using policies::Unit;
using policies::Verdict;

constexpr double kMicrosecondsPerSecond = 1e6;
/// Of fewer, an average or a share says little: one statement of two would be half of all.
constexpr std::uint64_t kCountMin = 20;
constexpr std::string_view kWait = "pool_wait";

policies::Thresholds plain(const conf::Thresholds<double>& from) {
    return {from.degraded, from.critical};
}

policies::Thresholds plain(const conf::Thresholds<std::chrono::milliseconds>& from) {
    const auto seconds = [](std::chrono::milliseconds time) {
        return std::chrono::duration<double>(time).count();
    };
    return {seconds(from.degraded), seconds(from.critical)};
}

std::optional<double> ratio(std::uint64_t part, std::uint64_t whole) {
    return whole < kCountMin
               ? std::nullopt
               : std::optional{static_cast<double>(part) / static_cast<double>(whole)};
}

/// How long clients wait, in seconds: now, or lately on average.
double wait_of(const status::Pool& pool, const PoolWork& recent) {
    const double average_us = ratio(recent.wait_us, recent.leases).value_or(0);
    return std::max(static_cast<double>(pool.longest_wait_us), average_us) / kMicrosecondsPerSecond;
}

/// A number to judge, and what helps against it.
struct Judged {
    Measurement measurement;
    std::string_view advice;
};

const status::Database* find_row(const std::string& name, const status::Snapshot& now) {
    const auto found = std::find_if(
        now.databases.begin(), now.databases.end(), [&name](const status::Database& database) {
            return database.name == name;
        });
    return found == now.databases.end() ? nullptr : &*found;
}

bool lacks_primary(const status::Pool& pool, const CommandInput& input) {
    const conf::DatabaseSettings* settings = input.config.find_database(pool.database);
    return pool.member.empty() && settings != nullptr && lacks_primary(settings->cluster, input);
}

/// @return what the pool's clients wait for where no server connection would help them, else ""
std::string_view what_holds(const status::Pool& pool, const CommandInput& input) {
    const status::Snapshot& now = input.snapshot;
    const status::Database* database = find_row(pool.database, now);
    if (now.paused || now.suspended || (database != nullptr && database->is_paused)) {
        return "waits for RESUME";
    }
    return lacks_primary(pool, input) ? "waits for a primary" : "";
}

/// Judges a number of a pool. That clients wait is no fault of a pool that is held: who holds it,
/// an operator or the cluster, is judged by itself.
///
/// @param hold what what_holds() says
Verdict judge(Judged& judged, std::string_view hold) {
    Verdict verdict = policies::judge(judged.measurement);
    if (judged.measurement.name == kWait && verdict.health != Health::Healthy && !hold.empty()) {
        verdict = {Health::Degraded,
                   std::string{kWait} + " is " +
                       policies::text_of(*judged.measurement.value, judged.measurement.unit) +
                       ": " + std::string{hold}};
        judged.advice = {};
    }
    return verdict;
}

std::array<Judged, 4> judged_values(const status::Pool& pool, const CommandInput& input) {
    const conf::HealthSettings& from = input.config.health;
    const PoolValues values = measure(pool, input.history.recent(pool));
    return {{{{.name = "pool_usage",
               .unit = Unit::Ratio,
               .thresholds = plain(from.pool_usage),
               .value = values.usage},
              "raise pool.max, or shorten transactions"},
             {{.name = kWait,
               .unit = Unit::Seconds,
               .thresholds = plain(from.pool_wait),
               .value = values.wait_s},
              "raise pool.max, or shorten transactions"},
             {{.name = "error_rate",
               .unit = Unit::Ratio,
               .thresholds = plain(from.error_rate),
               .value = values.error_rate},
              "see Weir's log and PostgreSQL's"},
             {{.name = "average_response",
               .unit = Unit::Seconds,
               .thresholds = plain(from.average_response),
               .value = values.response_s},
              "look for slow statements in pg_stat_statements"}}};
}

std::string state_of(const status::Pool& pool) {
    return std::to_string(pool.clients_waiting) + " clients wait, " + std::to_string(pool.open) +
           " of " + std::to_string(pool.size_max) + " server connections open";
}

std::string behind(const status::Member& member) {
    if (member.lag_bytes < 0) {
        return "how far it is behind is not known";
    }
    if (member.lag_bytes == 0) {
        return "it does not follow the primary's timeline";
    }
    std::string text =
        policies::text_of(static_cast<double>(member.lag_bytes), Unit::Bytes) + " behind";
    if (member.lag_us >= 0) {
        text +=
            ", by " + policies::text_of(static_cast<double>(member.lag_us) / kMicrosecondsPerSecond,
                                        Unit::Seconds);
    }
    return text;
}

bool is_all_replicas(const std::string& cluster, const conf::Config& config) {
    const auto found = config.clusters.find(cluster);
    if (found == config.clusters.end()) {
        return false;
    }
    const auto& members = found->second.members;
    return std::all_of(members.begin(), members.end(), [](const conf::MemberSettings& member) {
        return member.role == conf::MemberRole::Replica;
    });
}

/// One that answers.
HealthCheck check_answering(const status::Member& member) {
    HealthCheck check{"member", member.name, Health::Healthy, member.role, {}};
    const auto set = [&check](Health health, std::string detail, std::string recommendation) {
        check.health = health;
        check.detail = std::move(detail);
        check.recommendation = std::move(recommendation);
    };
    if (member.role == "split_brain") {
        set(Health::Critical,
            "is a second primary, and not used",
            "stop " + member.name + ", and make it follow the primary");
    } else if (member.breaker == "open") {
        set(Health::Critical,
            "its circuit breaker is open: it gets no calls",
            "see why calls to " + member.name + " fail; RESET BREAKER \"" + member.name +
                "\" ends it at once");
    } else if (member.role == "unknown") {
        set(Health::Degraded, "what it is is not known: it is not used", "see Weir's log");
    } else if (member.role == "replica" && !member.is_read) {
        set(Health::Degraded,
            "is not read from: " + behind(member),
            "see what holds up replication to " + member.name);
    } else if (member.breaker != "closed") {
        set(Health::Degraded, "its circuit breaker lets a few calls through, as a test", {});
    }
    return check;
}

}  // namespace

bool lacks_primary(const std::string& cluster, const CommandInput& input) {
    bool is_any = false;
    for (const status::Member& member : input.snapshot.members) {
        if (member.cluster == cluster) {
            if (member.is_primary) {
                return false;
            }
            is_any = true;
        }
    }
    return is_any && !is_all_replicas(cluster, input.config);
}

std::uint64_t backends_in_use(const status::Pool& pool) {
    return pool.backends_active + pool.backends_used + pool.backends_tested;
}

double utilization(const status::Pool& pool) {
    // A backend that is being cancelled cannot be lent either.
    const auto busy = static_cast<double>(backends_in_use(pool) + pool.backends_being_canceled);
    return pool.size_max == 0 ? 0 : busy / static_cast<double>(pool.size_max);
}

PoolValues measure(const status::Pool& pool, const PoolWork& recent) {
    const auto response_us = ratio(recent.statement_us, recent.statements);
    return {.usage = utilization(pool),
            .wait_s = wait_of(pool, recent),
            .error_rate = ratio(recent.failures, recent.statements),
            .response_s =
                response_us ? std::optional{*response_us / kMicrosecondsPerSecond} : std::nullopt};
}

std::string title_of(const status::Pool& pool) {
    const std::string name = pool.database + "/" + pool.user;
    return pool.member.empty() ? name : name + " on " + pool.member;
}

HealthCheck check_pool(const status::Pool& pool, const CommandInput& input) {
    HealthCheck check{"pool", title_of(pool), Health::Healthy, {}, {}};
    const std::string_view hold = what_holds(pool, input);
    std::vector<Verdict> verdicts;
    for (Judged& judged : judged_values(pool, input)) {
        verdicts.push_back(judge(judged, hold));
        if (verdicts.back().health > check.health) {
            check.health = verdicts.back().health;
            check.recommendation = judged.advice;
        }
    }
    const Verdict worst = policies::worst_of(verdicts);
    check.detail = worst.reason.empty() ? state_of(pool) : worst.reason + "; " + state_of(pool);
    return check;
}

HealthCheck check_member(const status::Member& member) {
    if (member.is_up) {
        return check_answering(member);
    }
    if (member.problem.empty()) {
        return {"member", member.name, Health::Degraded, "has not answered yet", {}};
    }
    return {"member",
            member.name,
            Health::Critical,
            "is down: " + member.problem,
            "see whether PostgreSQL runs at " + member.name + " and lets Weir in"};
}

}  // namespace weir::admin
