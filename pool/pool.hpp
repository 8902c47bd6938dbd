#pragma once

#include "base/clock.hpp"
#include "base/intrusive_list.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "net/background.hpp"
#include "net/event_loop.hpp"
#include "pool/backend.hpp"
#include "pool/backoff_of.hpp"
#include "pool/budget.hpp"
#include "pool/bulkheads.hpp"
#include "pool/canceller.hpp"
#include "pool/counters.hpp"
#include "pool/credentials.hpp"
#include "pool/hold.hpp"
#include "pool/lease_holder.hpp"
#include "pool/limit_waits.hpp"
#include "pool/server_tls.hpp"
#include "pool/waiting_line.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace weir::pool {

/// Which backends may stand in for each other.
struct PoolKey {
    std::string database;     ///< as the client calls it
    std::string user;         ///< who logs in to PostgreSQL
    std::string replication;  ///< startup parameter; "" = ordinary. Such backends serve one client
                              ///< and are closed.
    /// Lookups: asks who users are. No client is lent its backends, so nobody's settings or
    /// temporary objects can be there.
    enum class Use : std::uint8_t { Clients, Lookups };
    Use use = Use::Clients;
    /// The address of the one replica that is read from; "" = the primary, or the only member.
    std::string member = {};

    auto operator<=>(const PoolKey&) const = default;  // NOLINT(modernize-use-nullptr): misread
};

/// What a pool takes from the configuration; replaced as a whole on reload.
struct PoolPlan {
    conf::PoolSettings settings;
    conf::LimitSettings limits;
    Endpoint endpoint;
    std::string dbname;
    std::map<std::string, std::string> startup_settings;
    Credentials credentials;  ///< as configured; empty where only a client's own proof will do
    std::string replication;  ///< startup parameter of that name; "" = an ordinary connection
    std::string connect_query;
    std::chrono::milliseconds connect_timeout{};
    unsigned connect_concurrency = 1;
    policies::Backoff connect_retry = backoff_of({});  ///< of a server that cannot be logged in to
    net::TcpOptions tcp;
    ServerTls tls;
    bool has_priorities = false;   ///< some users are served before others
    std::uint64_t reconnects = 0;  ///< how often an operator has ordered RECONNECT
    /// Of a cluster of several members: which primary this is; 0 = it has one member.
    std::uint64_t term = 0;
    bool is_absent = false;    ///< there is no primary: nothing is opened, clients wait for one …
    Duration failover_hold{};  ///< … so long
    /// Of several members, whose databases are one; "" = it has one member.
    std::string cluster;

    /// @return says which database of which server it leads to
    [[nodiscard]] std::string target() const;

    /// @return says which database it is, wherever it is connected to
    [[nodiscard]] std::string shared_name() const;

    /// @return a number that two plans share when they lead to the same server, database and
    /// starting settings: backends
    ///         of another generation are not lent any more
    [[nodiscard]] std::uint64_t generation() const;
};

class Pool;

/// The other workers, as a pool sees them.
class Peers {
public:
    /// Runs `task` with that worker's pool of this key (made when missing), on its thread.
    virtual void post_to_pool(unsigned worker,
                              const PoolKey& key,
                              std::function<void(Pool&)> task) = 0;
    /// Asks a pool of this worker, other than `asking`, that shares a full limit to close an idle
    /// backend.
    /// @return whether one was closed
    virtual bool make_room(const Pool& asking) = 0;
    /// A server could not be reached or has ended a connection: it may be somebody else's turn.
    virtual void on_server_trouble(const PoolKey& key) = 0;

    /// A login has failed, for a reason that another try may not meet.
    virtual void on_login_failed(const PoolKey& /*key*/) {}

    [[nodiscard]] virtual unsigned worker_count() const = 0;
    [[nodiscard]] virtual std::uint64_t next_id() = 0;

protected:
    ~Peers() = default;
};

/// One worker's share of the pool of one (database, user): its backends by state and who waits for
/// one.
///
/// Owned by PoolSet, lives on its worker's loop. The limit `max` is the process's (Budget).
/// Backends are lent most recently used first, waiters are served first come first served (their
/// priority counted in), a waiter on another worker that waits longer is handed the backend. Those
/// whose application has all it may have let the others past them. When destroyed it closes
/// everything; nobody may hold or wait any more.
class Pool final : private BackendOwner, private net::DeadlineListener {
public:
    struct Environment {
        net::EventLoop& loop;
        net::BackgroundThread& background;
        SettingsTable& settings;
        StatementTable& statements;
        WorkerCounters& counters;
        BudgetRegistry& budgets;
        SharedDatabases& shared_databases;
        Peers& peers;
        unsigned worker = 0;
        LimitWaits* limit_waits = nullptr;  ///< its PoolSet's
    };

    Pool(const Environment& environment, PoolKey key, PoolPlan plan);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    Pool(Pool&&) = delete;
    Pool& operator=(Pool&&) = delete;
    ~Pool();

    // For clients.
    /// Asks for a backend: on_lease() follows at once or later, or on_refused().
    void acquire(LeaseHolder& holder);
    /// Stops waiting. May be called for a holder that does not wait.
    void forget(LeaseHolder& holder);
    /// @return whether somebody who asks now need not wait for long, as far as can be seen
    [[nodiscard]] bool could_lend();
    [[nodiscard]] bool could_lend(const LeaseHolder& holder);

    /// @return whether somebody waits for a backend, on whatever worker, or for a place in a limit
    /// that its backends count in
    [[nodiscard]] bool is_waited_for();
    /// @return the same, or for a backend that the holder's application has
    [[nodiscard]] bool is_waited_for(const LeaseHolder& holder);

    /// @return how many wait for one on this worker
    [[nodiscard]] std::size_t waiting() { return line_.size(); }

    /// The backend is at rest and goes to whoever waits longest.
    void release(Backend& backend);
    void abandon(Backend& backend, Backend::Frame frame, Backend::Departure departure);
    /// Sends PostgreSQL a cancel request for this backend.
    /// @param on_done runs once the request has done its work or given up
    void cancel(Backend& backend, std::function<void()> on_done);

    void client_came() {
        ++clients_;
        counters_.logins.add();
    }

    void client_left();
    /// How to log in, learnt from a client that proved itself.
    void learn(const Credentials& credentials);

    [[nodiscard]] const Credentials& credentials() const { return credentials_; }

    /// @return what a new client is told about the server's settings; nullptr while no backend has
    /// told us
    [[nodiscard]] const ReportedParameters* welcome_for(const SettingsPtr& settings) const;
    void remember_welcome(const SettingsPtr& settings, const ReportedParameters& parameters);
    /// @return the server's own default of a reported setting, if known
    [[nodiscard]] const std::string* default_of(std::string_view lower_case_name) const;

    /// @return another one whenever defaults have become known, or others
    [[nodiscard]] std::uint32_t defaults_version() const { return defaults_version_; }

    // For its PoolSet and its peers.
    void apply(PoolPlan plan);
    /// A worker whose clients wait asks for an idle backend.
    void on_lend_request(unsigned borrower);
    void adopt(ParkedBackend parked);
    /// A place may have become free: look again.
    void look_again();
    /// @return whether an idle backend was closed
    bool close_one_idle();
    void close_idle();
    [[nodiscard]] bool is_unused() const;

    // For operators (pool_hold.cpp).
    void hold(Hold hold);
    /// Closes every backend; whoever held one must have given it up.
    void close_all();
    /// @return how many backends are to be replaced as soon as they are given back
    [[nodiscard]] std::size_t stale_count() const;

    [[nodiscard]] bool is_stale(const Backend& backend) const {
        return backend.generation() != generation_;
    }

    /// @return whether no backend has bytes that could not be sent yet
    [[nodiscard]] bool is_flushed() const;
    /// Closes those that have, and that nobody holds.
    void drop_unflushed();

    [[nodiscard]] const PoolKey& key() const { return key_; }

    [[nodiscard]] const PoolPlan& plan() const { return plan_; }

    /// @return PoolPlan::generation() of its plan
    [[nodiscard]] std::uint64_t generation() const { return generation_; }

    /// @return of the database that new backends are connected to
    [[nodiscard]] const SharedDatabasePtr& shared_database() const { return database_; }

    [[nodiscard]] PoolCounters& counters() { return counters_; }

    [[nodiscard]] bool shares_limit_with(const Pool& other) const;
    /// @return why the pool cannot serve now, "" when it can or was never tried
    [[nodiscard]] std::string failure_text() const;
    void add_to(status::Pool& row, TimePoint now);

    [[nodiscard]] std::uint64_t client_count() const { return clients_; }

    template <class Visitor>
    void for_each_backend(Visitor&& visit) {
        for (auto& [address, backend] : backends_) {
            visit(*backend);
        }
    }

private:
    static constexpr std::size_t kStates = 9;
    /// An idle backend that does not answer within this is no more.
    static constexpr std::chrono::milliseconds kCheckWithin{3000};
    /// A failure says nothing of the server any more once the next attempt is overdue for so long.
    static constexpr std::chrono::seconds kFailureCounts{1};

    [[nodiscard]] static BackendTraits traits_of(const PoolPlan& plan, const PoolKey& key);

    void on_backend_idle(Backend& backend) override;
    void on_backend_ended(Backend& backend, const LoginFailure* failure) override;
    void on_cancel_wanted(Backend& backend) override;
    void on_backend_moves(Backend& backend, BackendState to) override;
    void on_defaults_changed() override;
    void on_deadline(net::Deadline& deadline) override;

    [[nodiscard]] IntrusiveList<Backend>& list(BackendState state) {
        return lists_[static_cast<std::size_t>(state)];
    }

    [[nodiscard]] const IntrusiveList<Backend>& list(BackendState state) const {
        return lists_[static_cast<std::size_t>(state)];
    }

    [[nodiscard]] std::size_t opening() const;
    [[nodiscard]] bool must_retire(const Backend& backend, TimePoint now);
    [[nodiscard]] bool is_doubted(const Backend& idle) const;
    [[nodiscard]] bool is_check_due(const Backend& idle, TimePoint now) const;
    using Candidate = WaitingLine::Candidate;

    [[nodiscard]] bool lend_idle(const Candidate& candidate, Duration waited);
    [[nodiscard]] SettingsPtr startup_for(const LeaseHolder& holder) const;
    [[nodiscard]] Backend* find_idle(const LeaseHolder& holder);
    [[nodiscard]] bool has_own_sessions() const;
    void join_line(LeaseHolder& holder, Application* application);
    [[nodiscard]] Duration priority_step() const;
    [[nodiscard]] Application* application_of(const LeaseHolder& holder);
    [[nodiscard]] bool may_be_served(const Application* application) const;
    [[nodiscard]] Candidate next_waiter();
    [[nodiscard]] std::size_t eligible_count();
    [[nodiscard]] WaitReason reason_to_wait(const Application* application);
    void tell_reason(WaitReason reason);
    void renew_reasons();
    void set_bulkheads();
    void serve();
    void serve_matching();
    [[nodiscard]] bool hand_to_older_waiter(Backend& backend, const BudgetPtr& freed);
    [[nodiscard]] std::int64_t first_rank_anywhere();
    void give_reserved_back(const BudgetPtr& application);
    void settle_freed(const BudgetPtr& freed);
    void park_for(Backend& backend, unsigned worker, const BudgetPtr& application);
    void grow();
    void grow_matching();
    [[nodiscard]] bool may_dial_now() const;
    [[nodiscard]] bool make_place(const Candidate& waiter);
    [[nodiscard]] bool close_unwanted_idle();
    void refuse_matching(const SettingsPtr& startup, const LoginFailure& failure);
    [[nodiscard]] bool take_place(unsigned max, std::int64_t rank);
    [[nodiscard]] bool take_shared(Budget& limit, unsigned max, std::int64_t rank);
    [[nodiscard]] bool has_shared_limits() const;
    [[nodiscard]] bool is_shared_limit_waited_for(std::int64_t before) const;
    [[nodiscard]] bool must_yield_place();
    void give_place_back();
    void wake_oldest_peer();
    [[nodiscard]] bool has_peers() const;
    void dial(const SettingsPtr& startup);
    void learn_defaults(const Backend& backend);
    void close_unlent(Hold hold);
    [[nodiscard]] Backend::Environment backend_environment();
    void announce();
    void ask_peers();
    void forget_failures();
    void note_loss();
    void settle_retried_login(RetryOutcome outcome);
    [[nodiscard]] bool is_hopeless() const;
    [[nodiscard]] Duration next_pause() const;
    void refuse_all(const LoginFailure& failure);
    void refuse(LeaseHolder& holder, const LoginFailure& failure);
    void expire_waiters(TimePoint now);
    void tell_waiters(TimePoint now);
    void tend_idle(TimePoint now);
    void keep_minimum();
    [[nodiscard]] bool is_in_use(TimePoint now) const;
    void schedule();
    [[nodiscard]] TimePoint wait_ends(const LeaseHolder& holder) const;
    [[nodiscard]] LoginFailure timeout_failure(Duration waited, const Application* application);
    void lose_leased(const std::string& why);
    void close_doubted();
    [[nodiscard]] bool has_been_failing(TimePoint now) const;

    Environment env_;
    PoolKey key_;
    PoolPlan plan_;
    std::uint64_t generation_;
    BackendTraits traits_;
    BudgetPtr budget_;
    BudgetPtr database_budget_;
    BudgetPtr user_budget_;
    SharedDatabasePtr database_;
    Credentials credentials_;
    SettingsPtr last_startup_;  // that a client wanted: what is opened ahead is opened with it
    PoolCounters counters_;
    std::uint64_t clients_ = 0;
    TimePoint last_client_at_{};

    std::unordered_map<const Backend*, std::unique_ptr<Backend>> backends_;
    std::array<IntrusiveList<Backend>, kStates> lists_;
    WaitingLine line_;
    std::unique_ptr<Bulkheads> bulkheads_;  // where an application may hold so many
    std::unordered_map<const Canceller*, std::unique_ptr<Canceller>> cancellers_;

    std::optional<LoginFailure> last_failure_;  // until a login succeeds
    TimePoint failing_since_ = kNever;
    TimePoint retry_at_{};
    std::uint64_t retried_logins_ = 0;  // under way
    std::uint64_t failures_ = 0;        // logins in a row; those made together count as one
    ReportedParameters defaults_;
    std::uint32_t defaults_version_ = 0;
    std::map<SettingsPtr, ReportedParameters> welcomes_;
    TimePoint notice_due_ = kNever;  // when the first waiter not told yet is to be told
    TimePoint noticed_until_{};      // who waits since then or before has been told
    net::Deadline tick_{*this};
    TimePoint tend_at_ = kNever;  // when it is looked after at the latest
    TimePoint doubted_at_{};      // when a server that is one of several was missed
    TimePoint present_since_{};   // when the last absence of a primary ended
    Hold hold_ = Hold::None;
    bool is_serving_ = false;
    bool has_asked_ = false;  // the peers, since somebody waits here
};

}  // namespace weir::pool
