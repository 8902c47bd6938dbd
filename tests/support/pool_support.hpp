#pragma once

#include "base/status.hpp"
#include "net/background.hpp"
#include "net/event_loop.hpp"
#include "pool/pool.hpp"
#include "pool/pool_set.hpp"
#include "protocol/message_writer.hpp"
#include "tests/support/loop_support.hpp"
#include "tests/support/scripted_server.hpp"

#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// A pool on a real loop in front of a scripted server, and clients for it.
namespace weir::test {

/// Remembers what the pool and the backend tell it. Leaves as a client that vanishes.
class Borrower final : public pool::LeaseHolder {
public:
    explicit Borrower(net::EventLoop& loop, pool::Pool& pool) : loop_{loop}, pool_{pool} {}

    Borrower(const Borrower&) = delete;
    Borrower& operator=(const Borrower&) = delete;
    Borrower(Borrower&&) = delete;
    Borrower& operator=(Borrower&&) = delete;

    ~Borrower() {
        pool_.forget(*this);
        if (backend != nullptr) {
            abandon();
        }
    }

    void acquire() {
        loop_.refresh_now();
        pool_.acquire(*this);
    }

    void release() {
        loop_.refresh_now();
        pool_.release(*std::exchange(backend, nullptr));
    }

    void abandon(pool::Backend::Departure departure = pool::Backend::Departure::Vanished,
                 pool::Backend::Frame frame = pool::Backend::Frame::Whole) {
        loop_.refresh_now();
        pool_.abandon(*std::exchange(backend, nullptr), frame, departure);
    }

    /// Sends one message, or what there is of it.
    void send(FrontendMessage type, std::string_view bytes) const {
        backend->will_send(type);
        net::WriteBatch batch;
        batch.add(as_bytes(bytes));
        backend->send(batch);
    }

    void query(std::string_view sql) const {
        send(FrontendMessage::Query,
             said([&](ByteWriter& writer) { protocol::write_query(writer, sql); }));
    }

    [[nodiscard]] bool has_backend() const { return backend != nullptr; }

    [[nodiscard]] int priority() const override { return own_priority; }

    [[nodiscard]] std::string_view application() const override { return name; }

    void on_lease(pool::Backend& lent, Duration waited) override {
        backend = &lent;
        longest_wait = waited;
        ++leases;
        if (when_lent) {
            when_lent();
        }
    }

    void on_refused(const pool::LoginFailure& reason) override { refusals.push_back(reason); }

    void on_prepared() override { ++prepared; }

    void on_prepare_failed(const protocol::ErrorFields& reason) override {
        prepare_failures.push_back(reason);
    }

    void on_reply(const net::WriteBatch& batch) override {
        for (const iovec& part : batch.segments()) {
            replies.append(static_cast<const char*>(part.iov_base), part.iov_len);
        }
    }

    void on_reported(std::string_view lower_case_name, std::string_view value) override {
        reported.append(lower_case_name).append("=").append(value).append(";");
    }

    void on_noted(const protocol::NotedOutcome& /*outcome*/) override {}

    void on_progress() override { ++progress; }

    void on_refusal_due(ByteView /*error*/) override {}

    void on_statements_forgotten() override {}

    void on_reply_end() override {
        ++ends;
        if (releases_at_rest && backend->is_at_rest()) {
            release();
            if (when_released) {
                when_released();
            }
        }
    }

    void on_backend_drained() override { ++drained; }

    void on_backend_lost(const pool::BackendLoss& loss) override {
        backend = nullptr;
        losses.push_back(loss);
    }

    pool::Backend* backend = nullptr;
    int own_priority = 0;
    std::string name;  ///< of its application
    bool releases_at_rest = false;
    std::function<void()> when_lent;
    std::function<void()> when_released;  ///< after releases_at_rest
    Duration longest_wait{};
    int leases = 0;
    int prepared = 0;
    int ends = 0;
    int progress = 0;
    int drained = 0;
    std::string replies;
    std::string reported;
    std::vector<pool::LoginFailure> refusals;
    std::vector<protocol::ErrorFields> prepare_failures;
    std::vector<pool::BackendLoss> losses;

private:
    net::EventLoop& loop_;
    pool::Pool& pool_;
};

/// The pools of a process that has one worker.
class LonePeers final : public pool::Peers {
public:
    void post_to_pool(unsigned /*worker*/,
                      const pool::PoolKey& /*key*/,
                      std::function<void(pool::Pool&)> /*task*/) override {
        FAIL("there is nobody to post to");
    }

    [[nodiscard]] bool make_room(const pool::Pool& asking) override {
        return pools != nullptr && pools->make_room(asking);
    }

    void on_server_trouble(const pool::PoolKey& /*key*/) override {}

    [[nodiscard]] unsigned worker_count() const override { return 1; }

    [[nodiscard]] std::uint64_t next_id() override { return ++last_id_; }

    pool::PoolSet* pools = nullptr;

private:
    std::uint64_t last_id_ = 0;
};

/// Generous where a test says nothing: four backends, patience, no timeouts.
[[nodiscard]] inline pool::PoolPlan make_plan(const Endpoint& endpoint) {
    pool::PoolPlan plan;
    plan.settings.max = 4;
    plan.settings.acquire_timeout = kPatience;
    plan.settings.reset_query = "DISCARD ALL";
    plan.endpoint = endpoint;
    plan.dbname = "shop";
    plan.connect_timeout = kPatience;
    plan.connect_concurrency = 4;
    return plan;
}

struct PoolRig {
    using Adjust = std::function<void(pool::PoolPlan&)>;

    explicit PoolRig(const Adjust& adjust = nullptr)
        : server{loop, folder.file("s")}, plan{make_plan(server.endpoint())} {
        if (adjust) {
            adjust(plan);
        }
        peers.pools = &pools;
        pool = &pools.find_or_add({"shop", "ann", ""}, plan);
    }

    template <class Condition>
    [[nodiscard]] bool until(Condition&& holds) {
        return turn_until(loop, std::forward<Condition>(holds));
    }

    /// Turns the loop until the borrower has been lent a backend.
    [[nodiscard]] bool lend_to(Borrower& borrower) {
        borrower.acquire();
        return until([&] { return borrower.has_backend(); });
    }

    /// The connection of the borrower's backend.
    [[nodiscard]] ServerConnection& connection_of(const Borrower& borrower) {
        return server.at(borrower.backend->process_id());
    }

    /// Runs a statement and waits for its end.
    [[nodiscard]] bool ask(Borrower& borrower, std::string_view sql) {
        borrower.query(sql);
        return until(
            [&] { return borrower.backend == nullptr || borrower.backend->owed().empty(); });
    }

    [[nodiscard]] status::Pool row() {
        status::Pool row;
        pool->add_to(row, Clock::now());
        return row;
    }

    [[nodiscard]] std::uint64_t count_of(status::PoolEvent event) const {
        return pool->counters().events[static_cast<std::size_t>(event)].value();
    }

    void reload(const Adjust& adjust) {
        adjust(plan);
        loop.refresh_now();
        pool->apply(plan);
    }

    TemporaryFolder folder;
    net::EventLoop loop;
    net::BackgroundThread background;
    pool::SettingsTable settings;
    pool::StatementTable statements;
    pool::WorkerCounters counters;
    pool::BudgetRegistry budgets;
    pool::SharedDatabases shared_databases;
    LonePeers peers;
    ScriptedServer server;
    pool::PoolPlan plan;
    pool::PoolSet pools{
        {loop, background, settings, statements, counters, budgets, shared_databases, peers, 0}};
    pool::Pool* pool = nullptr;
};

}  // namespace weir::test
