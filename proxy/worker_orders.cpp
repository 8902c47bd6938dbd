// The part of Worker that does what operators order.

#include "proxy/worker.hpp"

#include <utility>

namespace weir::proxy {

void Worker::obey(HoldsPtr holds) {
    const HoldsPtr before = std::exchange(holds_, std::move(holds));
    const bool is_reconnecting = before->reconnects_of_all != holds_->reconnects_of_all ||
                                 before->reconnects != holds_->reconnects;
    if (is_reconnecting) {
        renew_plans();
    }
    pools_->for_each([this](pool::Pool& pool) { pool.hold(holds_->of(pool.key().database)); });
    if (before->is_suspended != holds_->is_suspended) {
        tell_sessions([](ClientSession& session) { session.suspend_or_resume(); });
    }
}

void Worker::kill(const std::string& database) {
    const auto is_meant = [&database](const pool::Pool& pool) {
        return database.empty() || pool.key().database == database;
    };
    tell_sessions([&is_meant](ClientSession& session) {
        if (session.pool() != nullptr && is_meant(*session.pool())) {
            session.fatal(sqlstate::kAdminShutdown, "admin forced disconnect");
        }
    });
    pools_->for_each([&is_meant](pool::Pool& pool) {
        if (is_meant(pool)) {
            pool.close_all();
        }
    });
}

bool Worker::kill_client(std::uint64_t id) {
    bool was_there = false;
    tell_sessions([&was_there, id](ClientSession& session) {
        if (session.id() == id) {
            was_there = true;
            session.fatal(sqlstate::kAdminShutdown, "admin forced disconnect");
        }
    });
    return was_there;
}

void Worker::end_pause(std::uint64_t client) {
    tell_sessions([client](ClientSession& session) {
        if (session.id() == client) {
            session.end_pause();
        }
    });
}

std::size_t Worker::stale_backends(const std::string& database) {
    std::size_t count = 0;
    pools_->for_each([&](pool::Pool& pool) {
        if (database.empty() || pool.key().database == database) {
            count += pool.stale_count();
        }
    });
    return count;
}

bool Worker::is_flushed() {
    bool is_flushed = true;
    sessions_.for_each(
        [&is_flushed](ClientSession& session) { is_flushed = is_flushed && session.is_flushed(); });
    pools_->for_each(
        [&is_flushed](pool::Pool& pool) { is_flushed = is_flushed && pool.is_flushed(); });
    return is_flushed;
}

void Worker::drop_unflushed() {
    tell_sessions([](ClientSession& session) {
        if (!session.is_flushed()) {
            session.drop();
        }
    });
    pools_->for_each([](pool::Pool& pool) { pool.drop_unflushed(); });
}

}  // namespace weir::proxy
