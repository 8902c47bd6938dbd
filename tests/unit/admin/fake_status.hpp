#pragma once

#include "base/status.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace weir::test {

/// Answers with one snapshot: at once, or when the test says so.
class FakeStatus : public status::StatusSource {
public:
    enum class Mode : std::uint8_t { AtOnce, Held, Dropped };

    status::Snapshot snapshot;
    Mode mode = Mode::AtOnce;

    void collect(status::Detail detail, std::function<void(status::Snapshot)> done) override {
        const std::lock_guard lock{mutex_};
        asked_.push_back(detail);
        if (mode == Mode::AtOnce) {
            done(snapshot);
        } else if (mode == Mode::Held) {
            held_.push_back(std::move(done));
        }
    }

    /// Answers what was held, from the caller's thread.
    void answer_held() {
        std::vector<std::function<void(status::Snapshot)>> held;
        {
            const std::lock_guard lock{mutex_};
            held = std::exchange(held_, {});
        }
        for (const auto& done : held) {
            done(snapshot);
        }
    }

    [[nodiscard]] std::vector<status::Detail> asked() const {
        const std::lock_guard lock{mutex_};
        return asked_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<status::Detail> asked_;
    std::vector<std::function<void(status::Snapshot)>> held_;
};

inline status::Pool sample_pool(std::string database, std::string user) {
    status::Pool pool;
    pool.database = std::move(database);
    pool.user = std::move(user);
    pool.mode = "transaction";
    pool.clients_active = 3;
    pool.clients_idle = 4;
    pool.clients_waiting = 2;
    pool.clients_active_cancel = 1;
    pool.clients_waiting_cancel = 5;
    pool.backends_active = 6;
    pool.backends_active_cancel = 1;
    pool.backends_being_canceled = 2;
    pool.backends_idle = 7;
    pool.backends_used = 8;
    pool.backends_tested = 9;
    pool.backends_login = 10;
    pool.size_max = 30;
    pool.size_min = 10;
    pool.reserve = 5;
    pool.application_max = 3;
    pool.application_waiting = 1;
    pool.open = 12;
    pool.longest_wait_us = 2'500'000;
    pool.assignments = 100;
    pool.transactions = 101;
    pool.statements = 202;
    pool.bytes_received = 1000;
    pool.bytes_sent = 2000;
    pool.transaction_us = 30'300;
    pool.statement_us = 20'200;
    pool.wait_us = 5000;
    pool.client_parses = 11;
    pool.backend_parses = 12;
    pool.binds = 13;
    pool.logins = 14;
    for (std::size_t i = 0; i < pool.events.size(); ++i) {
        pool.events[i] = i + 1;
    }
    pool.wait_buckets[0] = 5;
    pool.wait_buckets[3] = 2;
    pool.wait_buckets.back() = 1;
    pool.wait_sum_us = 70'000'000;
    return pool;
}

inline status::Connection sample_connection(std::uint64_t id, std::uint64_t link) {
    status::Connection connection;
    connection.id = id;
    connection.link_id = link;
    connection.user = "app";
    connection.database = "shop";
    connection.state = "active";
    connection.address = "10.0.0.9";
    connection.port = 51000;
    connection.local_address = "10.0.0.1";
    connection.local_port = 6432;
    connection.connect_time_unix_ms = 1'700'000'000'000;
    connection.request_time_unix_ms = 1'700'000'061'500;
    connection.wait_us = 3'000'007;
    connection.application_name = "till";
    connection.worker = 1;
    return connection;
}

inline status::Database sample_database() {
    status::Database database;
    database.name = "shop";
    database.host = "10.0.0.2";
    database.port = 5432;
    database.dbname = "shop_live";
    database.force_user = "owner";
    database.pool_size = 30;
    database.min_pool_size = 10;
    database.reserve = 5;
    database.mode = "transaction";
    database.max_lifetime_s = 3600;
    database.connections = 12;
    database.client_connections = 9;
    database.max_client_connections = 0;
    return database;
}

/// A process with something in every field.
inline status::Snapshot sample_snapshot() {
    status::Snapshot snapshot;
    snapshot.clients = {sample_connection(255, 16)};
    snapshot.backends = {sample_connection(16, 255)};
    snapshot.backends[0].remote_pid = 4711;
    snapshot.backends[0].close_needed = true;
    snapshot.pools = {sample_pool("shop", "app"), sample_pool("shop", "report")};
    snapshot.databases = {sample_database()};
    status::Totals& totals = snapshot.totals;
    totals.clients_by_state = {{"active", 3}, {"idle", 4}, {"login", 2}, {"waiting", 2}};
    totals.client_connections = 50;
    totals.logins_failed_by_reason = {{"password", 6}};
    totals.statements_by_kind = {{"extended", 8}, {"simple", 7}};
    totals.errors_by_class = {{"22", 1}, {"42", 9}};
    totals.bytes_from_clients = 1000;
    totals.bytes_to_clients = 2000;
    totals.bytes_from_backends = 3000;
    totals.bytes_to_backends = 4000;
    totals.statement_timeouts = 5;
    totals.statement_buckets[1] = 3;
    totals.statement_sum_us = 300;
    totals.transaction_buckets[2] = 2;
    totals.transaction_sum_us = 400;
    totals.backend_buckets[0] = 4;
    totals.backend_sum_us = 128;
    snapshot.cache = {.enabled = true,
                      .hits = 70,
                      .misses = 20,
                      .bypassed = 3,
                      .stale = 6,
                      .coalesced = 4,
                      .evictions = 5,
                      .drops = 8,
                      .expired = 9,
                      .not_kept = 2,
                      .skipped = 13,
                      .saved_us = 1'250'000,
                      .bytes = 65'536,
                      .entries = 12,
                      .max_bytes = 1'048'576,
                      .max_entries = 1000,
                      .redis = status::RedisState::Up,
                      .redis_hits = 7,
                      .redis_misses = 11,
                      .redis_stored = 9,
                      .redis_late = 1,
                      .redis_errors = {{"timeout", 3}, {"closed", 2}},
                      .rules = {{.source = "default_ttl", .hits = 60, .misses = 20, .saved_us = 7},
                                {.source = "rule 2"}}};
    snapshot.alerts = {{.name = "full",
                        .when = "pool_usage > 0.8 for 1m",
                        .state = "firing",
                        .object = "shop/app",
                        .value = 0.9,
                        .threshold = 0.8,
                        .since_unix_ms = 1'700'000'000'000,
                        .fired = 2,
                        .webhook = "https://hooks.example.com",
                        .webhook_outcome = "delivered"},
                       {.name = "lag",
                        .when = "replication_lag > 5s",
                        .state = "quiet",
                        .object = "",
                        .value = {},
                        .threshold = 5,
                        .webhook = "",
                        .webhook_outcome = ""}};
    snapshot.webhooks = {.delivered = 3, .failed = 1, .dropped = 0};
    snapshot.jobs = {{.name = "aggregate public.hourly",
                      .kind = "aggregate",
                      .schedule = "every 1m",
                      .state = "running",
                      .next_unix_ms = 1'700'000'060'000,
                      .phase = "buckets",
                      .unit = "buckets",
                      .done = 3,
                      .total = 12,
                      .per_second = 1.5,
                      .left_s = 6,
                      .began_unix_ms = 1'700'000'000'000,
                      .ended_unix_ms = 1'700'000'001'000,
                      .outcome = "done",
                      .rows = 7,
                      .message = "7 rows",
                      .runs = {{"done", 4}, {"failed", 1}},
                      .rows_total = 28,
                      .failures = 0,
                      .success_unix_ms = 1'700'000'001'000},
                     {.name = "task sweep",
                      .kind = "task",
                      .schedule = "0 2 * * *",
                      .state = "idle",
                      .next_unix_ms = 1'700'013'600'000}};
    snapshot.partitioned = {{.table = "public.events",
                             .state = "gaps",
                             .partitions = 14,
                             .horizon_s = 1'472'800,
                             .default_rows = 5,
                             .gaps = 1,
                             .pending = 0,
                             .first = "2022-11-01 00:00:00+00",
                             .last = "2024-01-01 00:00:00+00"},
                            {.table = "public.numbers",
                             .state = "fine",
                             .partitions = 3,
                             .horizon_ids = 70'000,
                             .first = "0",
                             .last = "300000"}};
    snapshot.users = 3;
    snapshot.workers = 2;
    return snapshot;
}

}  // namespace weir::test
