#include "pool/pool.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace weir::pool {

using status::PoolEvent;

using namespace std::string_literals;

namespace {

/// Answers to logins that are remembered per pool; clients with rarer settings ask a backend.
constexpr std::size_t kWelcomesMax = 256;
/// On their way at once; what more of them do, these have done.
constexpr std::size_t kCancelsPerBackend = 2;

/// For names of PostgreSQL's own, which are ASCII; allocates nothing.
bool is_called(std::string_view name, std::string_view lower_case_name) {
    const auto is_same = [](char mine, char lower) {
        return (mine >= 'A' && mine <= 'Z' ? static_cast<char>(mine - 'A' + 'a') : mine) == lower;
    };
    return name.size() == lower_case_name.size() &&
           std::equal(name.begin(), name.end(), lower_case_name.begin(), is_same);
}

}  // namespace

std::string PoolPlan::target() const {
    return endpoint.text() + '\0' + dbname;
}

std::string PoolPlan::shared_name() const {
    return cluster.empty() ? target() : "cluster " + cluster + '\0' + dbname;
}

std::uint64_t PoolPlan::generation() const {
    std::string text = target() + '\0' + connect_query;
    text += settings.mode == conf::PoolMode::Session ? " session" : " shared";
    for (const auto& [name, value] : startup_settings) {
        text.append(1, '\0').append(name).append(1, '\0').append(value);
    }
    text.append(1, '\0').append(tls.text);
    text.append(1, '\0').append(std::to_string(reconnects));
    text.append(1, '\0').append(std::to_string(term));
    return std::hash<std::string>{}(text);
}

BackendTraits Pool::traits_of(const PoolPlan& plan, const PoolKey& key) {
    const conf::PoolSettings& settings = plan.settings;
    BackendTraits traits;
    traits.connect_query = plan.connect_query;
    traits.reset_query = settings.reset_query;
    traits.check_query = settings.check_query;
    traits.prepared_statements = settings.prepared_statements;
    traits.user = key.user;
    traits.carries_state = settings.state == conf::SessionState::Carry &&
                           settings.mode != conf::PoolMode::Session && key.replication.empty();
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

Pool::Pool(const Environment& environment, PoolKey key, PoolPlan plan)
    : env_{environment},
      key_{std::move(key)},
      plan_{std::move(plan)},
      generation_{plan_.generation()},
      traits_{traits_of(plan_, key_)},
      budget_{env_.budgets.find_or_add("pool:" + key_.database + '\0' + key_.user + '\0' +
                                       plan_.replication +
                                       (key_.use == PoolKey::Use::Lookups ? "\0lookups"s : ""s) +
                                       (key_.member.empty() ? ""s : "\0at "s + key_.member))},
      database_budget_{env_.budgets.find_or_add("database:" + key_.database)},
      user_budget_{env_.budgets.find_or_add("user:" + key_.user)},
      database_{env_.shared_databases.find_or_add(plan_.shared_name())},
      credentials_{plan_.credentials},
      last_startup_{env_.settings.none()},
      last_client_at_{env_.loop.now()} {
    set_bulkheads();
}

Backend::Environment Pool::backend_environment() {
    return {env_.loop,
            env_.background,
            env_.settings,
            env_.counters,
            counters_,
            *this,
            traits_,
            env_.statements,
            database_};
}

Pool::~Pool() {
    WEIR_CHECK(line_.empty());
    env_.limit_waits->withdraw(*this);
    cancellers_.clear();
    while (!backends_.empty()) {
        backends_.begin()->second->close();
    }
}

void Pool::release(Backend& backend) {
    counters_.add(PoolEvent::Release);
    backend.come_back();
}

void Pool::abandon(Backend& backend, Backend::Frame frame, Backend::Departure departure) {
    counters_.add(PoolEvent::Release);
    backend.abandon(frame, departure);
}

void Pool::cancel(Backend& backend, std::function<void()> on_done) {
    const std::size_t targets =
        plan_.settings.max == 0 ? backends_.size() : std::size_t{plan_.settings.max};
    if (cancellers_.size() >= kCancelsPerBackend * targets) {
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
    CancelTarget target{plan_.endpoint, {}, backend.process_id(), backend.cancel_secret()};
    if (backend.tls() != nullptr) {
        target.tls = plan_.tls;  // what needs to be hidden there needs to be hidden here
    }
    auto canceller = std::make_unique<Canceller>(env_.loop, std::move(target), std::move(finished));
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
        forget_failures();  // perhaps it lacked just this
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
        if (is_called(name, lower_case_name)) {
            return &value;
        }
    }
    return nullptr;
}

bool Pool::is_check_due(const Backend& idle, TimePoint now) const {
    const Duration check_after = plan_.settings.check_after;
    return is_doubted(idle) ||
           (check_after > Duration::zero() && now - idle.idle_since() > check_after);
}

/// @return whether its server has been missed since anybody heard of it over this connection
bool Pool::is_doubted(const Backend& idle) const {
    return idle.idle_since() < doubted_at_;
}

/// What the server reports to a session without settings of its own; what some client has set there
/// must never be told to others.
void Pool::learn_defaults(const Backend& backend) {
    if (defaults_.empty() && backend.generation() == generation_ && backend.startup()->empty() &&
        backend.applied() != nullptr && backend.applied()->empty()) {
        defaults_ = backend.parameters();
        ++defaults_version_;
    }
}

void Pool::on_backend_idle(Backend& backend) {
    if (last_failure_ && env_.loop.now() >= retry_at_ + kFailureCounts) {
        forget_failures();  // nobody has needed another one since
    }
    if (defaults_.empty()) {
        learn_defaults(backend);
    }
    const BudgetPtr freed = bulkheads_ == nullptr ? nullptr : bulkheads_->reserve_freed();
    if (hold_ == Hold::Paused || must_retire(backend, env_.loop.now()) ||
        (!key_.replication.empty() && line_.empty()) ||
        (hold_ == Hold::None && must_yield_place())) {
        give_reserved_back(freed);  // who waits for it may be one that a new backend is for
        backend.close();
    } else if (hold_ != Hold::Suspended && !hand_to_older_waiter(backend, freed)) {
        serve();
    }
    give_reserved_back(freed);
    settle_freed(freed);
}

void Pool::on_backend_moves(Backend& backend, BackendState to) {
    const BackendState from = backend.state();
    backend.unlink();
    if (bulkheads_ != nullptr && (to == BackendState::Idle || to == BackendState::Closed)) {
        bulkheads_->give_back(backend);
    }
    if (from == BackendState::Preparing && to == BackendState::Idle) {
        counters_.add(PoolEvent::CreateSuccess);
        settle_retried_login(RetryOutcome::Success);
        forget_failures();
    }
    if (to == BackendState::Idle && !plan_.settings.round_robin) {
        list(to).push_front(backend);  // most recently used first
    } else if (to != BackendState::Closed) {
        list(to).push_back(backend);
    }
}

void Pool::on_defaults_changed() {
    defaults_.clear();
    welcomes_.clear();
    ++defaults_version_;
}

bool Pool::must_retire(const Backend& backend, TimePoint now) {
    const unsigned open = budget_->open();
    const unsigned max = plan_.settings.max;
    const bool is_surplus =
        max != 0 && (open > max + plan_.settings.reserve || (open > max && eligible_count() == 0));
    return is_surplus || backend.generation() != generation_ || now >= backend.retire_at();
}

void Pool::on_cancel_wanted(Backend& backend) {
    cancel(backend, nullptr);
}

}  // namespace weir::pool
