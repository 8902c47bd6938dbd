#include "proxy/cluster_watches.hpp"

#include "policies/wal_position.hpp"
#include "protocol/password.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

/// @return whether libpq can log in with it
bool is_password(const std::string& secret) {
    return protocol::kind_of(secret) == protocol::SecretKind::Plain;
}

/// Who asks the members: who is configured to, else the user of a pool.
pool::ProbeLogin login_for(const conf::Config& config, const conf::ClusterSettings& cluster) {
    pool::ProbeLogin login;
    login.tls = config.tls_for(cluster);
    login.user = cluster.probe_user;
    login.database = "postgres";
    for (const auto& [name, database] : config.databases) {
        if (config.cluster_of(database).name != cluster.name) {
            continue;
        }
        if (const std::string& real = database.dbname.empty() ? name : database.dbname;
            real != "*") {
            login.database = real;
        }
        if (login.user.empty() && !database.user.empty()) {
            login.user = database.user;
        }
        if (login.user == database.user) {
            login.password = database.password;
        }
    }
    if (login.user.empty()) {
        const auto known =
            std::find_if(config.users.begin(), config.users.end(), [](const auto& entry) {
                return is_password(entry.second.secret);
            });
        login.user = known != config.users.end() ? known->first : "postgres";
    }
    if (const conf::UserSettings* user = config.find_user(login.user);
        user != nullptr && login.password.empty() && is_password(user->secret)) {
        login.password = user->secret;
    }
    return login;
}

/// @return whether some database's clients read their own writes from this cluster's replicas
bool must_be_fast(const conf::Config& config, const conf::ClusterSettings& cluster) {
    return std::any_of(config.databases.begin(), config.databases.end(), [&](const auto& entry) {
        const conf::DatabaseSettings& database = entry.second;
        return database.read_write_split && database.read_your_writes &&
               config.cluster_of(database).name == cluster.name;
    });
}

}  // namespace

ClusterWatches::ClusterWatches(net::EventLoop& loop,
                               std::function<void(pool::ClusterViewsPtr)> on_views)
    : loop_{loop}, on_views_{std::move(on_views)} {}

ClusterWatches::~ClusterWatches() = default;

void ClusterWatches::apply(const conf::Config& config) {
    is_applying_ = true;
    std::erase_if(watches_, [&config](const auto& entry) {
        const auto found = config.clusters.find(entry.first);
        return found == config.clusters.end() || found->second.members.size() < 2;
    });
    for (const auto& [name, cluster] : config.clusters) {
        if (cluster.members.size() < 2) {
            continue;
        }
        const pool::ProbeLogin login = login_for(config, cluster);
        const bool is_fast = must_be_fast(config, cluster);
        std::unique_ptr<ClusterWatch>& watch = watches_[name];
        if (watch == nullptr || !watch->is_watching(cluster, login, is_fast)) {
            const pool::ClusterViewPtr before = watch == nullptr ? nullptr : watch->view();
            watch =
                std::make_unique<ClusterWatch>(loop_, cluster, login, is_fast, before.get(), *this);
        }
        watch->set_breakers(config.breaker);
    }
    is_applying_ = false;
    publish();
}

void ClusterWatches::hurry(const std::string& cluster) {
    if (const auto found = watches_.find(cluster); found != watches_.end()) {
        found->second->hurry();
    }
}

bool ClusterWatches::reset_breaker(const std::string& member) {
    bool is_known = false;
    for (const auto& [name, watch] : watches_) {
        is_known = watch->reset_breaker(member) || is_known;
    }
    return is_known;
}

void ClusterWatches::on_cluster_changed() {
    if (!is_applying_) {
        publish();
    }
}

void ClusterWatches::publish() {
    auto views = std::make_shared<pool::ClusterViews>();
    for (const auto& [name, watch] : watches_) {
        views->emplace(name, watch->view());
    }
    views_ = std::move(views);
    on_views_(views_);
}

std::string problem_of(const pool::ClusterView& view, const conf::ClusterSettings& settings) {
    const bool wants_primary =
        std::any_of(settings.members.begin(), settings.members.end(), [](const auto& member) {
            return member.role != conf::MemberRole::Replica;
        });
    if (wants_primary) {
        return view.primary ? "" : "no primary";
    }
    const bool is_any_up = std::any_of(view.members.begin(),
                                       view.members.end(),
                                       [](const pool::MemberView& member) { return member.is_up; });
    return is_any_up ? "" : "no member can be reached";
}

void add_members(const pool::ClusterViews& views, status::Snapshot& snapshot) {
    const auto microseconds = [](Duration duration) {
        return std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
    };
    for (const auto& [cluster, view] : views) {
        for (std::size_t i = 0; i < view->members.size(); ++i) {
            const pool::MemberView& member = view->members[i];
            status::Member row;
            row.cluster = cluster;
            row.name = member.name;
            row.role = policies::name_of(member.role);
            row.is_up = member.is_up;
            row.is_primary = view->primary == i;
            row.is_read = member.may_read;
            row.weight = member.weight;
            row.position = member.position == 0 ? "" : policies::wal_position_text(member.position);
            if (member.lag_bytes) {
                row.lag_bytes = static_cast<std::int64_t>(*member.lag_bytes);
            }
            if (member.lag) {
                row.lag_us = microseconds(*member.lag);
            }
            row.problem = member.problem;
            row.leased = member.load->leased.load(std::memory_order_relaxed);
            row.latency_us = member.load->latency_us.load(std::memory_order_relaxed);
            const policies::BreakerState breaker = member.load->gate.state();
            row.breaker = policies::name_of(breaker);
            row.breaker_number = static_cast<std::int64_t>(breaker);
            if (breaker != policies::BreakerState::Closed) {
                row.retry_in_us = std::max<std::int64_t>(
                    0, microseconds(member.load->gate.retry_at() - Clock::now()));
            }
            const policies::Outcomes ended = member.load->outcomes();
            row.successes = ended.successes;
            row.failures = ended.failures;
            row.slow = ended.slow;
            row.rejected = ended.rejected;
            row.trips = member.load->trips.load(std::memory_order_relaxed);
            snapshot.members.push_back(std::move(row));
        }
    }
}

}  // namespace weir::proxy
