#include "pool/pool.hpp"

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/random.hpp"

#include <algorithm>
#include <utility>

namespace weir::pool {

using status::PoolEvent;

namespace {

constexpr std::chrono::milliseconds kRetryWaitFirst{100};
constexpr std::chrono::milliseconds kRetryWaitMax{1000};
constexpr std::chrono::milliseconds kCheckWithin{3000};
/// A database's or user's limit is shared with pools that do not know us: it is looked at again
/// this often.
constexpr std::chrono::milliseconds kSharedLimitRetry{20};
constexpr std::chrono::seconds kTendEvery{1};
/// Backends retire after 90 to 100 % of max_lifetime, so that those opened together do not all go
/// at once.
constexpr double kLifetimeSpread = 0.1;
/// Answers to logins that are remembered per pool; clients with rarer settings ask a backend.
constexpr std::size_t kWelcomesMax = 256;
constexpr std::chrono::seconds kUnusedAfter{60};

std::int64_t nanoseconds(TimePoint when) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(when.time_since_epoch()).count();
}

BackendTraits traits_of(const conf::PoolSettings& settings, const PoolKey& key) {
    BackendTraits traits;
    traits.reset_query = settings.reset_query;
    switch (settings.mode) {
        case conf::PoolMode::Session: traits.mode = BackendTraits::Mode::Session; break;
        case conf::PoolMode::Transaction: traits.mode = BackendTraits::Mode::Transaction; break;
        case conf::PoolMode::Statement: traits.mode = BackendTraits::Mode::Statement; break;
    }
    if (!key.replication.empty()) {
        traits.mode = BackendTraits::Mode::Session;
        traits.reset_query.clear();
    }
    return traits;
}

}  // namespace

std::uint64_t PoolPlan::generation() const {
    std::string text = endpoint.text() + '\0' + dbname + '\0' + connect_query;
    for (const auto& [name, value] : startup_settings) {
        text += '\0' + name + '\0' + value;
    }
    return std::hash<std::string>{}(text);
}

Pool::Pool(const Environment& environment, PoolKey key, PoolPlan plan)
    : env_{environment},
      key_{std::move(key)},
      plan_{std::move(plan)},
      generation_{plan_.generation()},
      traits_{traits_of(plan_.settings, key_)},
      budget_{env_.budgets.find_or_add("pool:" + key_.database + '\0' + key_.user + '\0' +
                                       plan_.replication)},
      database_budget_{env_.budgets.find_or_add("database:" + key_.database)},
      user_budget_{env_.budgets.find_or_add("user:" + key_.user)},
      last_client_at_{env_.loop.now()} {}

Pool::~Pool() {
    WEIR_CHECK(waiters_.empty());
    cancellers_.clear();
    while (!backends_.empty()) {
        backends_.begin()->second->close();
    }
}

// ---- for clients
// -----------------------------------------------------------------------------------------------------

void Pool::acquire(LeaseHolder& holder) {
    counters_.add(PoolEvent::AcquireRequest);
    if (waiters_.empty() && lend_idle(holder, Duration::zero())) {
        return;
    }
    const TimePoint now = env_.loop.now();
    const bool is_first = waiters_.empty();
    holder.waiting_since = now;
    waiters_.push_back(holder);
    grow();
    if (has_been_failing(now) && list(BackendState::Leased).empty() && holder.is_linked()) {
        holder.unlink();
        LoginFailure failure = *last_failure_;
        failure.fields.message =
            "server login has been failing, cached error: " + failure.fields.message;
        refuse(holder, failure);
        return;
    }
    if (is_first && !waiters_.empty()) {
        announce();
        schedule();
    }
}

void Pool::forget(LeaseHolder& holder) {
    if (holder.is_linked()) {
        holder.unlink();
        announce();
    }
}

void Pool::release(Backend& backend) {
    counters_.add(PoolEvent::Release);
    backend.come_back();
}

void Pool::abandon(Backend& backend, Backend::Frame frame) {
    counters_.add(PoolEvent::Release);
    backend.abandon(frame);
}

void Pool::cancel(Backend& backend, std::function<void()> on_done) {
    if (cancellers_.size() >= std::size_t{2} * std::max(plan_.settings.max, 1U)) {
        if (on_done) {
            on_done();
        }
        return;
    }
    env_.counters.cancels.add();
    backend.cancel_began();
    auto slot = std::make_shared<const Canceller*>(nullptr);
    auto finished = [this, slot, address = &backend, id = backend.id(), done = std::move(on_done)](
                        Backend::CancelOutcome outcome) {
        if (const auto mine = cancellers_.find(*slot); mine != cancellers_.end()) {
            env_.loop.defer_delete(std::move(mine->second));
            cancellers_.erase(mine);
        }
        if (const auto found = backends_.find(address);
            found != backends_.end() && found->second->id() == id) {
            found->second->cancel_ended(outcome);
        }
        if (done) {
            done();
        }
    };
    auto canceller = std::make_unique<Canceller>(env_.loop,
                                                 plan_.endpoint,
                                                 backend.process_id(),
                                                 backend.cancel_secret(),
                                                 std::move(finished));
    *slot = canceller.get();
    cancellers_.emplace(canceller.get(), std::move(canceller));
}

void Pool::client_left() {
    --clients_;
    last_client_at_ = env_.loop.now();
}

void Pool::learn(const Credentials& credentials) {
    if (credentials.empty()) {
        return;
    }
    credentials_ = credentials;
    if (last_failure_ && last_failure_->is_final) {
        last_failure_.reset();  // perhaps it lacked just this
        failing_since_ = kNever;
    }
}

const ReportedParameters* Pool::welcome_for(const SettingsPtr& settings) const {
    if (settings->empty()) {
        return defaults_.empty() ? nullptr : &defaults_;
    }
    const auto found = welcomes_.find(settings);
    return found == welcomes_.end() ? nullptr : &found->second;
}

void Pool::remember_welcome(const SettingsPtr& settings, const ReportedParameters& parameters) {
    if (!settings->empty() && welcomes_.size() < kWelcomesMax) {
        welcomes_.insert_or_assign(settings, parameters);
    }
}

const std::string* Pool::default_of(std::string_view lower_case_name) const {
    for (const auto& [name, value] : defaults_) {
        if (lower_case(name) == lower_case_name) {
            return &value;
        }
    }
    return nullptr;
}

// ---- lending
// ---------------------------------------------------------------------------------------------------------

/// @return whether the holder has a backend now
bool Pool::lend_idle(LeaseHolder& holder, Duration waited) {
    const TimePoint now = env_.loop.now();
    while (Backend* backend = list(BackendState::Idle).front()) {
        if (must_retire(*backend, now)) {
            backend->close();
            continue;
        }
        const Duration check_after = plan_.settings.check_after;
        if (check_after > Duration::zero() && now - backend->idle_since() > check_after) {
            backend->check(kCheckWithin);  // it comes back through on_backend_idle()
            return false;
        }
        holder.unlink();
        counters_.add(PoolEvent::AcquireSuccess);
        counters_.assignments.add();
        const auto waited_us = static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(waited).count());
        counters_.wait_us.add(waited_us);
        counters_.wait_time.observe_us(waited_us);
        backend->lend_to(holder);
        holder.on_lease(*backend, waited);
        return true;
    }
    return false;
}

void Pool::serve() {
    if (is_serving_ || waiters_.empty()) {
        return;
    }
    is_serving_ = true;
    const TimePoint now = env_.loop.now();
    while (LeaseHolder* holder = waiters_.front()) {
        if (!lend_idle(*holder, now - holder->waiting_since)) {
            break;
        }
    }
    is_serving_ = false;
    announce();
}

void Pool::on_backend_idle(Backend& backend) {
    if (last_failure_ || defaults_.empty()) {
        last_failure_.reset();
        failing_since_ = kNever;
        retry_wait_ = Duration::zero();
        if (defaults_.empty()) {
            defaults_ = backend.parameters();
        }
    }
    if (must_retire(backend, env_.loop.now()) || (!key_.replication.empty() && waiters_.empty())) {
        backend.close();
        return;
    }
    if (!hand_to_older_waiter(backend)) {
        serve();
    }
}

void Pool::on_backend_moves(Backend& backend, BackendState to) {
    const BackendState from = backend.state();
    backend.unlink();
    if (from == BackendState::Preparing && to == BackendState::Idle) {
        counters_.add(PoolEvent::CreateSuccess);
    }
    if (to == BackendState::Idle) {
        list(to).push_front(backend);  // most recently used first
    } else if (to != BackendState::Closed) {
        list(to).push_back(backend);
    }
}

void Pool::on_defaults_changed() {
    defaults_.clear();
    welcomes_.clear();
}

bool Pool::must_retire(const Backend& backend, TimePoint now) const {
    const unsigned open = budget_.open();
    const unsigned max = plan_.settings.max;
    const bool is_surplus =
        max != 0 && (open > max + plan_.settings.reserve || (open > max && waiters_.empty()));
    return is_surplus || backend.generation() != generation_ || now >= backend.retire_at();
}

void Pool::on_backend_ended(Backend& backend, const LoginFailure* failure) {
    const auto found = backends_.find(&backend);
    if (found == backends_.end()) {
        return;  // parked for another worker: its place went with it
    }
    counters_.add(PoolEvent::DestroySuccess);
    env_.loop.defer_delete(std::move(found->second));
    backends_.erase(found);
    give_place_back();
    if (failure == nullptr) {
        if (!waiters_.empty()) {
            grow();
        }
        return;
    }
    const TimePoint now = env_.loop.now();
    counters_.add(PoolEvent::CreateFail);
    counters_.add(PoolEvent::Error);
    log::warn("backend_login_failed",
              {{"pool", key_.database + "/" + key_.user},
               {"sqlstate", failure->fields.sqlstate.text()},
               {"reason", failure->fields.message}});
    last_failure_ = *failure;
    if (failing_since_ == kNever) {
        failing_since_ = now;
    }
    retry_wait_ = std::clamp<Duration>(retry_wait_ * 2, kRetryWaitFirst, kRetryWaitMax);
    retry_at_ = now + retry_wait_;
    if (failure->is_final && list(BackendState::Leased).empty()) {
        refuse_all(*failure);
    }
    schedule();
}

void Pool::on_cancel_wanted(Backend& backend) {
    cancel(backend, nullptr);
}

// ---- growing
// ---------------------------------------------------------------------------------------------------------

std::size_t Pool::opening() const {
    return list(BackendState::Connecting).size() + list(BackendState::LoggingIn).size() +
           list(BackendState::Preparing).size();
}

void Pool::grow() {
    const TimePoint now = env_.loop.now();
    if (last_failure_ && now < retry_at_) {
        return;
    }
    // A server that has just refused is asked by one at a time.
    const std::size_t at_once = last_failure_ ? 1 : plan_.connect_concurrency;
    while (opening() < at_once &&
           opening() + list(BackendState::Checking).size() < waiters_.size()) {
        unsigned max = plan_.settings.max;
        const bool may_use_reserve =
            now - waiters_.front()->waiting_since >= plan_.settings.reserve_after;
        if (max != 0 && may_use_reserve) {
            max += plan_.settings.reserve;
        }
        if (!take_place(max)) {
            announce();
            if (!take_place(max)) {  // one may have been given back before we were seen waiting
                ask_peers();
                return;
            }
        }
        dial();
    }
}

bool Pool::take_place(unsigned max) {
    if (!budget_.try_take(max)) {
        return false;
    }
    if (!database_budget_.try_take(plan_.limits.max_database_connections)) {
        budget_.give_back();
        static_cast<void>(env_.peers.make_room(*this));
        return false;
    }
    if (!user_budget_.try_take(plan_.limits.max_user_connections)) {
        database_budget_.give_back();
        budget_.give_back();
        static_cast<void>(env_.peers.make_room(*this));
        return false;
    }
    return true;
}

void Pool::give_place_back() {
    user_budget_.give_back();
    database_budget_.give_back();
    budget_.give_back();
    wake_oldest_peer();
}

void Pool::dial() {
    DialRequest request;
    request.endpoint = plan_.endpoint;
    request.user = key_.user;
    request.database = plan_.dbname;
    request.credentials = credentials_;
    request.parameters.assign(plan_.startup_settings.begin(), plan_.startup_settings.end());
    if (!plan_.replication.empty()) {
        request.parameters.emplace_back("replication", plan_.replication);
    }
    request.connect_query = plan_.connect_query;
    request.keepalive = plan_.keepalive;
    const TimePoint now = env_.loop.now();
    request.due = deadline_after(now, plan_.connect_timeout);
    counters_.add(PoolEvent::CreateRequest);
    auto backend = std::make_unique<Backend>(
        Backend::Environment{
            env_.loop, env_.background, env_.settings, env_.counters, counters_, *this, traits_},
        env_.peers.next_id(),
        std::move(request));
    if (const Duration lifetime = plan_.settings.max_lifetime; lifetime > Duration::zero()) {
        const double share = 1.0 - kLifetimeSpread * random_unit();
        backend->set_retire_at(now + std::chrono::duration_cast<Duration>(lifetime * share));
    }
    backend->set_generation(generation_);
    list(BackendState::Connecting).push_back(*backend);
    backends_.emplace(backend.get(), std::move(backend));
}

void Pool::keep_minimum() {
    if (last_failure_ || !key_.replication.empty()) {
        return;
    }
    while (opening() < plan_.connect_concurrency && plan_.settings.min > 0 &&
           take_place(plan_.settings.min)) {
        dial();
    }
}

// ---- refusing
// --------------------------------------------------------------------------------------------------------

void Pool::refuse(LeaseHolder& holder, const LoginFailure& failure) {
    counters_.add(PoolEvent::AcquireFail);
    holder.on_refused(failure);
}

void Pool::refuse_all(const LoginFailure& failure) {
    for (std::size_t count = waiters_.size(); count > 0; --count) {
        if (LeaseHolder* holder = waiters_.pop_front(); holder != nullptr) {
            refuse(*holder, failure);
        }
    }
    announce();
}

void Pool::expire_waiters(TimePoint now) {
    const Duration timeout = plan_.settings.acquire_timeout;
    if (timeout <= Duration::zero()) {
        return;
    }
    while (LeaseHolder* holder = waiters_.front()) {
        const Duration waited = now - holder->waiting_since;
        if (waited < timeout) {
            break;
        }
        const LoginFailure failure = timeout_failure(waited);
        holder->unlink();
        refuse(*holder, failure);
    }
    announce();
}

LoginFailure Pool::timeout_failure(Duration waited) const {
    if (last_failure_ && list(BackendState::Leased).empty()) {
        return *last_failure_;
    }
    const auto seconds = std::chrono::duration<double>(waited).count();
    const std::string text = "query_wait_timeout: no server connection within " +
                             std::to_string(seconds).substr(0, 5) + " s (pool " + key_.database +
                             "/" + key_.user + ": " + std::to_string(budget_.open()) + " of " +
                             std::to_string(plan_.settings.max) + " open, " +
                             std::to_string(list(BackendState::Leased).size()) + " active, " +
                             std::to_string(waiters_.size()) + " waiting, longest wait " +
                             std::to_string(seconds).substr(0, 5) + " s)";
    return {{protocol::Severity::Error, sqlstate::kTooManyConnections, text, {}, {}}, false};
}

bool Pool::has_been_failing(TimePoint now) const {
    return last_failure_ && failing_since_ != kNever &&
           now - failing_since_ >= plan_.settings.acquire_timeout;
}

std::string Pool::failure_text() const {
    return last_failure_ ? last_failure_->fields.message : std::string{};
}

// ---- with the other workers
// ------------------------------------------------------------------------------------------

void Pool::announce() {
    if (env_.peers.worker_count() > 1) {
        const LeaseHolder* first = waiters_.front();
        has_asked_ = has_asked_ && first != nullptr;
        budget_.announce_waiter(env_.worker,
                                first == nullptr ? 0 : nanoseconds(first->waiting_since));
    }
}

/// Asks once while clients wait; who releases a backend later sees the announcement. (Asking at
/// every turn would have the workers answer each other without end.)
void Pool::ask_peers() {
    if (std::exchange(has_asked_, true)) {
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
    if (Backend* backend = list(BackendState::Idle).front();
        backend != nullptr && waiters_.empty()) {
        park_for(*backend, borrower);
        return;
    }
    if (plan_.settings.max != 0 && budget_.open() >= plan_.settings.max) {
        return;
    }
    env_.peers.post_to_pool(borrower, key_, [](Pool& pool) { pool.look_again(); });
}

bool Pool::hand_to_older_waiter(Backend& backend) {
    if (env_.peers.worker_count() == 1) {
        return false;
    }
    std::int64_t oldest = waiters_.empty() ? 0 : nanoseconds(waiters_.front()->waiting_since);
    unsigned oldest_worker = env_.worker;
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        const std::int64_t since = worker == env_.worker ? 0 : budget_.waiting_since(worker);
        if (since != 0 && (oldest == 0 || since < oldest)) {
            oldest = since;
            oldest_worker = worker;
        }
    }
    if (oldest_worker == env_.worker) {
        return false;
    }
    budget_.announce_waiter(oldest_worker, 0);  // it announces again if this one is not enough
    park_for(backend, oldest_worker);
    return true;
}

/// The place in the budget goes along: the process as a whole has as many backends as before.
void Pool::park_for(Backend& backend, unsigned worker) {
    auto parked = std::make_shared<ParkedBackend>(backend.park());
    const auto found = backends_.find(&backend);
    std::unique_ptr<Backend> shell = std::move(found->second);
    backends_.erase(found);
    shell->close();
    env_.loop.defer_delete(std::move(shell));
    env_.peers.post_to_pool(worker, key_, [parked](Pool& pool) { pool.adopt(std::move(*parked)); });
}

void Pool::adopt(ParkedBackend parked) {
    auto backend = std::make_unique<Backend>(
        Backend::Environment{
            env_.loop, env_.background, env_.settings, env_.counters, counters_, *this, traits_},
        std::move(parked));
    Backend& adopted = *backend;
    list(BackendState::Idle).push_front(adopted);
    backends_.emplace(&adopted, std::move(backend));
    if (defaults_.empty()) {
        defaults_ = adopted.parameters();
    }
    if (must_retire(adopted, env_.loop.now())) {
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
    if (env_.peers.worker_count() == 1) {
        return;
    }
    for (unsigned worker = 0; worker < env_.peers.worker_count(); ++worker) {
        if (worker != env_.worker && budget_.waiting_since(worker) != 0) {
            env_.peers.post_to_pool(worker, key_, [](Pool& pool) { pool.look_again(); });
        }
    }
}

bool Pool::shares_limit_with(const Pool& other) const {
    return this != &other &&
           (&database_budget_ == &other.database_budget_ || &user_budget_ == &other.user_budget_);
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

// ---- tending
// ---------------------------------------------------------------------------------------------------------

void Pool::apply(PoolPlan plan) {
    const std::uint64_t generation = plan.generation();
    if (generation != std::exchange(generation_, generation)) {
        defaults_.clear();
        welcomes_.clear();
        last_failure_.reset();
        failing_since_ = kNever;
    }
    plan_ = std::move(plan);
    traits_ = traits_of(plan_.settings, key_);
    tend_idle(env_.loop.now());
    look_again();
    schedule();
}

void Pool::on_deadline(net::Deadline& /*deadline*/) {
    const TimePoint now = env_.loop.now();
    has_asked_ = false;
    expire_waiters(now);
    tend_idle(now);
    if (!waiters_.empty()) {
        serve();
        grow();
    }
    if (clients_ > 0) {
        keep_minimum();
    }
    std::erase_if(welcomes_, [](const auto& entry) { return entry.first.use_count() == 1; });
    schedule();
}

void Pool::tend_idle(TimePoint now) {
    const Duration timeout = plan_.settings.idle_timeout;
    const bool is_in_use =
        clients_ > 0 || (timeout > Duration::zero() && now - last_client_at_ < timeout);
    const unsigned keep = is_in_use ? plan_.settings.min : 0;
    list(BackendState::Idle).for_each([&](Backend& backend) {
        const bool is_stale = timeout > Duration::zero() && now - backend.idle_since() >= timeout &&
                              budget_.open() > keep;
        if (is_stale || must_retire(backend, now)) {
            backend.close();
        }
    });
}

void Pool::schedule() {
    const TimePoint now = env_.loop.now();
    TimePoint due =
        backends_.empty() && clients_ == 0 && waiters_.empty() ? kNever : now + kTendEvery;
    if (const LeaseHolder* first = waiters_.front(); first != nullptr) {
        due = std::min(due, deadline_after(first->waiting_since, plan_.settings.acquire_timeout));
        if (plan_.settings.reserve > 0 &&
            now < first->waiting_since + plan_.settings.reserve_after) {
            due = std::min<TimePoint>(due, first->waiting_since + plan_.settings.reserve_after);
        }
        if (last_failure_) {
            due = std::min(due, std::max(retry_at_, now));
        }
        if (plan_.limits.max_database_connections > 0 || plan_.limits.max_user_connections > 0) {
            due = std::min<TimePoint>(due, now + kSharedLimitRetry);
        }
    }
    env_.loop.set_deadline(tick_, due);
}

bool Pool::is_unused() const {
    return clients_ == 0 && backends_.empty() && waiters_.empty() && cancellers_.empty() &&
           env_.loop.now() - last_client_at_ > kUnusedAfter;
}

void Pool::add_to(status::Pool& row, TimePoint now) const {
    row.clients_waiting += waiters_.size();
    row.clients_active_cancel += cancellers_.size();
    row.backends_active += list(BackendState::Leased).size();
    row.backends_being_canceled += list(BackendState::BeingCanceled).size();
    row.backends_active_cancel += cancellers_.size();
    row.backends_idle += list(BackendState::Idle).size();
    row.backends_used += list(BackendState::Cleaning).size();
    row.backends_tested += list(BackendState::Checking).size();
    row.backends_login += opening();
    if (const LeaseHolder* first = waiters_.front(); first != nullptr) {
        const auto waited =
            std::chrono::duration_cast<std::chrono::microseconds>(now - first->waiting_since)
                .count();
        row.longest_wait_us = std::max<std::int64_t>(row.longest_wait_us, waited);
    }
    row.open = budget_.open();
    row.assignments += counters_.assignments.value();
    row.transactions += counters_.transactions.value();
    row.statements += counters_.statements.value();
    row.bytes_received += counters_.bytes_received.value();
    row.bytes_sent += counters_.bytes_sent.value();
    row.transaction_us += counters_.transaction_us.value();
    row.statement_us += counters_.statement_us.value();
    row.wait_us += counters_.wait_us.value();
    row.client_parses += counters_.client_parses.value();
    row.backend_parses += counters_.backend_parses.value();
    row.binds += counters_.binds.value();
    row.logins += counters_.logins.value();
    for (std::size_t i = 0; i < row.events.size(); ++i) {
        row.events[i] += counters_.events[i].value();
    }
    for (std::size_t i = 0; i < row.wait_buckets.size(); ++i) {
        row.wait_buckets[i] += counters_.wait_time.bucket(i);
    }
    row.wait_sum_us += counters_.wait_time.sum_us();
}

}  // namespace weir::pool
