#pragma once

#include "base/intrusive_list.hpp"
#include "base/log.hpp"
#include "base/status.hpp"
#include "cache/admission.hpp"
#include "cache/cache.hpp"
#include "cache/redis/freshness_lease.hpp"
#include "cache/redis/shared_results.hpp"
#include "conf/model.hpp"
#include "net/background.hpp"
#include "net/event_loop.hpp"
#include "net/fd.hpp"
#include "net/socket.hpp"
#include "policies/balance.hpp"
#include "pool/budget.hpp"
#include "pool/cluster_view.hpp"
#include "pool/counters.hpp"
#include "pool/pool_set.hpp"
#include "pool/session_settings.hpp"
#include "pool/shared_database.hpp"
#include "pool/statement.hpp"
#include "proxy/cache_counts.hpp"
#include "proxy/client_addresses.hpp"
#include "proxy/client_auth.hpp"
#include "proxy/client_session.hpp"
#include "proxy/console.hpp"
#include "proxy/holds.hpp"
#include "proxy/partition_healing.hpp"
#include "proxy/session_knowledge.hpp"
#include "proxy/slow_plans.hpp"
#include "proxy/statement_desk.hpp"
#include "proxy/tls_contexts.hpp"
#include "proxy/user_lookups.hpp"
#include "proxy/warm_up.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace weir::proxy {

class Worker;

}  // namespace weir::proxy

namespace weir::events {

class Sink;

}  // namespace weir::events

namespace weir::ledger {

class Ledger;

}  // namespace weir::ledger

namespace weir::proxy {

/// Why the process drains: by order of an operator the consoles stay to the end, and who waits for
/// a backend is sent away.
enum class DrainKind : std::uint8_t { None, Signal, Order };

/// What all workers share: nothing in it takes a lock on the data path.
struct Shared {
    pool::BudgetRegistry budgets;
    pool::SharedDatabases shared_databases;
    net::BackgroundThread background;
    net::BackgroundThread
        console_work;  ///< SELECTs of the admin database: logins do not wait for them
    std::array<std::byte, 32> mock_secret{};
    std::array<std::byte, 32> cancel_secret{};
    std::atomic<std::uint64_t> next_id{1};
    std::atomic<std::uint64_t> clients{0};  ///< logged in or logging in
    ConsoleFactory* consoles = nullptr;
    ledger::Ledger* ledger = nullptr;     ///< outlives the workers; nullptr: there is none
    events::Sink* events = nullptr;       ///< the same
    PartitionHealing* healing = nullptr;  ///< the same
    TlsContextsPtr tls = std::make_shared<const TlsContexts>();  ///< of the newest configuration;
                                                                 ///< std::atomic_load and _store
    /// Made before the first worker hears of a configuration that has it enabled, and kept from
    /// then on: whoever's configuration has it enabled may look here, others must not.
    std::unique_ptr<cache::Cache> cache;
    /// Whether what it holds may be served where the configuration names a Redis.
    cache::FreshnessLease cache_lease;
    std::uint64_t instance = 0;  ///< random: what others in Redis know this process by
    std::vector<std::unique_ptr<Worker>> workers;
    std::unique_ptr<std::latch>
        all_stopped;  ///< loops go away together: each may still be posting to another
    std::function<void(const std::string& cluster)>
        on_server_trouble;  ///< one of its members could not be reached; thread: a worker's
    std::function<void()>
        on_worker_empty;  ///< a draining worker has lost its last client; thread: that worker's
};

/// The replicas of a cluster, as they are for the clients of one pool.
struct ReadPools {
    pool::ClusterViewPtr view;       ///< nullptr: it has one member, or has not been looked at yet
    std::vector<pool::Pool*> pools;  ///< by member; nullptr until it is wanted
    conf::Balance balance{};
    policies::BalanceState* state = nullptr;
};

[[nodiscard]] net::TcpOptions tcp_options_of(const conf::ListenSettings& listen);

/// One event-loop thread with its sessions and its share of every pool.
///
/// Made and destroyed by the control loop; everything else runs on its own thread. Other threads
/// use post_*() only.
class Worker final : private pool::Peers, private net::DeadlineListener {
public:
    Worker(Shared& shared, unsigned index, conf::ConfigPtr config);
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;
    Worker(Worker&&) = delete;
    Worker& operator=(Worker&&) = delete;
    /// Waits for the thread; stop() must have been called on every worker.
    ~Worker();

    // Any thread.
    void post(std::function<void(Worker&)> task);
    void add_client(net::Fd fd);
    void apply(conf::ConfigPtr config);
    /// How the clusters of several members stand now.
    void see(pool::ClusterViewsPtr views);
    void drain(DrainKind kind);
    /// Runs what the configuration in force names as its [[warm_up]], from the beginning.
    void warm_up();
    /// Tells Shared::on_worker_empty from now on when nobody but consoles is left.
    void tell_when_empty();

    /// Makes the thread close every session and backend and end.
    void stop() { loop_->stop(); }

    [[nodiscard]] std::uint64_t load() const { return load_.load(std::memory_order_relaxed); }

    /// @return how many of them talk to the admin database
    [[nodiscard]] std::uint64_t consoles() const {
        return consoles_.load(std::memory_order_relaxed);
    }

    [[nodiscard]] const pool::WorkerCounters& counters() const { return counters_; }

    // Its own thread.
    [[nodiscard]] net::EventLoop& loop() { return *loop_; }

    [[nodiscard]] Shared& shared() { return shared_; }

    [[nodiscard]] const conf::Config& config() const { return *config_; }

    [[nodiscard]] StatementDesk& desk() { return desk_; }

    /// True to a second.
    [[nodiscard]] std::int64_t unix_us() const { return wall_clock_.unix_us(loop_->now()); }

    [[nodiscard]] ClientAddresses& client_addresses() { return client_addresses_; }

    /// @return as log::Allowance::admit(), for a line about one statement
    [[nodiscard]] std::int64_t admit_statement_line() { return statement_lines_.admit(); }

    [[nodiscard]] const TlsContexts& tls() const { return *tls_; }

    [[nodiscard]] pool::SettingsTable& settings() { return settings_; }

    [[nodiscard]] pool::StatementTable& statements() { return statements_; }

    [[nodiscard]] pool::WorkerCounters& mutable_counters() { return counters_; }

    [[nodiscard]] SessionKnowledge& knowledge() { return knowledge_; }

    [[nodiscard]] AuthCache& auth_cache() { return auth_cache_; }

    [[nodiscard]] UserLookups& user_lookups() { return *user_lookups_; }

    [[nodiscard]] SlowPlans& slow_plans() { return *slow_plans_; }

    /// Begins a session whose client is this process itself: it is let in without a proof.
    /// @return the client's end of the connection; closed: there was no descriptor for it
    [[nodiscard]] net::Fd add_own_client(OwnSessionPtr own);

    /// @return whether it is not about to end
    [[nodiscard]] bool takes_clients() const { return !is_draining() && !tells_when_empty_; }

    [[nodiscard]] bool is_draining() const { return drain_kind_ != DrainKind::None; }

    [[nodiscard]] DrainKind drain_kind() const { return drain_kind_; }

    [[nodiscard]] const Holds& holds() const { return *holds_; }

    [[nodiscard]] bool is_suspended() const { return holds_->is_suspended; }

    // Orders of operators (worker_orders.cpp).
    void obey(HoldsPtr holds);
    /// Ends every client and every backend of a database. @param database "" = of all
    void kill(const std::string& database);
    /// @return whether there was such a client
    [[nodiscard]] bool kill_client(std::uint64_t id);
    /// What that client's request waits for before it is run once more is over.
    void end_pause(std::uint64_t client);
    /// @return how many backends are yet to be replaced. @param database "" = of all
    [[nodiscard]] std::size_t stale_backends(const std::string& database);
    /// @return whether everything that was read has been passed on
    [[nodiscard]] bool is_flushed();
    void drop_unflushed();

    void console_came() { consoles_.fetch_add(1, std::memory_order_relaxed); }

    [[nodiscard]] unsigned index() const { return index_; }

    [[nodiscard]] pool::Pool& pool_for(const pool::PoolKey& key, const std::string& replication);
    /// @return the replicas of the cluster that this pool's primary belongs to; valid in this turn
    [[nodiscard]] ReadPools& read_pools(const pool::Pool& home);

    /// @param member which of read_pools().view's
    /// @return for whoever chooses one of them, valid in this turn
    [[nodiscard]] std::vector<policies::Candidate>& candidates() { return candidates_; }

    [[nodiscard]] pool::Pool& read_pool(const pool::Pool& home, std::size_t member);
    /// @return this worker's share of it; nullptr: there is none (any more)
    [[nodiscard]] pool::Pool* find_pool(const pool::PoolKey& key);

    // For results that are kept.
    /// @return the database that this pool leads to, as the cache knows it
    [[nodiscard]] const cache::DatabasePtr& cached_database(const pool::Pool& pool);

    [[nodiscard]] const std::shared_ptr<cache::Mailbox>& mailbox() { return mailbox_; }

    /// @return results that others have kept as well; nullptr: there are none
    [[nodiscard]] cache::SharedResults* shared_results() { return shared_results_.get(); }

    /// @return whether what this process keeps is known to be what it was
    [[nodiscard]] bool trusts_cache(TimePoint now) const {
        return shared_settings_.redis.empty() || shared_.cache_lease.holds(now);
    }

    [[nodiscard]] const cache::RedisCounters& redis_counters() const { return redis_counters_; }

    [[nodiscard]] CacheCounts& cache_counts() { return cache_counts_; }

    [[nodiscard]] cache::Admission& cache_admission() { return cache_admission_; }

    /// @return scratch
    [[nodiscard]] cache::KeyBuilder& cache_key() { return cache_key_; }

    /// Forgets the pools that are of no use any more; not while one of them is on the stack.
    void sweep_pools();
    void remove(ClientSession& session);

    /// Counts an error that a client is told by us, and logs it where that is wanted.
    void note_error(const ClientSession& session, const protocol::ErrorFields& error);

    void count_failed_login(const char* reason) { ++failed_logins_[reason]; }

    /// Gives the session a process id for its cancel key; the secret follows from the whole key.
    [[nodiscard]] std::uint32_t register_cancel_key(ClientSession& session);
    /// The same for one that is told its server's process id.
    void register_cancel_key(ClientSession& session, std::uint32_t process_id);
    void forget_cancel_key(std::uint32_t process_id, const ClientSession& session);
    [[nodiscard]] std::vector<std::byte> cancel_secret(const ClientSession& session) const;
    /// Finds the worker and the session a cancel request is for; `on_done` runs on this worker's
    /// thread.
    void route_cancel(std::uint32_t process_id,
                      std::vector<std::byte> secret,
                      std::function<void()> on_done);

    void add_to(status::Snapshot& snapshot, status::Detail detail);

private:
    void run(std::promise<void>& started);
    void add_client_here(net::Fd fd);

    /// A cancel request on its way from worker to worker.
    struct CancelRequest {
        std::uint32_t process_id = 0;
        std::vector<std::byte> secret;
        std::size_t next = 0;  ///< worker to be asked
        std::size_t end = 0;
        std::function<void()> on_done;
    };

    static void ask_next(Shared& shared, const std::shared_ptr<CancelRequest>& request);
    [[nodiscard]] bool cancel_here(std::uint32_t process_id,
                                   const std::vector<std::byte>& secret,
                                   const std::function<void()>& on_done);
    [[nodiscard]] pool::PoolPlan plan_for(const pool::PoolKey& key,
                                          const std::string& replication) const;
    void tell_sessions(const std::function<void(ClientSession&)>& tell);
    void renew_plans();
    /// @return what they took the place of; nullptr: nothing
    [[nodiscard]] std::unique_ptr<cache::SharedResults> renew_shared_results();
    void renew_priorities();
    void check_drained() const;
    [[nodiscard]] status::Connection describe(const pool::Pool& pool,
                                              const pool::Backend& backend,
                                              TimePoint now) const;
    using PoolRows = std::map<const pool::Pool*, std::size_t>;  ///< index into Snapshot::pools
    [[nodiscard]] PoolRows add_pools_to(status::Snapshot& snapshot, status::Detail detail);
    void add_sessions_to(status::Snapshot& snapshot, status::Detail detail, const PoolRows& rows);
    void add_counters_to(status::Totals& totals) const;
    void on_deadline(net::Deadline& deadline) override;

    void post_to_pool(unsigned worker,
                      const pool::PoolKey& key,
                      std::function<void(pool::Pool&)> task) override;
    bool make_room(const pool::Pool& asking) override;
    void make_room_here(const pool::PoolKey& asking);
    [[nodiscard]] unsigned worker_count() const override;

    void on_server_trouble(const pool::PoolKey& key) override;
    void on_login_failed(const pool::PoolKey& key) override;

    [[nodiscard]] std::uint64_t next_id() override { return shared_.next_id.fetch_add(1); }

    Shared& shared_;
    unsigned index_;
    conf::ConfigPtr config_;
    TlsContextsPtr tls_;
    bool has_priorities_ = false;  // of users
    pool::WorkerCounters counters_;
    std::atomic<std::uint64_t> load_{0};
    std::atomic<std::uint64_t> consoles_{0};
    std::thread thread_;

    net::EventLoop* loop_ = nullptr;  // lives on the thread's stack while it runs
    pool::SettingsTable settings_;
    pool::StatementTable statements_;
    StatementDesk desk_;
    WallClock wall_clock_;
    ClientAddresses client_addresses_;
    SessionKnowledge knowledge_;
    AuthCache auth_cache_;
    log::Allowance error_lines_{100};
    log::Allowance statement_lines_{100};
    std::unique_ptr<pool::PoolSet> pools_;
    std::unique_ptr<UserLookups> user_lookups_;  // before the pools it goes
    std::unique_ptr<SlowPlans> slow_plans_;      // the same
    std::unique_ptr<WarmUp> warm_up_;            // before the sessions it goes
    net::Deadline sweep_{*this};
    net::Deadline hand_over_{*this};  // where there is a ledger
    IntrusiveList<ClientSession>
        sessions_;  // owns them: no second index, an idle client is to cost little
    std::unordered_multimap<std::uint32_t, ClientSession*>
        cancel_keys_;  // servers may have equal process ids
    std::map<std::string, std::uint64_t> failed_logins_;
    std::uint64_t client_connections_ = 0;
    std::unordered_map<const pool::Pool*, ReadPools> read_pools_;       // while the views stay
    std::unordered_map<std::string, policies::BalanceState> balances_;  // by cluster
    std::vector<policies::Candidate> candidates_;
    std::shared_ptr<cache::Mailbox> mailbox_;
    cache::KeyBuilder cache_key_;
    CacheCounts cache_counts_;
    cache::Admission cache_admission_;
    cache::RedisCounters redis_counters_;
    conf::CacheSettings shared_settings_;  // what shared_results_ was made for
    std::unique_ptr<cache::SharedResults> shared_results_;
    std::unordered_map<pool::SharedDatabasePtr, cache::DatabasePtr> cached_databases_;
    pool::ClusterViewsPtr views_ = std::make_shared<const pool::ClusterViews>();
    HoldsPtr holds_ = std::make_shared<const Holds>();
    DrainKind drain_kind_ = DrainKind::None;
    bool tells_when_empty_ = false;
};

}  // namespace weir::proxy
