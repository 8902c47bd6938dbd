#include "proxy/worker.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/random.hpp"
#include "ledger/ledger.hpp"
#include "net/socket.hpp"
#include "proxy/cancel_key.hpp"

#include <algorithm>
#include <future>
#include <utility>

namespace weir::proxy {

namespace {

constexpr std::chrono::seconds kSweepEvery{10};
/// What the ledger is given of sums.
constexpr std::chrono::seconds kHandOverEvery{1};
/// A cancel key's process id: six bits of worker, one that no server's has, 24 random ones;
/// positive, as PostgreSQL's are.
constexpr std::uint32_t kOwnPidBit = 1U << 24U;
constexpr unsigned kRandomPidBits = 25;
constexpr std::uint32_t kRandomPidMask = (1U << kRandomPidBits) - 1;

/// The loops of all workers end together: whoever posts is one of them.
class LoopMailbox final : public cache::Mailbox {
public:
    explicit LoopMailbox(net::EventLoop& loop) : loop_{loop} {}

    void post(std::function<void()> message) override { loop_.post(std::move(message)); }

private:
    net::EventLoop& loop_;
};

}  // namespace

Worker::Worker(Shared& shared, unsigned index, conf::ConfigPtr config)
    : shared_{shared},
      index_{index},
      config_{std::move(config)},
      tls_{std::atomic_load(&shared.tls)},
      desk_{shared.ledger == nullptr ? nullptr : &shared.ledger->recorder(index)} {
    auth_cache_.mock_secret = shared_.mock_secret;
    std::promise<void> started;
    std::future<void> ready = started.get_future();
    thread_ = std::thread{[this, &started] { run(started); }};
    ready.wait();
}

Worker::~Worker() {
    thread_.join();
}

void Worker::run(std::promise<void>& started) {
    net::EventLoop loop;
    loop_ = &loop;
    mailbox_ = std::make_shared<LoopMailbox>(loop);
    pools_ = std::make_unique<pool::PoolSet>(pool::Pool::Environment{loop,
                                                                     shared_.background,
                                                                     settings_,
                                                                     statements_,
                                                                     counters_,
                                                                     shared_.budgets,
                                                                     shared_.shared_databases,
                                                                     *this,
                                                                     index_});
    user_lookups_ = std::make_unique<UserLookups>(*this);
    slow_plans_ = std::make_unique<SlowPlans>(*this);
    warm_up_ = std::make_unique<WarmUp>(*this);
    desk_.renew(*config_);
    cache_counts_.renew(config_);
    renew_priorities();
    static_cast<void>(renew_shared_results());
    loop.set_deadline(sweep_, Clock::now() + kSweepEvery);
    if (desk_.recorder() != nullptr) {
        loop.set_deadline(hand_over_, Clock::now() + kHandOverEvery);
    }
    started.set_value();
    loop.run();
    warm_up_.reset();  // what was posted last comes after it
    while (ClientSession* session = sessions_.front()) {
        session->fatal(sqlstate::kAdminShutdown, "server shutting down");
        session->close();  // its last words may not all have fit: there is no more time for them
    }
    loop.run_pending();
    slow_plans_.reset();
    user_lookups_.reset();
    pools_.reset();
    sweep_.clear();
    hand_over_.clear();
    loop.run_pending();
    shared_results_.reset();  // it has been told what became of the last writes
    loop.run_pending();
    shared_.all_stopped->arrive_and_wait();
}

void Worker::on_deadline(net::Deadline& deadline) {
    if (&deadline == &hand_over_) {
        wall_clock_.ask();
        desk_.recorder()->hand_over();
        loop_->set_deadline(hand_over_, loop_->now() + kHandOverEvery);
        return;
    }
    sweep_pools();
    loop_->set_deadline(sweep_, loop_->now() + kSweepEvery);
}

void Worker::post(std::function<void(Worker&)> task) {
    loop_->post([this, task = std::move(task)] {
        if (pools_ != nullptr) {  // else the end has come, and there is nothing left to do it with
            task(*this);
        }
    });
}

void Worker::add_client(net::Fd fd) {
    load_.fetch_add(1, std::memory_order_relaxed);
    auto shared_fd = std::make_shared<net::Fd>(std::move(fd));
    post([shared_fd](Worker& worker) { worker.add_client_here(std::move(*shared_fd)); });
}

void Worker::apply(conf::ConfigPtr config) {
    post([config = std::move(config)](Worker& worker) {
        worker.config_ = config;
        const auto replaced = worker.renew_shared_results();
        worker.read_pools_.clear();
        worker.desk_.renew(*worker.config_);
        worker.cache_counts_.renew(worker.config_);
        worker.renew_priorities();
        worker.tls_ = std::atomic_load(&worker.shared_.tls);
        worker.renew_plans();
        worker.tell_sessions([](ClientSession& session) { session.refresh(); });
        if (replaced != nullptr) {  // whoever waits for its answer goes on without
            worker.tell_sessions([](ClientSession& session) { ClientCache::end_look_up(session); });
        }
    });
}

void Worker::on_server_trouble(const pool::PoolKey& key) {
    const conf::DatabaseSettings* database = config_->find_database(key.database);
    if (database == nullptr || shared_.on_server_trouble == nullptr) {
        return;
    }
    if (const auto& cluster = config_->cluster_of(*database); cluster.members.size() > 1) {
        shared_.on_server_trouble(cluster.name);
    }
}

void Worker::drain(DrainKind kind) {
    post([kind](Worker& worker) {
        worker.drain_kind_ = kind;
        worker.tells_when_empty_ = true;
        if (worker.warm_up_ != nullptr) {
            worker.warm_up_->stop();
        }
        worker.tell_sessions([](ClientSession& session) { session.drain(); });
        worker.check_drained();
    });
}

/// Telling one session may close others: the backend it gives back goes to one that waits, which
/// may say goodbye. They all stay in memory until a later turn.
void Worker::tell_sessions(const std::function<void(ClientSession&)>& tell) {
    std::vector<ClientSession*> told;
    told.reserve(sessions_.size());
    sessions_.for_each([&told](ClientSession& session) { told.push_back(&session); });
    for (ClientSession* session : told) {
        if (session->state() != ClientState::Closed) {
            tell(*session);
        }
    }
}

void Worker::check_drained() const {
    if (tells_when_empty_ && load() == consoles() && shared_.on_worker_empty) {
        shared_.on_worker_empty();
    }
}

void Worker::tell_when_empty() {
    post([](Worker& worker) {
        worker.tells_when_empty_ = true;
        if (worker.warm_up_ != nullptr) {
            worker.warm_up_->stop();
        }
        worker.check_drained();
    });
}

void Worker::add_client_here(net::Fd fd) {
    if (is_draining()) {
        load_.fetch_sub(1, std::memory_order_relaxed);
        check_drained();
        return;
    }
    ++client_connections_;
    net::tune(fd.get(), tcp_options_of(config_->listen));
    auto session =
        std::make_unique<ClientSession>(*this, std::move(fd), shared_.next_id.fetch_add(1));
    sessions_.push_back(*session.release());  // the list owns it from here; remove() takes it back
}

void Worker::note_error(const ClientSession& session, const protocol::ErrorFields& error) {
    counters_.errors.add(error.sqlstate);
    if (!config_->log.pooler_errors || !session.is_logged_in()) {
        return;  // a login that fails has a line of its own
    }
    if (const std::int64_t held_back = error_lines_.admit(); held_back >= 0) {
        log::info("client_error",
                  {{"client", session.id()},
                   {"user", session.user()},
                   {"sqlstate", error.sqlstate.text()},
                   {"message", error.message},
                   {"held_back", held_back}});
    }
}

void Worker::remove(ClientSession& session) {
    WEIR_ASSERT(
        session.ListNode<ClientSession>::is_linked());  // once only: from here on the loop owns it
    session.unlink_from_worker();
    if (OwnSession* own = session.own(); own != nullptr) {
        own->session = nullptr;
    } else {
        load_.fetch_sub(1, std::memory_order_relaxed);
    }
    if (session.is_console()) {
        consoles_.fetch_sub(1, std::memory_order_relaxed);
    }
    loop_->defer_delete(std::unique_ptr<ClientSession>{&session});
    check_drained();
}

void Worker::sweep_pools() {
    if (pools_ != nullptr) {
        read_pools_.clear();  // they are among those that may go
        pools_->sweep();
    }
}

pool::Pool& Worker::pool_for(const pool::PoolKey& key, const std::string& replication) {
    if (pool::Pool* known = pools_->find(key); known != nullptr) {
        return *known;
    }
    pool::Pool& made = pools_->find_or_add(key, plan_for(key, replication));
    made.hold(holds_->of(key.database));
    return made;
}

std::uint32_t Worker::register_cancel_key(ClientSession& session) {
    for (;;) {
        const std::uint32_t process_id =
            (index_ << kRandomPidBits) | kOwnPidBit | (random_u32() & kRandomPidMask);
        if (!cancel_keys_.contains(process_id)) {
            cancel_keys_.emplace(process_id, &session);
            return process_id;
        }
    }
}

void Worker::register_cancel_key(ClientSession& session, std::uint32_t process_id) {
    cancel_keys_.emplace(process_id, &session);
}

void Worker::forget_cancel_key(std::uint32_t process_id, const ClientSession& session) {
    const auto [first, last] = cancel_keys_.equal_range(process_id);
    const auto mine =
        std::find_if(first, last, [&](const auto& key) { return key.second == &session; });
    if (mine != last) {
        cancel_keys_.erase(mine);
    }
}

std::vector<std::byte> Worker::cancel_secret(const ClientSession& session) const {
    return secret_of(session.cancel_key(), shared_.cancel_secret);
}

/// Our own process ids say which worker is meant; a server's may be any worker's, so each is asked
/// in turn.
void Worker::route_cancel(std::uint32_t process_id,
                          std::vector<std::byte> secret,
                          std::function<void()> on_done) {
    const bool is_own = (process_id & kOwnPidBit) != 0;
    auto request = std::make_shared<CancelRequest>();
    request->process_id = process_id;
    request->secret = std::move(secret);
    request->next = is_own ? process_id >> kRandomPidBits : 0;
    request->end = is_own ? request->next + 1 : shared_.workers.size();
    request->on_done = [this, on_done = std::move(on_done)] { loop_->post(on_done); };
    ask_next(shared_, request);
}

void Worker::ask_next(Shared& shared, const std::shared_ptr<CancelRequest>& request) {
    if (request->next >= request->end || request->next >= shared.workers.size()) {
        log::info("cancel_refused", {{"pid", request->process_id}});
        request->on_done();
        return;
    }
    shared.workers[request->next++]->post([&shared, request](Worker& worker) {
        if (!worker.cancel_here(request->process_id, request->secret, request->on_done)) {
            ask_next(shared, request);
        }
    });
}

/// @return whether a session here has this key; then `on_done` runs once its work is done
bool Worker::cancel_here(std::uint32_t process_id,
                         const std::vector<std::byte>& secret,
                         const std::function<void()>& on_done) {
    const auto [first, last] = cancel_keys_.equal_range(process_id);
    const auto found = std::find_if(first, last, [&](const auto& key) {
        return is_secret_of(key.second->cancel_key(), shared_.cancel_secret, secret);
    });
    if (found == last) {
        return false;
    }
    found->second->cancel(on_done);
    return true;
}

unsigned Worker::worker_count() const {
    return static_cast<unsigned>(shared_.workers.size());
}

void Worker::post_to_pool(unsigned worker,
                          const pool::PoolKey& key,
                          std::function<void(pool::Pool&)> task) {
    shared_.workers[worker]->post([key, task = std::move(task)](Worker& target) {
        // A database that is configured no longer is still served to the clients it has.
        if (pool::Pool* known = target.pools_->find(key); known != nullptr) {
            task(*known);
        } else if (target.config().find_database(key.database) != nullptr) {
            task(target.pool_for(key, {}));
        }
    });
}

bool Worker::make_room(const pool::Pool& asking) {
    if (pools_->make_room(asking)) {
        return true;
    }
    for (const auto& worker : shared_.workers) {
        if (worker.get() != this) {
            worker->post([key = asking.key()](Worker& target) { target.make_room_here(key); });
        }
    }
    return false;
}

void Worker::make_room_here(const pool::PoolKey& asking) {
    if (const pool::Pool* pool = pools_->find(asking); pool != nullptr) {
        static_cast<void>(pools_->make_room(*pool));
    }
}

void Worker::add_to(status::Snapshot& snapshot, status::Detail detail) {
    const PoolRows rows = add_pools_to(snapshot, detail);
    add_sessions_to(snapshot, detail, rows);
    snapshot.totals.client_connections += client_connections_;
    for (const auto& [reason, count] : failed_logins_) {
        snapshot.totals.logins_failed_by_reason[reason] += count;
    }
    add_counters_to(snapshot.totals);
    cache_counts_.add_to(snapshot.cache);
    snapshot.draining = snapshot.draining || is_draining();
}

Worker::PoolRows Worker::add_pools_to(status::Snapshot& snapshot, status::Detail detail) {
    const TimePoint now = Clock::now();
    PoolRows rows;
    pools_->for_each([&](pool::Pool& pool) {
        status::Pool row;
        row.database = pool.key().database;
        row.user = pool.key().user;
        row.member = pool.key().member;
        const conf::PoolSettings& settings = pool.plan().settings;
        row.mode = conf::name_of(settings.mode);
        row.size_max = settings.max;
        row.size_min = settings.min;
        row.reserve = settings.reserve;
        row.application_max = settings.application_max;
        pool.add_to(row, now);
        // Without a replica the primary serves.
        if (const std::string why = pool.failure_text();
            !why.empty() && row.open == 0 && row.member.empty()) {
            snapshot.not_ready.push_back(row.database + ": " + why);
        }
        rows[&pool] = snapshot.pools.size();
        snapshot.pools.push_back(std::move(row));
        if (detail == status::Detail::Connections) {
            pool.for_each_backend([&](const pool::Backend& backend) {
                snapshot.backends.push_back(describe(pool, backend, now));
            });
        }
    });
    return rows;
}

void Worker::add_sessions_to(status::Snapshot& snapshot,
                             status::Detail detail,
                             const PoolRows& rows) {
    const TimePoint now = Clock::now();
    for (const std::string_view label : kClientLabels) {
        snapshot.totals.clients_by_state.try_emplace(std::string{label}, 0);
    }
    sessions_.for_each([&](ClientSession& session) {
        ++snapshot.totals.clients_by_state[std::string{label_of(session.state())}];
        snapshot.totals.pinned_clients += session.is_pinned() ? 1U : 0U;
        if (const auto row = rows.find(session.pool());
            row != rows.end() && session.state() != ClientState::Waiting) {
            ++(session.state() == ClientState::Active || session.state() == ClientState::Preparing
                   ? snapshot.pools[row->second].clients_active
                   : snapshot.pools[row->second].clients_idle);
        }
        if (detail == status::Detail::Connections) {
            snapshot.clients.push_back(session.describe(now));
        }
    });
}

status::Connection Worker::describe(const pool::Pool& pool,
                                    const pool::Backend& backend,
                                    TimePoint now) const {
    status::Connection row;
    row.id = backend.id();
    row.user = pool.key().user;
    row.database = pool.key().database;
    row.replication = !pool.key().replication.empty();
    row.state = std::string{pool::name_of(backend.state())};
    const net::SocketName peer = net::peer_name(backend.fd());
    const net::SocketName local = net::local_name(backend.fd());
    row.address = peer.address;
    row.port = peer.port;
    row.local_address = local.address;
    row.local_port = local.port;
    if (const net::TlsChannel* tls = backend.tls(); tls != nullptr && tls->is_ready()) {
        row.tls = tls->description();
    }
    row.connect_time_unix_ms = unix_ms(backend.opened_at(), now);
    row.request_time_unix_ms = unix_ms(std::max(backend.busy_since(), backend.opened_at()), now);
    row.link_id = backend.holder() != nullptr ? backend.holder()->client_id() : 0;
    row.remote_pid = static_cast<std::int64_t>(backend.process_id());
    if (backend.applied() != nullptr) {
        if (const auto name = backend.applied()->find("application_name");
            name != backend.applied()->end()) {
            row.application_name = name->second;
        }
    }
    row.prepared_statements = backend.statement_count();
    row.close_needed = pool.is_stale(backend) || now >= backend.retire_at();
    row.fd = backend.fd();
    row.unread = backend.unread();
    row.unsent = backend.unsent();
    row.left_of_message = backend.left_of_frame();
    if (backend.applied() != nullptr) {
        row.settings = {backend.applied()->begin(), backend.applied()->end()};
    }
    row.worker = static_cast<int>(index_);
    return row;
}

void Worker::add_counters_to(status::Totals& totals) const {
    totals.statements_by_kind["simple"] += counters_.simple_statements.value();
    totals.statements_by_kind["extended"] += counters_.extended_statements.value();
    totals.statements_by_kind["function_call"] += counters_.function_calls.value();
    totals.statements_by_kind["copy"] += counters_.copies.value();
    counters_.errors.add_to(totals.errors_by_class);
    totals.bytes_from_clients += counters_.bytes_from_clients.value();
    totals.bytes_to_clients += counters_.bytes_to_clients.value();
    totals.bytes_from_backends += counters_.bytes_from_backends.value();
    totals.bytes_to_backends += counters_.bytes_to_backends.value();
    totals.cancels += counters_.cancels.value();
    totals.statement_timeouts += counters_.statement_timeouts.value();
    totals.row_limit_hits += counters_.row_limit_hits.value();
    totals.slow_statements += counters_.slow_statements.value();
    totals.rows += counters_.rows.value();
    totals.refused_statements += counters_.refused_statements.value();
    for (std::size_t kind = 0; kind < pool::kRetryKinds; ++kind) {
        for (std::size_t outcome = 0; outcome < pool::kRetryOutcomes; ++outcome) {
            totals.retries[kind][outcome] += counters_.retries[kind][outcome].value();
        }
    }
    for (std::size_t i = 0; i < kSessionEffects; ++i) {
        totals.pins_by_reason[std::string{name_of(static_cast<SessionEffect>(i))}] +=
            counters_.pins[i].value();
    }
    for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i) {
        totals.statement_buckets[i] += counters_.statement_time.bucket(i);
        totals.transaction_buckets[i] += counters_.transaction_time.bucket(i);
        totals.backend_buckets[i] += counters_.backend_time.bucket(i);
    }
    totals.statement_sum_us += counters_.statement_time.sum_us();
    totals.transaction_sum_us += counters_.transaction_time.sum_us();
    totals.backend_sum_us += counters_.backend_time.sum_us();
}

}  // namespace weir::proxy
