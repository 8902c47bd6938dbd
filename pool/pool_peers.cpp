// The part of Pool that lends to and borrows from the pools of the other workers.

#include "pool/pool.hpp"

#include <utility>

namespace weir::pool {

namespace {

std::int64_t nanoseconds(TimePoint when) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
}

}  // namespace

/// A replication connection serves one client, which no other worker knows.
bool Pool::has_peers() const {
    return env_.peers.worker_count() > 1 && key_.replication.empty();
}

void Pool::announce() {
    if (has_peers()) {
        const LeaseHolder* first = waiters_.front();
        has_asked_ = has_asked_ && first != nullptr;
        budget_->announce_waiter(env_.worker,
                                 first == nullptr ? 0 : nanoseconds(first->waiting_since));
    }
}

/// Asks once while clients wait; who releases a backend later sees the announcement. (Asking at
/// every turn would have the workers answer each other without end.)
void Pool::ask_peers() {
    if (!has_peers() || std::exchange(has_asked_, true)) {
        return;
    }
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        if (worker != env_.worker) {
            env_.peers.post_to_pool(worker, key_, [borrower = env_.worker](Pool& pool) {
                pool.on_lend_request(borrower);
            });
        }
    }
}

void Pool::on_lend_request(unsigned borrower) {
    if (hold_ != Hold::None) {
        return;  // the borrower is held too, or about to be
    }
    if (Backend* backend = list(BackendState::Idle).front();
        backend != nullptr && waiters_.empty() && !backend->has_partial_frame()) {
        park_for(*backend, borrower);
        return;
    }
    if (plan_.settings.max != 0 && budget_->open() >= plan_.settings.max) {
        return;
    }
    env_.peers.post_to_pool(borrower, key_, [](Pool& pool) { pool.look_again(); });
}

bool Pool::hand_to_older_waiter(Backend& backend) {
    if (!has_peers() || backend.has_partial_frame()) {
        return false;
    }
    std::int64_t oldest = waiters_.empty() ? 0 : nanoseconds(waiters_.front()->waiting_since);
    unsigned oldest_worker = env_.worker;
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        const std::int64_t since = worker == env_.worker ? 0 : budget_->waiting_since(worker);
        if (since != 0 && (oldest == 0 || since < oldest)) {
            oldest = since;
            oldest_worker = worker;
        }
    }
    if (oldest_worker == env_.worker) {
        return false;
    }
    budget_->announce_waiter(oldest_worker, 0);  // it announces again if this one is not enough
    park_for(backend, oldest_worker);
    return true;
}

/// The place in the budget goes along: the process as a whole has as many backends as before, or
/// one less where no pool is left to adopt it.
void Pool::park_for(Backend& backend, unsigned worker) {
    auto parked = std::make_shared<ParkedBackend>(backend.park());
    parked->places = {
        HeldPlace{budget_.get()}, HeldPlace{database_budget_.get()}, HeldPlace{user_budget_.get()}};
    const auto found = backends_.find(&backend);
    std::unique_ptr<Backend> shell = std::move(found->second);
    backends_.erase(found);
    shell->close();
    env_.loop.defer_delete(std::move(shell));
    env_.peers.post_to_pool(worker, key_, [parked](Pool& pool) { pool.adopt(std::move(*parked)); });
}

void Pool::adopt(ParkedBackend parked) {
    for (HeldPlace& place : parked.places) {
        static_cast<void>(place.release());  // ours to give back now
    }
    auto backend = std::make_unique<Backend>(backend_environment(), std::move(parked));
    Backend& adopted = *backend;
    list(BackendState::Idle).push_front(adopted);
    backends_.emplace(&adopted, std::move(backend));
    learn_defaults(adopted);
    adopted.suspend(hold_ == Hold::Suspended);
    if (hold_ == Hold::Paused || must_retire(adopted, env_.loop.now())) {
        adopted.close();
        return;
    }
    serve();
    announce();
    if (!waiters_.empty()) {
        has_asked_ = false;  // while it travelled our announcement was withdrawn: somebody may have
                             // gone idle unseen
        ask_peers();
    }
    schedule();
}

void Pool::look_again() {
    if (!waiters_.empty()) {
        serve();
        grow();
        announce();
        schedule();
    }
}

void Pool::wake_oldest_peer() {
    if (!has_peers()) {
        return;
    }
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        if (worker != env_.worker && budget_->waiting_since(worker) != 0) {
            env_.peers.post_to_pool(worker, key_, [](Pool& pool) { pool.look_again(); });
        }
    }
}

bool Pool::shares_limit_with(const Pool& other) const {
    return this != &other &&
           (database_budget_ == other.database_budget_ || user_budget_ == other.user_budget_);
}

bool Pool::close_one_idle() {
    Backend* backend = list(BackendState::Idle).back();
    if (backend == nullptr || !waiters_.empty()) {
        return false;
    }
    backend->close();
    return true;
}

void Pool::close_idle() {
    while (Backend* backend = list(BackendState::Idle).front()) {
        backend->close();
    }
}

}  // namespace weir::pool
