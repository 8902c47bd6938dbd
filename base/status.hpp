#pragma once

#include "base/counters.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What the process looks like at one moment: plain rows, filled by the event loops, read by the
/// admin side.
namespace weir::status {

/// What keeps a client on one server connection between its transactions.
struct Pin {
    std::string reason;
    std::int64_t since_unix_ms = 0;
    std::string statement;  ///< that caused it, without its literals
};

/// One connection, client or backend. SHOW CLIENTS, SHOW SERVERS.
struct Connection {
    std::uint64_t id = 0;
    std::string user;
    std::string database;
    std::string state;    ///< PgBouncer's words: active, waiting, idle, used, tested, new,
                          ///< active_cancel, being_canceled
    std::string address;  ///< numeric, or "unix"
    int port = 0;
    std::string local_address;
    int local_port = 0;
    std::string tls;  ///< "TLSv1.3/TLS_AES_256_GCM_SHA384"; "" without
    std::int64_t connect_time_unix_ms = 0;
    std::int64_t request_time_unix_ms = 0;
    std::int64_t wait_us = 0;     ///< for how long it has been waiting now; 0 = not waiting
    std::uint64_t link_id = 0;    ///< the connection it is paired with; 0 = none
    std::int64_t remote_pid = 0;  ///< backend: its process id
    bool close_needed = false;
    bool replication = false;
    std::string application_name;
    std::uint64_t prepared_statements = 0;  ///< carried by the client, kept on the backend
    int worker = 0;
    std::vector<Pin> pins;                ///< of a client
    std::int64_t remote_backend_pid = 0;  ///< of a pinned client: its server connection's
    int fd = -1;
    std::uint64_t unread = 0;           ///< bytes received and not dealt with
    std::uint64_t unsent = 0;           ///< bytes that could not be sent yet
    std::uint64_t left_of_message = 0;  ///< bytes to come of the message that is passing through
    // Clients only:
    std::string wait_reason;                      ///< what it waits for; "" = it does not
    bool is_busy = false;                         ///< something it has asked is not answered
    std::int64_t transaction_time_unix_ms = 0;    ///< when its transaction began; 0 = none is open
    std::string statement;                        ///< it is running, as far as its text is kept
    std::map<std::string, std::string> settings;  ///< it has made, by lower-case name
};

/// One (database, user) pool summed over the threads. SHOW POOLS and weir_pool_*.
struct Pool {
    std::string database;
    std::string user;
    std::string mode;    ///< session, transaction, statement
    std::string member;  ///< the replica that is read from; "" = the primary, or the only server
    std::uint64_t clients_active = 0;
    std::uint64_t clients_idle =
        0;  ///< logged in, nothing under way; PgBouncer counts them as active
    std::uint64_t clients_waiting = 0;
    std::uint64_t application_waiting = 0;  ///< of these, because of pool.application_max
    std::uint64_t clients_active_cancel = 0;
    std::uint64_t clients_waiting_cancel = 0;
    std::uint64_t backends_active = 0;
    std::uint64_t backends_active_cancel = 0;
    std::uint64_t backends_being_canceled = 0;
    std::uint64_t backends_idle = 0;
    std::uint64_t backends_used = 0;    ///< being cleaned after a client left
    std::uint64_t backends_tested = 0;  ///< being checked before use
    std::uint64_t backends_login = 0;
    std::uint64_t size_max = 0;
    std::uint64_t size_min = 0;
    std::uint64_t reserve = 0;
    std::uint64_t application_max = 0;
    std::uint64_t open = 0;  ///< backends that count against max
    std::int64_t longest_wait_us = 0;
    // Since the start:
    std::uint64_t assignments = 0;  ///< leases given out
    std::uint64_t transactions = 0;
    std::uint64_t statements = 0;
    std::uint64_t bytes_received = 0;  ///< from clients
    std::uint64_t bytes_sent = 0;      ///< to clients
    std::uint64_t transaction_us = 0;
    std::uint64_t statement_us = 0;
    std::uint64_t wait_us = 0;
    std::uint64_t client_parses = 0;
    std::uint64_t backend_parses = 0;
    std::uint64_t binds = 0;
    std::uint64_t logins = 0;
    std::uint64_t failures = 0;  ///< statements that lost their server or met its troubles
    std::array<std::uint64_t, 10> events{};  ///< indexed by PoolEvent
    std::array<std::uint64_t, DurationHistogram::kBuckets> wait_buckets{};
    std::uint64_t wait_sum_us = 0;

    /// Counts in what another worker, or the pool of another member, has: all but the sizes of the
    /// configuration and what is open.
    void add(const Pool& other);
};

/// The ten events of weir_pool_events_total, in the order of the contract.
enum class PoolEvent : std::uint8_t {
    AcquireRequest,
    AcquireSuccess,
    AcquireFail,
    Release,
    CreateRequest,
    CreateSuccess,
    CreateFail,
    DestroyRequest,
    DestroySuccess,
    Error,
};

/// A [database.NAME] or one that the wildcard served.
struct Database {
    std::string name;
    std::string host;  ///< a unix socket's folder, or a host
    int port = 0;
    std::string dbname;
    std::string force_user;
    std::uint64_t pool_size = 0;
    std::uint64_t min_pool_size = 0;
    std::uint64_t reserve = 0;
    std::string mode;
    std::int64_t max_lifetime_s = 0;
    std::uint64_t connections = 0;         ///< backends open now
    std::uint64_t client_connections = 0;  ///< clients logged in now
    std::uint64_t max_client_connections = 0;
    bool is_paused = false;
    bool is_disabled = false;
};

/// One PostgreSQL of a cluster that has several, as it was last seen. SHOW MEMBERS.
struct Member {
    std::string cluster;
    std::string name;         ///< its address as configured
    std::string role;         ///< unknown, primary, replica, split_brain
    bool is_up = false;       ///< its last probe was answered
    bool is_primary = false;  ///< writes go there now
    bool is_read = false;     ///< a replica that is near enough to be read from
    std::int64_t weight = 1;
    std::string position;          ///< in the WAL: written by a primary, replayed by a replica
    std::int64_t lag_bytes = -1;   ///< of a replica; -1 = not known
    std::int64_t lag_us = -1;      ///< the same, as time
    std::string problem;           ///< why it is not up
    std::uint64_t leased = 0;      ///< server connections for reads that clients have or wait for
    std::uint64_t latency_us = 0;  ///< of the reads it answers, smoothed; 0 = none yet
    // Its circuit breaker:
    std::string breaker;  ///< closed, half-open, open
    std::int64_t breaker_number = 0;
    std::int64_t retry_in_us = -1;  ///< until it is tried again; -1 = it is not refused
    std::uint64_t successes = 0;    ///< calls, since the start
    std::uint64_t failures = 0;
    std::uint64_t slow = 0;
    std::uint64_t rejected = 0;
    std::uint64_t trips = 0;
};

/// An [[alert]], as it was when it was last looked at. SHOW ALERTS and weir_alert….
struct Alert {
    std::string name;
    std::string when;
    std::string state;            ///< quiet, pending, firing
    std::string object;           ///< the pool or member it is about; "" = Weir itself, or none
    std::optional<double> value;  ///< of that; shares 0..1, times in seconds
    double threshold = 0;
    std::int64_t since_unix_ms = 0;  ///< the condition is met, or was the last time; 0 = never
    std::uint64_t fired = 0;         ///< how often, since it was configured
    std::string webhook;             ///< the host it is told to; "" = none
    std::string webhook_outcome;     ///< of the last message; "" = there was none
};

/// What became of the messages of alerts.
struct WebhookCounts {
    std::uint64_t delivered = 0;
    std::uint64_t failed = 0;   ///< after the last try
    std::uint64_t dropped = 0;  ///< because too many waited
};

/// A job of maintenance. SHOW JOBS and weir_job_…. Times are ms since 1970; 0 = never.
struct Job {
    std::string name = {};  ///< "partition public.events"
    std::string kind = {};  ///< its first word
    std::string schedule = {};
    std::string state =
        {};  ///< idle, running, held, standby, waiting, unreachable, failing, parked
    std::int64_t next_unix_ms = 0;  ///< when it is due
    // Of the run under way:
    std::string phase = {};
    std::string unit = {};  ///< what is counted
    std::int64_t done = 0;
    std::int64_t total = 0;                   ///< 0 = not known
    std::optional<double> per_second = {};    ///< of this phase
    std::optional<std::int64_t> left_s = {};  ///< of this phase
    // Of the last run that has ended:
    std::int64_t began_unix_ms = 0;
    std::int64_t ended_unix_ms = 0;
    std::string outcome = {};  ///< done, later, skipped, failed, elsewhere; "" = there was none
    std::int64_t rows = 0;
    std::string message = {};  ///< what it said, or why it does not run
    // Since the start:
    std::map<std::string, std::uint64_t> runs = {};  ///< by outcome
    std::uint64_t rows_total = 0;
    std::uint64_t failures = 0;  ///< in a row
    std::int64_t success_unix_ms = 0;
};

/// A table of a [[partition]], as it was last looked at. SHOW PARTITIONS and weir_partition_….
struct Partitioned {
    std::string table;
    std::string state;  ///< fine, gaps, full, unknown
    std::uint64_t partitions = 0;
    /// From now to where the partitions end that follow one another; none for integer keys, and
    /// where it is not known; infinite where the last has no end.
    std::optional<double> horizon_s = {};
    std::optional<std::int64_t> horizon_ids = {};   ///< the same for integer keys
    std::optional<std::int64_t> default_rows = {};  ///< of its DEFAULT partition
    std::uint64_t gaps = 0;
    std::uint64_t pending = 0;  ///< half detached
    std::string first = {};     ///< where the first partition begins
    std::string last = {};      ///< where the last one ends
    std::string problem = {};   ///< why nothing is known
};

/// Where clients connect.
struct Listener {
    int fd = -1;
    std::string address;  ///< numeric, or a socket's file
    int port = 0;
};

/// One kind of object and the memory they take.
struct MemoryUse {
    std::string name;
    std::uint64_t size = 0;  ///< bytes of one
    std::uint64_t used = 0;  ///< how many there are
};

/// What is tried once more.
enum class RetryKind : std::uint8_t {
    Connect,      ///< no request: a server could not be logged in to
    Replica,      ///< a replica has refused what the primary may do
    Statement,    ///< a read has lost its server before the first row
    Transaction,  ///< one of a single statement was rolled back
    Partition,    ///< a row had no partition, and one was made
};

enum class RetryOutcome : std::uint8_t { Attempt, Success, Failure };

inline constexpr std::size_t kRetryKinds = 5;
inline constexpr std::size_t kRetryOutcomes = 3;

/// @return the words of the metric's labels
[[nodiscard]] constexpr std::string_view name_of(RetryKind kind) {
    constexpr std::array<std::string_view, kRetryKinds> kNames = {
        "connect", "replica", "statement", "transaction", "partition"};
    return kNames[static_cast<std::size_t>(kind)];
}

[[nodiscard]] constexpr std::string_view name_of(RetryOutcome outcome) {
    constexpr std::array<std::string_view, kRetryOutcomes> kNames = {
        "attempt", "success", "failure"};
    return kNames[static_cast<std::size_t>(outcome)];
}

/// Process-wide counters that are not a pool's. Histograms are in DurationHistogram's buckets.
struct Totals {
    std::map<std::string, std::uint64_t> clients_by_state;  ///< weir_clients{state}
    std::uint64_t client_connections = 0;                   ///< accepted since the start
    std::map<std::string, std::uint64_t>
        logins_failed_by_reason;  ///< weir_client_logins_failed_total{reason}
    std::map<std::string, std::uint64_t>
        statements_by_kind;  ///< simple, extended, function_call, copy
    std::map<std::string, std::uint64_t>
        errors_by_class;  ///< SQLSTATE class of ErrorResponses to clients
    std::uint64_t bytes_from_clients = 0;
    std::uint64_t bytes_to_clients = 0;
    std::uint64_t bytes_from_backends = 0;
    std::uint64_t bytes_to_backends = 0;
    std::uint64_t cancels = 0;
    std::uint64_t statement_timeouts = 0;
    std::uint64_t row_limit_hits = 0;
    std::uint64_t slow_statements = 0;
    std::uint64_t rows = 0;
    std::uint64_t refused_statements = 0;
    std::array<std::array<std::uint64_t, kRetryOutcomes>, kRetryKinds> retries{};
    std::map<std::string, std::uint64_t> pins_by_reason;
    std::uint64_t pinned_clients = 0;
    std::array<std::uint64_t, DurationHistogram::kBuckets> statement_buckets{};
    std::uint64_t statement_sum_us = 0;
    std::array<std::uint64_t, DurationHistogram::kBuckets> transaction_buckets{};
    std::uint64_t transaction_sum_us = 0;
    std::array<std::uint64_t, DurationHistogram::kBuckets>
        backend_buckets{};  ///< weir_server_seconds
    std::uint64_t backend_sum_us = 0;
};

enum class RedisState : std::uint8_t {
    Off,
    Down,  ///< or it is not known yet what others have written: nothing kept is served
    Up,
};

/// @return the word for it
[[nodiscard]] std::string_view name_of(RedisState state);

/// Reads whose results may be reused because somebody has said so. SHOW CACHE_RULES.
struct CacheRule {
    std::string source;      ///< "rule 3", "default_ttl", "hint"
    std::uint64_t hits = 0;  ///< answered without the server, in whichever way
    std::uint64_t misses = 0;
    std::uint64_t saved_us = 0;
    bool is_in_force = false;  ///< it says so of what is asked from now on

    /// Counts in what another worker has of it.
    void add(const CacheRule& other);

    bool operator==(const CacheRule&) const = default;
};

/// The results kept for reuse: sums since the start, and what there is now. SHOW CACHE.
struct Cache {
    bool enabled = false;
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;     ///< read from the server, for the cache
    std::uint64_t bypassed = 0;   ///< read from the server without it
    std::uint64_t stale = 0;      ///< past their time, while another client renewed them
    std::uint64_t coalesced = 0;  ///< waited for another client's read
    std::uint64_t evictions = 0;  ///< made room
    std::uint64_t drops = 0;      ///< by writes and orders
    std::uint64_t expired = 0;
    std::uint64_t not_kept = 0;  ///< a write made them old while they were read, or too large
    std::uint64_t skipped = 0;   ///< of the misses: keeping that statement's results does not pay
    std::uint64_t saved_us = 0;  ///< of the server's time
    std::uint64_t bytes = 0;
    std::uint64_t entries = 0;
    std::uint64_t max_bytes = 0;
    std::uint64_t max_entries = 0;
    RedisState redis = RedisState::Off;
    std::uint64_t redis_hits = 0;                            ///< of those above
    std::uint64_t redis_misses = 0;                          ///< Redis had nothing that may be used
    std::uint64_t redis_stored = 0;                          ///< results
    std::uint64_t redis_late = 0;                            ///< writes that others learn of later
    std::map<std::string, std::uint64_t> redis_errors = {};  ///< by their kind
    /// Since the start, or since the rules have changed.
    std::vector<CacheRule> rules = {};
    std::uint64_t rules_version = 0;  ///< counts how often they have changed

    /// @return all of them
    [[nodiscard]] std::uint64_t redis_error_count() const;

    /// @return requests that the server had nothing to do for
    [[nodiscard]] std::uint64_t answered() const { return hits + stale + coalesced; }

    bool operator==(const Cache&) const = default;
};

struct Snapshot {
    std::vector<Connection> clients;
    std::vector<Connection> backends;
    std::vector<Pool> pools;
    std::vector<Database> databases;
    std::vector<Member> members;
    std::vector<Alert> alerts;
    WebhookCounts webhooks;
    std::vector<Job> jobs;
    std::vector<Partitioned> partitioned;
    Totals totals;
    Cache cache;
    std::uint64_t users = 0;  ///< known to the configuration
    std::uint64_t workers = 0;
    std::uint64_t clients_max = 0;  ///< listen.max_clients
    std::vector<Listener> listeners;
    std::vector<MemoryUse> memory;
    bool paused = false;     ///< all databases
    bool suspended = false;  ///< all traffic
    bool draining = false;
    std::vector<std::string>
        not_ready;  ///< databases without a usable pool, each "name: why"; empty = ready
};

enum class Detail : std::uint8_t {
    Pools,        ///< no rows per connection
    Connections,  ///< also clients and backends
};

/// Where the admin side asks. Implemented by the proxy.
class StatusSource {
public:
    StatusSource() = default;
    StatusSource(const StatusSource&) = delete;
    StatusSource& operator=(const StatusSource&) = delete;
    StatusSource(StatusSource&&) = delete;
    StatusSource& operator=(StatusSource&&) = delete;
    virtual ~StatusSource() = default;

    /// Gathers a snapshot from every event loop.
    ///
    /// @param done runs once, on some event loop's thread, after every loop has answered; must be
    /// quick. When the process
    ///        ends first it is dropped uncalled, so a caller that waits needs a deadline.
    /// @thread any
    virtual void collect(Detail detail, std::function<void(Snapshot)> done) = 0;
};

}  // namespace weir::status
