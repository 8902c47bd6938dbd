// The part of Pool that lends to and borrows from the pools of the other workers.

#include "pool/pool.hpp"

#include <utility>

namespace weir::pool {

/// A replication connection serves one client, which no other worker knows.
bool Pool::has_peers() const {
    return env_.peers.worker_count() > 1 && key_.replication.empty();
}

void Pool::announce() {
    if (line_.empty()) {
        env_.limit_waits->withdraw(*this);
    }
    if (!has_peers()) {
        return;
    }
    if (bulkheads_ != nullptr && bulkheads_->announce(line_, priority_step())) {
        env_.peers.post_to_pool(env_.worker, key_, [](Pool& pool) { pool.look_again(); });
    }
    const Candidate first = next_waiter();
    has_asked_ = has_asked_ && first;
    budget_->announce_waiter(env_.worker, first.rank);
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
        backend != nullptr && !next_waiter() && !backend->has_partial_frame()) {
        park_for(*backend, borrower, nullptr);
        return;
    }
    if (plan_.settings.max != 0 && budget_->open() >= plan_.settings.max) {
        return;
    }
    env_.peers.post_to_pool(borrower, key_, [](Pool& pool) { pool.look_again(); });
}

/// @param freed the application that has just given it back, whose place is reserved for whoever of
/// its clients is served; nullptr: none
bool Pool::hand_to_older_waiter(Backend& backend, const BudgetPtr& freed) {
    if (!has_peers() || backend.has_partial_frame()) {
        return false;
    }
    std::int64_t first = next_waiter().rank;
    unsigned first_worker = env_.worker;
    Budget* announced_in = nullptr;
    const auto look = [&](Budget& announcements) {
        for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
            const std::int64_t rank =
                worker == env_.worker ? 0 : announcements.waiting_since(worker);
            if (rank != 0 && (first == 0 || rank < first)) {
                first = rank;
                first_worker = worker;
                announced_in = &announcements;
            }
        }
    };
    look(*budget_);
    if (bulkheads_ != nullptr && bulkheads_->is_reserved(freed)) {
        look(*freed);
    }
    if (announced_in == nullptr) {
        return false;
    }
    announced_in->announce_waiter(first_worker,
                                  0);  // it announces again if this one is not enough
    park_for(backend, first_worker, announced_in == freed.get() ? freed : nullptr);
    return true;
}

/// @return the rank of the pool's first waiter on any worker; 0: nobody waits
std::int64_t Pool::first_rank_anywhere() {
    std::int64_t first = next_waiter().rank;
    for (unsigned worker = 0; has_peers() && worker < env_.peers.worker_count(); ++worker) {
        const std::int64_t rank = worker == env_.worker ? 0 : budget_->waiting_since(worker);
        first = rank != 0 && (first == 0 || rank < first) ? rank : first;
    }
    return first;
}

void Pool::give_reserved_back(const BudgetPtr& application) {
    if (bulkheads_ != nullptr) {
        bulkheads_->give_reserved_back(application);
    }
}

/// An application holds one backend less: those of its clients that wait because of that may be
/// served, wherever they are.
void Pool::settle_freed(const BudgetPtr& freed) {
    if (freed == nullptr) {
        return;
    }
    look_again();
    if (!has_peers() || bulkheads_ == nullptr) {
        return;
    }
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        if (worker != env_.worker && bulkheads_->has_room(*freed) &&
            freed->waiting_since(worker) != 0) {
            freed->announce_waiter(worker, 0);
            env_.peers.post_to_pool(worker, key_, [](Pool& pool) { pool.look_again(); });
        }
    }
}

/// The place in the budget goes along: the process as a whole has as many backends as before, or
/// one less where no pool is left to adopt it.
/// @param application whose client it is meant for: the place reserved for it goes along too;
/// nullptr: anybody's
void Pool::park_for(Backend& backend, unsigned worker, const BudgetPtr& application) {
    auto parked = std::make_shared<ParkedBackend>(backend.park());
    parked->places = {
        HeldPlace{budget_.get()}, HeldPlace{database_budget_.get()}, HeldPlace{user_budget_.get()}};
    if (application != nullptr) {
        parked->application = application;
        parked->application_place = bulkheads_->take_reserved();
    }
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
    BudgetPtr application = std::move(parked.application);
    HeldPlace application_place = std::move(parked.application_place);
    auto backend = std::make_unique<Backend>(backend_environment(), std::move(parked));
    Backend& adopted = *backend;
    list(BackendState::Idle).push_front(adopted);
    backends_.emplace(&adopted, std::move(backend));
    learn_defaults(adopted);
    adopted.suspend(hold_ == Hold::Suspended);
    if (hold_ == Hold::Paused || must_retire(adopted, env_.loop.now())) {
        adopted.close();
        application_place.reset();
        settle_freed(application);
        return;
    }
    if (bulkheads_ != nullptr && application_place != nullptr) {
        static_cast<void>(application_place.release());
        bulkheads_->reserve(application);
    }
    serve();
    give_reserved_back(application);  // whom it was meant for has left
    announce();
    if (Backend* idle = list(BackendState::Idle).front(); idle != nullptr && !next_waiter()) {
        // Whom it was meant for has left, has been served meanwhile, or may not have it any more:
        // it goes on to who may.
        static_cast<void>(hand_to_older_waiter(*idle, /*freed=*/nullptr));
    }
    if (next_waiter()) {
        has_asked_ = false;  // while it travelled our announcement was withdrawn: somebody may have
                             // gone idle unseen. (Whom his application keeps waiting it is of no
                             // use to: two such lines would send each other backends without end.)
        ask_peers();
    }
    settle_freed(application);
    schedule();
}

void Pool::look_again() {
    if (!line_.empty()) {
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
    if (backend == nullptr || next_waiter()) {
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
