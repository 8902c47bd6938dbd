// The part of Worker that says what its pools are made of: where they lead, as whom, how many.

#include "protocol/password.hpp"
#include "proxy/shared_cache.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <utility>

namespace weir::proxy {

namespace {

/// How to log in to PostgreSQL as `user` by what is configured alone. A SCRAM verifier is good for
/// checking a client, not for a login.
pool::Credentials configured_credentials(const conf::Config& config,
                                         const conf::DatabaseSettings& database,
                                         const std::string& user) {
    pool::Credentials credentials;
    if (user == database.user && !database.password.empty()) {
        credentials.secret = database.password;
        return credentials;
    }
    const conf::UserSettings* known = config.find_user(user);
    if (known != nullptr && protocol::kind_of(known->secret) != protocol::SecretKind::Scram) {
        credentials.secret = known->secret;
    }
    return credentials;
}

/// Few connections, kept while they are used, with nothing of anybody else's in them: names that
/// the query leaves without a schema mean PostgreSQL's own, whatever else is there.
void plan_lookups(pool::PoolPlan& plan, const conf::AuthSettings& auth) {
    constexpr unsigned kLookupConnectionsMax = 4;
    plan.settings.mode = conf::PoolMode::Transaction;
    plan.settings.min = 0;
    plan.settings.max = std::min(plan.settings.max, kLookupConnectionsMax);
    plan.settings.reserve = 0;
    plan.settings.application_max = 0;
    plan.settings.prepared_statements = 0;
    plan.settings.acquire_timeout = auth.query_timeout;
    plan.startup_settings = {{"search_path", "pg_catalog, pg_temp"},
                             {"application_name", "weir auth.query"}};
    plan.connect_query.clear();
}

/// What a replica has of a number that holds for all of them: as its weight says, at least one.
unsigned share_of(unsigned all, unsigned weight, unsigned weights) {
    if (all == 0 || weights == 0) {
        return all;
    }
    return std::max<unsigned>(
        1, static_cast<unsigned>(std::uint64_t{all} * weight / std::uint64_t{weights}));
}

bool is_reader(const pool::MemberView& member) {
    return member.is_up && member.role == policies::MemberRole::Replica && member.weight > 0;
}

/// A pool of one replica: its share of what all of them may have, among those that are there.
void plan_reads(pool::PoolPlan& plan, const std::string& name, const pool::ClusterView& view) {
    unsigned weights = 0;
    const pool::MemberView* mine = nullptr;
    for (const pool::MemberView& member : view.members) {
        const bool is_mine = member.name == name;
        mine = is_mine ? &member : mine;
        weights += is_mine || is_reader(member) ? member.weight : 0;
    }
    plan.is_absent = mine == nullptr || !mine->is_up;
    if (mine != nullptr) {
        plan.endpoint = mine->endpoint;
        plan.settings.max = share_of(plan.settings.max, mine->weight, weights);
        plan.settings.application_max =
            share_of(plan.settings.application_max, mine->weight, weights);
        plan.settings.min =
            std::min(share_of(plan.settings.min, mine->weight, weights),
                     plan.settings.max == 0 ? plan.settings.min : plan.settings.max);
    }
}

/// Where the member is that the pool is for, or that it is not there.
void plan_members(pool::PoolPlan& plan,
                  const pool::PoolKey& key,
                  const conf::ClusterSettings& cluster,
                  const pool::ClusterViews& views) {
    plan.endpoint = cluster.members.front().address;
    if (cluster.members.size() == 1) {
        plan.is_absent = !key.member.empty();  // it had more when this pool was made
        return;
    }
    plan.cluster = cluster.name;
    plan.failover_hold = key.member.empty() ? Duration{cluster.failover_hold} : Duration{};
    plan.is_absent = true;
    const auto found = views.find(cluster.name);
    if (found == views.end()) {
        return;
    }
    const pool::ClusterView& view = *found->second;
    if (!key.member.empty()) {
        plan_reads(plan, key.member, view);
        return;
    }
    plan.term = view.term;
    if (view.primary) {
        plan.endpoint = view.members[*view.primary].endpoint;
        plan.is_absent = false;
    }
}

bool is_alike(const pool::MemberView& one, const pool::MemberView& other) {
    return one.is_up == other.is_up && one.role == other.role && one.weight == other.weight &&
           one.name == other.name && one.endpoint == other.endpoint;
}

/// @return whether pools are to go on elsewhere, or to stop or begin to wait
bool has_moved(const pool::ClusterViews& before, const pool::ClusterViews& now) {
    return !std::equal(before.begin(),
                       before.end(),
                       now.begin(),
                       now.end(),
                       [](const auto& one, const auto& other) {
                           const pool::ClusterView& old = *one.second;
                           const pool::ClusterView& fresh = *other.second;
                           return one.first == other.first && old.term == fresh.term &&
                                  old.primary == fresh.primary &&
                                  std::equal(old.members.begin(),
                                             old.members.end(),
                                             fresh.members.begin(),
                                             fresh.members.end(),
                                             is_alike);
                       });
}

}  // namespace

net::TcpOptions tcp_options_of(const conf::ListenSettings& listen) {
    return {listen.tcp_keepalive,
            listen.tcp_keepalive_interval,
            listen.tcp_keepalive_count,
            listen.tcp_user_timeout};
}

void Worker::see(pool::ClusterViewsPtr views) {
    post([views = std::move(views)](Worker& worker) {
        const pool::ClusterViewsPtr before = std::exchange(worker.views_, views);
        worker.read_pools_.clear();
        if (has_moved(*before, *worker.views_)) {
            worker.renew_plans();
        }
    });
}

void Worker::renew_plans() {
    pools_->apply([this](const pool::PoolKey& key) -> std::optional<pool::PoolPlan> {
        if (config().find_database(key.database) == nullptr) {
            return std::nullopt;
        }
        const std::string replication = key.replication.substr(0, key.replication.find('#'));
        return plan_for(key, replication);
    });
}

void Worker::renew_priorities() {
    has_priorities_ = std::any_of(config_->users.begin(),
                                  config_->users.end(),
                                  [](const auto& entry) { return entry.second.priority != 0; });
}

pool::PoolPlan Worker::plan_for(const pool::PoolKey& key, const std::string& replication) const {
    const conf::DatabaseSettings& database = *config_->find_database(key.database);
    const conf::ClusterSettings& cluster = config_->cluster_of(database);
    pool::PoolPlan plan;
    plan.settings = key.member.empty() ? config_->pool_for(key.database, key.user)
                                       : config_->read_pool_for(key.database, key.user);
    plan.limits = config_->limits;
    if (database.max_connections > 0) {
        plan.limits.max_database_connections = database.max_connections;
    }
    if (const auto* user = config_->find_user(key.user);
        user != nullptr && user->max_connections > 0) {
        plan.limits.max_user_connections = user->max_connections;
    }
    plan_members(plan, key, cluster, *views_);
    plan.dbname = database.dbname.empty() ? key.database : database.dbname;
    plan.startup_settings = database.set;
    plan.credentials = configured_credentials(*config_, database, key.user);
    plan.replication = replication;
    if (!replication.empty()) {
        plan.settings.application_max = 0;  // each of these pools is one client's
    }
    plan.has_priorities = has_priorities_;
    plan.connect_query = replication.empty() ? database.connect_query : std::string{};
    plan.connect_timeout = cluster.connect_timeout;
    plan.connect_concurrency = cluster.connect_concurrency;
    plan.connect_retry =
        pool::backoff_of(config_->policy_for(key.database, key.user).retry.connect);
    plan.tcp = tcp_options_of(config_->listen);
    if (key.use == pool::PoolKey::Use::Lookups) {
        plan_lookups(plan, config_->auth);
    }
    plan.tls = tls_->server(cluster.name);
    plan.reconnects = holds_->reconnects_of(key.database);
    return plan;
}

/// For the member's circuit breaker. A client that waits does not count it: many may wait for one
/// connection.
void Worker::on_login_failed(const pool::PoolKey& key) {
    const conf::DatabaseSettings* database = config_->find_database(key.database);
    const auto found =
        database == nullptr ? views_->end() : views_->find(config_->cluster_of(*database).name);
    if (found == views_->end()) {
        return;
    }
    const pool::ClusterView& view = *found->second;
    for (std::size_t i = 0; i < view.members.size(); ++i) {
        const pool::MemberView& member = view.members[i];
        if (key.member.empty() ? view.primary == i : member.name == key.member) {
            member.load->calls[index_].finish(member.load->gate,
                                              policies::kNoTrial,
                                              policies::CallEnd::Failed,
                                              policies::CallSpeed::Normal);
        }
    }
}

ReadPools& Worker::read_pools(const pool::Pool& home) {
    const auto [found, is_new] = read_pools_.try_emplace(&home);
    ReadPools& pools = found->second;
    const conf::DatabaseSettings* database = config_->find_database(home.key().database);
    if (!is_new || database == nullptr) {
        return pools;
    }
    const conf::ClusterSettings& cluster = config_->cluster_of(*database);
    if (const auto view = views_->find(cluster.name); view != views_->end()) {
        pools.view = view->second;
        pools.pools.resize(pools.view->members.size());
        pools.balance = cluster.balance;
        pools.state = &balances_[cluster.name];
    }
    return pools;
}

pool::Pool* Worker::find_pool(const pool::PoolKey& key) {
    return pools_->find(key);
}

const cache::DatabasePtr& Worker::cached_database(const pool::Pool& pool) {
    cache::DatabasePtr& known = cached_databases_[pool.shared_database()];
    if (known == nullptr) {
        known = shared_.cache->database(pool.plan().shared_name(), loop_->now());
    }
    return known;
}

std::unique_ptr<cache::SharedResults> Worker::renew_shared_results() {
    const conf::CacheSettings wanted = shared_part(config_->cache);
    if (wanted == shared_settings_) {
        return nullptr;
    }
    shared_settings_ = wanted;
    auto old = std::exchange(shared_results_, nullptr);
    if (!wanted.redis.empty()) {
        cache::SharedResultsSettings settings;
        settings.link = redis_link_of(wanted);
        settings.link.is_reported = false;
        settings.prefix = wanted.redis_key_prefix;
        settings.instance = shared_.instance;
        settings.worker = index_;
        settings.untold_max = wanted.redis_queue;
        shared_results_ = std::make_unique<cache::SharedResults>(
            *loop_, std::move(settings), shared_.cache_lease, redis_counters_);
    }
    return old;
}

pool::Pool& Worker::read_pool(const pool::Pool& home, std::size_t member) {
    ReadPools& pools = read_pools(home);
    pool::Pool*& pool = pools.pools[member];
    if (pool == nullptr) {
        pool::PoolKey key = home.key();
        key.member = pools.view->members[member].name;
        pool = &pool_for(key, {});
    }
    if (pool->credentials() != home.credentials()) {
        pool->learn(home.credentials());
    }
    return *pool;
}

}  // namespace weir::proxy
