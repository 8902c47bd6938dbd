// The part of Pool that looks after what is idle, and tells how it stands.

#include "pool/pool.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::pool {

namespace {

/// A limit shared with pools that do not know us (a database's, a user's, that of all replication
/// connections) is looked at again this often.
constexpr std::chrono::milliseconds kSharedLimitRetry{20};
constexpr std::chrono::seconds kTendEvery{1};
constexpr std::chrono::seconds kUnusedAfter{60};

}  // namespace

void Pool::apply(PoolPlan plan) {
    const std::uint64_t generation = plan.generation();
    if (generation != std::exchange(generation_, generation)) {
        on_defaults_changed();
        forget_failures();
    }
    if (plan.shared_name() != plan_.shared_name()) {
        database_ = env_.shared_databases.find_or_add(plan.shared_name());
    }
    const bool is_gone = !key_.member.empty() && plan.is_absent && !plan_.is_absent;
    const bool has_another_primary = plan.term != plan_.term;
    if (plan_.is_absent && !plan.is_absent) {
        present_since_ = env_.loop.now();
    } else if (plan.is_absent && !plan_.is_absent) {
        doubted_at_ = env_.loop.now();
    }
    const bool has_new_rules = plan.settings.application_max != plan_.settings.application_max ||
                               plan.has_priorities || plan_.has_priorities;
    plan_ = std::move(plan);
    traits_ = traits_of(plan_, key_);
    if (has_new_rules) {
        set_bulkheads();
    }
    if (plan_.is_absent) {
        tell_reason(WaitReason::Failover);
    }
    learn(plan_.credentials);
    if (has_another_primary) {
        lose_leased("the server is not the primary any more");
    } else if (is_gone) {
        lose_leased("the server does not answer any more");
    }
    if (is_gone || has_another_primary) {
        close_doubted();
    }
    tend_idle(env_.loop.now());
    look_again();
    schedule();
}

/// Another server is in its place, or another replica will do: nobody waits to see whether what was
/// open is of use yet.
void Pool::close_doubted() {
    for (const BackendState state : {BackendState::Idle, BackendState::Checking}) {
        std::vector<Backend*> doubted;
        list(state).for_each([&](Backend& backend) {
            if (is_doubted(backend) || backend.generation() != generation_) {
                doubted.push_back(&backend);
            }
        });
        for (Backend* backend : doubted) {
            backend->close();
        }
    }
}

void Pool::on_deadline(net::Deadline& /*deadline*/) {
    const TimePoint now = env_.loop.now();
    tend_at_ = now + kTendEvery;
    if (hold_ == Hold::Suspended) {
        schedule();  // no time passes for those who are not listened to
        return;
    }
    has_asked_ = false;
    serve();  // before anybody is told that there was nothing for him
    expire_waiters(now);
    tell_waiters(now);
    tend_idle(now);
    if (bulkheads_ != nullptr) {
        bulkheads_->sweep(line_);
    }
    renew_reasons();
    if (!line_.empty()) {
        serve();
        grow();
    }
    if (is_in_use(now)) {
        keep_minimum();
    }
    std::erase_if(welcomes_, [](const auto& entry) { return entry.first.use_count() == 1; });
    schedule();
}

/// Tells those who have waited for long that they wait, each once.
void Pool::tell_waiters(TimePoint now) {
    const Duration after = plan_.settings.notice_after;
    if (now < notice_due_) {
        return;
    }
    notice_due_ = kNever;
    if (after <= Duration::zero()) {
        return;
    }
    line_.for_each([&](LeaseHolder& holder) {
        if (holder.waiting_since <= noticed_until_) {
            return;
        }
        if (now - holder.waiting_since >= after) {
            holder.on_long_wait();
        } else {
            notice_due_ = std::min<TimePoint>(notice_due_, holder.waiting_since + after);
        }
    });
    noticed_until_ = now - after;
}

void Pool::tend_idle(TimePoint now) {
    const Duration timeout = plan_.settings.idle_timeout;
    const unsigned keep = is_in_use(now) ? plan_.settings.min : 0;
    list(BackendState::Idle).for_each([&](Backend& backend) {
        const bool is_stale = timeout > Duration::zero() && now - backend.idle_since() >= timeout &&
                              budget_->open() > keep;
        if (is_stale || must_retire(backend, now)) {
            backend.close();
        }
    });
}

/// A pool nobody has used for idle_timeout need not be kept warm.
bool Pool::is_in_use(TimePoint now) const {
    const Duration timeout = plan_.settings.idle_timeout;
    return clients_ > 0 || (timeout > Duration::zero() && now - last_client_at_ < timeout);
}

void Pool::schedule() {
    const TimePoint now = env_.loop.now();
    const bool is_idle = backends_.empty() && clients_ == 0 && line_.empty();
    // Never put off by what happens meanwhile: a busy pool is looked after as well.
    tend_at_ = is_idle ? kNever : std::min<TimePoint>(tend_at_, now + kTendEvery);
    TimePoint due = tend_at_;
    if (hold_ == Hold::Suspended) {
        env_.loop.set_deadline(tick_, due);  // whatever else is due has to wait
        return;
    }
    const LeaseHolder* first = line_.oldest();
    if (first != nullptr) {
        due = std::min(due, wait_ends(*first));
    }
    if (first != nullptr && hold_ == Hold::None) {
        if (plan_.settings.reserve > 0 &&
            now < first->waiting_since + plan_.settings.reserve_after) {
            due = std::min<TimePoint>(due, first->waiting_since + plan_.settings.reserve_after);
        }
        due = std::min(due, std::max(notice_due_, now));
        if (last_failure_ && retry_at_ > now) {  // else it has been tried, if there is a place
            due = std::min(due, retry_at_);
        }
        if (has_shared_limits() || !key_.replication.empty()) {
            due = std::min<TimePoint>(due, now + kSharedLimitRetry);
        }
    }
    list(BackendState::Idle).for_each([&due](const Backend& backend) {
        due = std::min(due, backend.retire_at());  // each at its own time, not all at the same look
    });
    env_.loop.set_deadline(tick_, due);
}

bool Pool::is_unused() const {
    // Strangers can make up databases to be looked up in: what failed is not kept for long.
    const bool is_useless = key_.use == PoolKey::Use::Lookups && last_failure_.has_value();
    return clients_ == 0 && backends_.empty() && line_.empty() && cancellers_.empty() &&
           (is_useless || env_.loop.now() - last_client_at_ > kUnusedAfter);
}

void Pool::add_to(status::Pool& row, TimePoint now) {
    row.clients_waiting += line_.size();
    row.application_waiting += line_.size() - eligible_count();
    row.clients_active_cancel += cancellers_.size();
    row.backends_active += list(BackendState::Leased).size();
    row.backends_being_canceled += list(BackendState::BeingCanceled).size();
    row.backends_active_cancel += cancellers_.size();
    row.backends_idle += list(BackendState::Idle).size();
    row.backends_used += list(BackendState::Cleaning).size();
    row.backends_tested += list(BackendState::Checking).size();
    row.backends_login += opening();
    if (const LeaseHolder* first = line_.oldest(); first != nullptr) {
        const auto waited =
            std::chrono::duration_cast<std::chrono::microseconds>(now - first->waiting_since)
                .count();
        row.longest_wait_us = std::max<std::int64_t>(row.longest_wait_us, waited);
    }
    row.open = budget_->open();
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
    row.failures += counters_.failures.value();
    for (std::size_t i = 0; i < row.events.size(); ++i) {
        row.events[i] += counters_.events[i].value();
    }
    for (std::size_t i = 0; i < row.wait_buckets.size(); ++i) {
        row.wait_buckets[i] += counters_.wait_time.bucket(i);
    }
    row.wait_sum_us += counters_.wait_time.sum_us();
}

}  // namespace weir::pool
