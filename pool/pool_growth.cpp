// The part of Pool that opens backends, and refuses clients when that cannot be.

#include "base/log.hpp"
#include "base/random.hpp"
#include "pool/pool.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>
#include <vector>

namespace weir::pool {

using status::PoolEvent;

namespace {

/// No server is asked more often.
constexpr std::chrono::milliseconds kShortestPause{10};
/// Backends retire after 90 to 100 % of max_lifetime, so that those opened together do not all go
/// at once.
constexpr double kLifetimeSpread = 0.1;
/// The rank of nobody, behind all who wait.
constexpr std::int64_t kNobodyWaits = std::numeric_limits<std::int64_t>::max();

}  // namespace

/// What a replica has is what its primary had written down: it loses nothing.
void Pool::note_loss() {
    if (key_.member.empty()) {
        database_->knowledge.note_loss();
    }
}

void Pool::on_backend_ended(Backend& backend, const LoginFailure* failure) {
    const auto found = backends_.find(&backend);
    if (found == backends_.end()) {
        return;  // parked for another worker: its place went with it
    }
    counters_.add(PoolEvent::DestroySuccess);
    env_.loop.defer_delete(std::move(found->second));
    backends_.erase(found);
    const BudgetPtr freed = bulkheads_ == nullptr ? nullptr : bulkheads_->free();
    give_place_back();
    if (failure == nullptr) {
        if (backend.has_lost_server()) {
            env_.peers.on_server_trouble(key_);
            note_loss();
        }
        if (!line_.empty()) {
            grow();
        }
        settle_freed(freed);
        return;
    }
    const TimePoint now = env_.loop.now();
    settle_retried_login(RetryOutcome::Failure);
    counters_.add(PoolEvent::CreateFail);
    counters_.add(PoolEvent::Error);
    env_.peers.on_server_trouble(key_);
    if (failure->fields.sqlstate == sqlstate::kCannotConnectNow) {
        note_loss();  // it is away, or starts
    }
    if (!failure->is_final) {
        env_.peers.on_login_failed(key_);
    }
    log::warn("backend_login_failed",
              {{"pool", key_.database + "/" + key_.user},
               {"sqlstate", failure->fields.sqlstate.text()},
               {"reason", failure->fields.message}});
    if (failure->is_final && has_own_sessions()) {
        // It may be what this client wants its session to begin with: others are not to suffer.
        refuse_matching(backend.startup(), *failure);
        grow();
        schedule();
        return;
    }
    last_failure_ = *failure;
    if (failing_since_ == kNever) {
        failing_since_ = now;
    }
    if (now >= retry_at_) {  // attempts made together fail together and count as one
        ++failures_;
        retry_at_ = now + next_pause();
    }
    const bool is_over = failure->is_final || failures_ >= plan_.connect_retry.attempts;
    if (is_hopeless() || (is_over && list(BackendState::Leased).empty())) {
        refuse_all(*failure);
    }
    schedule();
}

/// @return how long the server is left alone after so many failures
Duration Pool::next_pause() const {
    policies::Backoff pauses = plan_.connect_retry;
    pauses.attempts = kEndlessAttempts;  // the clients' end is not the server's
    const auto pause = pauses.wait_before(failures_ + 1, random_unit());
    return std::max<Duration>(pause.value_or(Duration::zero()), kShortestPause);
}

/// A login has come to its end. (Which one it is does not matter to the sums.)
void Pool::settle_retried_login(RetryOutcome outcome) {
    if (retried_logins_ > 0) {
        --retried_logins_;
        env_.counters.add(RetryKind::Connect, outcome);
    }
}

void Pool::forget_failures() {
    last_failure_.reset();
    failing_since_ = kNever;
    failures_ = 0;
}

std::size_t Pool::opening() const {
    return list(BackendState::Connecting).size() + list(BackendState::LoggingIn).size() +
           list(BackendState::Preparing).size();
}

/// @return whether the server may be asked for another backend at this moment
bool Pool::may_dial_now() const {
    return !plan_.is_absent && (!last_failure_ || env_.loop.now() >= retry_at_);
}

void Pool::grow() {
    if (hold_ != Hold::None || !may_dial_now()) {
        env_.limit_waits->withdraw(*this);  // it could not take its turn
        return;
    }
    if (has_own_sessions()) {
        grow_matching();
        return;
    }
    const TimePoint now = env_.loop.now();
    // A server that has just refused is asked by one at a time.
    const std::size_t at_once = last_failure_ ? 1 : plan_.connect_concurrency;
    while (opening() < at_once &&
           opening() + list(BackendState::Checking).size() < eligible_count()) {
        if (Backend* idle = list(BackendState::Idle).front();
            idle != nullptr && is_check_due(*idle, now)) {
            idle->check(kCheckWithin);  // one that is there may be as good as a new one
            continue;
        }
        const Candidate next = next_waiter();
        if (!next) {
            break;
        }
        if (!make_place(next)) {
            return;
        }
        dial(env_.settings.none());
    }
    env_.limit_waits->withdraw(*this);
}

/// Each client needs a backend that began as its own session did: one is opened for every waiter
/// that none is being opened for.
void Pool::grow_matching() {
    std::map<SettingsPtr, std::size_t> coming;
    for (const BackendState state : {BackendState::Connecting,
                                     BackendState::LoggingIn,
                                     BackendState::Preparing,
                                     BackendState::Checking}) {
        list(state).for_each([&](const Backend& backend) { ++coming[backend.startup()]; });
    }
    std::map<const Application*, std::size_t> served;  // as far as this goes
    const std::size_t at_once = last_failure_ ? 1 : plan_.connect_concurrency;
    for (const Candidate& next : line_.by_rank(priority_step())) {
        if (next.application != nullptr &&
            served[next.application]++ >= bulkheads_->room_of(*next.application)) {
            continue;
        }
        const SettingsPtr startup = startup_for(*next.holder);
        if (std::size_t& count = coming[startup]; count > 0) {
            --count;
            continue;
        }
        if (opening() >= at_once) {
            break;
        }
        if (!make_place(next)) {
            return;
        }
        dial(startup);
    }
    env_.limit_waits->withdraw(*this);
}

/// Takes a place in all limits for one more backend, for the sake of this waiter.
bool Pool::make_place(const Candidate& waiter) {
    unsigned max = plan_.settings.max;
    if (max != 0 && plan_.settings.reserve > 0) {
        // With priorities the next one is not who has waited longest.
        const LeaseHolder* oldest =
            line_.oldest([this](const Application* of) { return may_be_served(of); });
        const bool may_use_reserve = oldest != nullptr && env_.loop.now() - oldest->waiting_since >=
                                                              plan_.settings.reserve_after;
        max += may_use_reserve ? plan_.settings.reserve : 0;
    }
    const std::int64_t rank = waiter.rank;
    if (take_place(max, rank) || (close_unwanted_idle() && take_place(max, rank))) {
        return true;
    }
    announce();
    if (take_place(max, rank)) {  // one may have been given back before we were seen waiting
        return true;
    }
    ask_peers();
    return false;
}

/// An idle backend that began as no waiting client's session did makes room for one that will.
bool Pool::close_unwanted_idle() {
    if (!has_own_sessions()) {
        return false;
    }
    Backend* unwanted = list(BackendState::Idle).back();
    if (unwanted != nullptr) {
        unwanted->close();
    }
    return unwanted != nullptr;
}

/// @param rank of who needs it: others that share a limit with us may come first; kNobodyWaits: it
/// is opened ahead
bool Pool::take_place(unsigned max, std::int64_t rank) {
    if (!budget_->try_take(max)) {
        env_.limit_waits->withdraw(*this);
        return false;
    }
    if (!take_shared(*database_budget_, plan_.limits.max_database_connections, rank)) {
        budget_->give_back();
        return false;
    }
    if (!take_shared(*user_budget_, plan_.limits.max_user_connections, rank)) {
        database_budget_->give_back();
        budget_->give_back();
        return false;
    }
    env_.limit_waits->withdraw(*this);
    return true;
}

bool Pool::take_shared(Budget& limit, unsigned max, std::int64_t rank) {
    const bool is_my_turn =
        max == 0 || !env_.limit_waits->is_outranked(limit, *this, rank, env_.peers.worker_count());
    if (is_my_turn && limit.try_take(max)) {
        return true;
    }
    if (rank != kNobodyWaits) {
        env_.limit_waits->announce(limit, *this, rank);
    }
    if (is_my_turn) {
        static_cast<void>(env_.peers.make_room(*this));
    }
    return false;
}

bool Pool::has_shared_limits() const {
    return plan_.limits.max_database_connections > 0 || plan_.limits.max_user_connections > 0;
}

/// A backend has become free, but a client that waits for a place in a limit this pool shares with
/// others is ahead of all who wait here. To move a place costs a login, so that it is moved only
/// where that one is well ahead.
bool Pool::must_yield_place() {
    if (!has_shared_limits()) {
        return false;
    }
    const std::int64_t first = first_rank_anywhere();
    if (first == 0) {
        return false;  // it is idle: who needs the place asks for it
    }
    constexpr std::int64_t kWellAhead = 1'000'000'000;
    return is_shared_limit_waited_for(first - kWellAhead);
}

/// @return whether another pool's client of a lower rank than this waits for a place in a limit
/// that is full, and that this pool's backends count in
bool Pool::is_shared_limit_waited_for(std::int64_t before) const {
    const auto is_waited_for = [&](const Budget& limit, unsigned max) {
        return max != 0 && limit.open() >= max &&
               env_.limit_waits->is_outranked(limit, *this, before, env_.peers.worker_count());
    };
    return is_waited_for(*database_budget_, plan_.limits.max_database_connections) ||
           is_waited_for(*user_budget_, plan_.limits.max_user_connections);
}

bool Pool::is_waited_for() {
    return first_rank_anywhere() != 0 || is_shared_limit_waited_for(kNobodyWaits);
}

bool Pool::is_waited_for(const LeaseHolder& holder) {
    if (is_waited_for() || !line_.empty()) {
        return true;
    }
    const Application* application = application_of(holder);
    for (unsigned worker = 0; application != nullptr && worker < env_.peers.worker_count();
         ++worker) {
        if (worker != env_.worker && application->count->waiting_since(worker) != 0) {
            return true;
        }
    }
    return false;
}

void Pool::give_place_back() {
    user_budget_->give_back();
    database_budget_->give_back();
    budget_->give_back();
    wake_oldest_peer();
}

/// @param startup a client's settings that the session is to begin with
void Pool::dial(const SettingsPtr& startup) {
    DialRequest request;
    request.endpoint = plan_.endpoint;
    request.user = key_.user;
    request.database = plan_.dbname;
    request.credentials = credentials_;
    SettingsMap settings{plan_.startup_settings.begin(), plan_.startup_settings.end()};
    for (const auto& [name, value] : *startup) {
        settings.insert_or_assign(name, value);
    }
    request.startup = startup;
    request.settings.assign(settings.begin(), settings.end());
    request.replication = plan_.replication;
    request.connect_query = plan_.connect_query;
    request.tcp = plan_.tcp;
    request.tls = plan_.tls;
    if (last_failure_) {
        ++retried_logins_;
        env_.counters.add(RetryKind::Connect, RetryOutcome::Attempt);
    }
    const TimePoint now = env_.loop.now();
    request.due = deadline_after(now, plan_.connect_timeout);
    counters_.add(PoolEvent::CreateRequest);
    auto backend =
        std::make_unique<Backend>(backend_environment(), env_.peers.next_id(), std::move(request));
    if (const Duration lifetime = plan_.settings.max_lifetime; lifetime > Duration::zero()) {
        const double share = 1.0 - kLifetimeSpread * random_unit();
        backend->set_retire_at(now + std::chrono::duration_cast<Duration>(lifetime * share));
    }
    backend->set_generation(generation_);
    list(BackendState::Connecting).push_back(*backend);
    backends_.emplace(backend.get(), std::move(backend));
}

void Pool::keep_minimum() {
    if (hold_ != Hold::None || last_failure_ || plan_.is_absent || !key_.replication.empty()) {
        return;
    }
    while (opening() < plan_.connect_concurrency && plan_.settings.min > 0 &&
           take_place(plan_.settings.min, kNobodyWaits)) {
        dial(last_startup_);
    }
}

void Pool::refuse(LeaseHolder& holder, const LoginFailure& failure) {
    counters_.add(PoolEvent::AcquireFail);
    holder.on_refused(failure);
}

void Pool::refuse_matching(const SettingsPtr& startup, const LoginFailure& failure) {
    std::vector<LeaseHolder*> refused;
    line_.for_each([&](LeaseHolder& holder) {
        if (startup_for(holder) == startup) {
            refused.push_back(&holder);
        }
    });
    for (LeaseHolder* holder : refused) {
        if (holder->is_linked()) {
            holder->unlink();
            refuse(*holder, failure);
        }
    }
    announce();
}

void Pool::refuse_all(const LoginFailure& failure) {
    line_.for_each_lane([&](WaitingLine::Lane& lane) {
        for (std::size_t count = lane.waiting.size(); count > 0; --count) {
            if (LeaseHolder* holder = lane.waiting.pop_front(); holder != nullptr) {
                refuse(*holder, failure);
            }
        }
    });
    announce();
}

void Pool::expire_waiters(TimePoint now) {
    line_.for_each_lane([&](WaitingLine::Lane& lane) {
        while (LeaseHolder* holder = lane.waiting.front()) {
            if (now < wait_ends(*holder)) {
                break;
            }
            const LoginFailure failure =
                timeout_failure(now - holder->waiting_since, lane.application);
            holder->unlink();
            refuse(*holder, failure);
        }
    });
    announce();
}

/// Who has waited for a primary waits for a connection to it from when it is there.
TimePoint Pool::wait_ends(const LeaseHolder& holder) const {
    if (plan_.is_absent) {
        return holder.waiting_since + plan_.failover_hold;
    }
    return deadline_after(std::max(holder.waiting_since, present_since_),
                          plan_.settings.acquire_timeout);
}

LoginFailure Pool::timeout_failure(Duration waited, const Application* application) {
    if (plan_.is_absent) {
        const std::string hold = std::to_string(plan_.failover_hold.count() / 1'000'000'000) + " s";
        return {{protocol::Severity::Error,
                 sqlstate::kCannotConnectNow,
                 "no primary within failover_hold (" + hold + ")",
                 {},
                 {}},
                false};
    }
    const bool is_held_back = !may_be_served(application);
    if (!is_held_back && last_failure_ && list(BackendState::Leased).empty()) {
        return *last_failure_;
    }
    const std::string seconds =
        std::to_string(std::chrono::duration<double>(waited).count()).substr(0, 5) + " s";
    std::string text = "query_wait_timeout: no server connection within " + seconds + " (";
    if (is_held_back) {
        text += "application \"" + application->count->name() + "\" holds " +
                std::to_string(application->count->open()) + " of the " +
                std::to_string(plan_.settings.application_max) +
                " that pool.application_max allows it; ";
    }
    text += "pool " + key_.database + "/" + key_.user + ": " + std::to_string(budget_->open()) +
            " of " + std::to_string(plan_.settings.max) + " open, " +
            std::to_string(list(BackendState::Leased).size()) + " active, " +
            std::to_string(line_.size()) + " waiting, longest wait " + seconds + ")";
    LoginFailure failure;
    failure.fields = {protocol::Severity::Error, sqlstate::kTooManyConnections, text, {}, {}};
    failure.is_ours = true;
    return failure;
}

/// Whoever would wait in vain is told at once; but a failure nobody has repeated for a while says
/// nothing about the server now.
bool Pool::has_been_failing(TimePoint now) const {
    const Duration timeout = plan_.settings.acquire_timeout;
    return last_failure_ && failing_since_ != kNever && timeout > Duration::zero() &&
           now - failing_since_ >= timeout && now < retry_at_ + kFailureCounts;
}

std::string Pool::failure_text() const {
    return last_failure_ ? last_failure_->fields.message : std::string{};
}

}  // namespace weir::pool
