// The part of Pool that lends backends: who gets one at once, who waits, and who is next.

#include "pool/pool.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::pool {

using status::PoolEvent;

namespace {

bool is_full(const Budget& limit, unsigned max) {
    return max != 0 && limit.open() >= max;
}

}  // namespace

void Pool::acquire(LeaseHolder& holder) {
    counters_.add(PoolEvent::AcquireRequest);
    if (!key_.member.empty()) {
        last_client_at_ = env_.loop.now();  // none is its own: who asks keeps it in use
    }
    last_startup_ = startup_for(holder);
    holder.wait_reason = WaitReason::None;
    Application* const application = application_of(holder);
    // Where sessions begin differently, who waits already wants another backend than is idle.
    if (hold_ == Hold::None && (has_own_sessions() || !next_waiter()) &&
        lend_idle({&holder, application}, Duration::zero())) {
        return;
    }
    const TimePoint now = env_.loop.now();
    const bool is_first = line_.empty();
    join_line(holder, application);
    if (plan_.settings.notice_after > Duration::zero()) {
        notice_due_ = std::min<TimePoint>(notice_due_, now + plan_.settings.notice_after);
    }
    grow();
    if (hold_ == Hold::None && has_been_failing(now) && list(BackendState::Leased).empty() &&
        holder.is_linked()) {
        holder.unlink();
        announce();
        LoginFailure failure = *last_failure_;
        failure.fields.message =
            "server login has been failing, cached error: " + failure.fields.message;
        failure.is_ours = true;
        refuse(holder, failure);
        schedule();  // what has been dialled to see whether it still fails may be there to stay
        return;
    }
    if (is_hopeless() && holder.is_linked()) {
        holder.unlink();
        announce();
        refuse(holder, *last_failure_);
        return;
    }
    if (holder.is_linked()) {
        holder.wait_reason = reason_to_wait(application);
    }
    if (!line_.empty() && (is_first || line_.has_lanes())) {
        announce();  // who came last may be the first to be served
        schedule();
    }
}

void Pool::join_line(LeaseHolder& holder, Application* application) {
    holder.waiting_since = env_.loop.now();
    line_.add(holder, application, plan_.has_priorities ? holder.priority() : 0);
}

/// How much waiting a step of priority is worth. Between the lowest and the highest there are
/// twenty: for no more than half of acquire_timeout those who come later can be served before.
Duration Pool::priority_step() const {
    constexpr Duration kLongestStep = std::chrono::seconds{1};
    constexpr int kStepsOfTimeout = 40;
    const Duration timeout = plan_.settings.acquire_timeout;
    return timeout > Duration::zero() ? std::min(kLongestStep, timeout / kStepsOfTimeout)
                                      : kLongestStep;
}

/// @return nullptr: it is not counted
Application* Pool::application_of(const LeaseHolder& holder) {
    return bulkheads_ == nullptr ? nullptr : &bulkheads_->find_or_add(holder.application());
}

bool Pool::may_be_served(const Application* application) const {
    return application == nullptr || bulkheads_->has_room(*application);
}

/// @return who gets the next backend; nobody where all who wait do so because of their application
Pool::Candidate Pool::next_waiter() {
    return line_.next(priority_step(), [this](const Application* of) { return may_be_served(of); });
}

/// @return how many could make use of a backend
std::size_t Pool::eligible_count() {
    return bulkheads_ == nullptr ? line_.size() : bulkheads_->eligible_count(line_);
}

WaitReason Pool::reason_to_wait(const Application* application) {
    if (hold_ != Hold::None) {
        return WaitReason::Paused;
    }
    if (plan_.is_absent) {
        return WaitReason::Failover;
    }
    if (!may_be_served(application)) {
        return WaitReason::ApplicationMax;
    }
    const bool has_no_place = is_full(*budget_, plan_.settings.max) ||
                              is_full(*database_budget_, plan_.limits.max_database_connections) ||
                              is_full(*user_budget_, plan_.limits.max_user_connections);
    const bool is_one_coming =
        opening() + list(BackendState::Checking).size() >= eligible_count() ||
        (last_failure_ && list(BackendState::Leased).empty());
    return has_no_place && !is_one_coming ? WaitReason::PoolFull : WaitReason::Dialling;
}

/// What it says of those who wait may have changed since.
void Pool::renew_reasons() {
    line_.for_each_lane([this](WaitingLine::Lane& lane) {
        if (!lane.waiting.empty()) {
            const WaitReason reason = reason_to_wait(lane.application);
            lane.waiting.for_each([reason](LeaseHolder& holder) { holder.wait_reason = reason; });
        }
    });
}

/// From now on all of them wait for this.
void Pool::tell_reason(WaitReason reason) {
    line_.for_each([reason](LeaseHolder& holder) { holder.wait_reason = reason; });
}

/// The limit of the configuration has changed, or who is served before whom: whoever waits joins
/// the line anew, and what was lent before there was a limit counts from now on.
void Pool::set_bulkheads() {
    const std::vector<LeaseHolder*> waiting = line_.clear();
    const unsigned max = plan_.settings.application_max;
    if (max == 0) {
        bulkheads_.reset();
    } else {
        if (bulkheads_ == nullptr) {
            bulkheads_ = std::make_unique<Bulkheads>(env_.budgets.applications_of(budget_->name()),
                                                     env_.worker);
        }
        bulkheads_->set_max(max);
        list(BackendState::Leased).for_each([this](const Backend& backend) {
            if (backend.holder() != nullptr) {
                bulkheads_->take(*application_of(*backend.holder()), backend);
            }
        });
    }
    for (LeaseHolder* holder : waiting) {
        line_.add(*holder, application_of(*holder), plan_.has_priorities ? holder->priority() : 0);
    }
}

/// Who wants to read is not kept waiting for one replica: there are others.
bool Pool::is_hopeless() const {
    return !key_.member.empty() && backends_.empty() && last_failure_.has_value();
}

bool Pool::could_lend() {
    const bool has_place = !is_full(*budget_, plan_.settings.max) &&
                           !is_full(*database_budget_, plan_.limits.max_database_connections) &&
                           !is_full(*user_budget_, plan_.limits.max_user_connections);
    return hold_ == Hold::None && eligible_count() == 0 &&
           (!list(BackendState::Idle).empty() || (has_place && may_dial_now()));
}

bool Pool::could_lend(const LeaseHolder& holder) {
    return could_lend() && may_be_served(application_of(holder));
}

void Pool::forget(LeaseHolder& holder) {
    if (holder.is_linked()) {
        holder.unlink();
        announce();
    }
}

/// @return whether clients have backends of their own, which began with their own settings
bool Pool::has_own_sessions() const {
    return traits_.mode == BackendTraits::Mode::Session;
}

SettingsPtr Pool::startup_for(const LeaseHolder& holder) const {
    SettingsPtr wanted = has_own_sessions() ? holder.wanted_startup() : nullptr;
    return wanted != nullptr ? wanted : env_.settings.none();
}

/// @return the idle backend that was used last among those that will do; nullptr: none
Backend* Pool::find_idle(const LeaseHolder& holder) {
    if (!has_own_sessions()) {
        return list(BackendState::Idle).front();
    }
    const SettingsPtr wanted = startup_for(holder);
    Backend* found = nullptr;
    list(BackendState::Idle).for_each([&](Backend& backend) {
        if (found == nullptr && backend.startup() == wanted) {
            found = &backend;
        }
    });
    return found;
}

/// @return whether the holder has a backend now
bool Pool::lend_idle(const Candidate& candidate, Duration waited) {
    LeaseHolder& holder = *candidate.holder;
    const TimePoint now = env_.loop.now();
    while (Backend* backend = find_idle(holder)) {
        if (must_retire(*backend, now)) {
            backend->close();
            continue;
        }
        if (is_check_due(*backend, now)) {
            backend->check(kCheckWithin);  // it comes back through on_backend_idle()
            return false;
        }
        if (candidate.application != nullptr &&
            !bulkheads_->try_take(*candidate.application, *backend)) {
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
    if (is_serving_ || line_.empty() || hold_ != Hold::None) {
        return;
    }
    is_serving_ = true;
    if (has_own_sessions()) {
        serve_matching();
        is_serving_ = false;
        grow();
        announce();
        return;
    }
    const TimePoint now = env_.loop.now();
    while (const Candidate next = next_waiter()) {
        const bool is_lent = lend_idle(next, now - next.holder->waiting_since);
        if (!is_lent && may_be_served(next.application)) {
            break;  // there is no backend; else another worker has been faster with this
                    // application
        }
    }
    is_serving_ = false;
    announce();
}

/// Whoever has waited longest may want another backend than the one that is there.
void Pool::serve_matching() {
    const TimePoint now = env_.loop.now();
    for (const Candidate& next : line_.by_rank(priority_step())) {
        if (list(BackendState::Idle).empty()) {
            return;
        }
        if (next.holder->is_linked() && find_idle(*next.holder) != nullptr) {
            static_cast<void>(lend_idle(next, now - next.holder->waiting_since));
        }
    }
}

}  // namespace weir::pool
