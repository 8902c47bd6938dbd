#include "proxy/control.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace weir::proxy {

using control::Answer;
using control::Order;
using control::Verb;

namespace {

/// How often an order that waits is looked at.
constexpr std::chrono::milliseconds kLookEvery{20};
constexpr std::string_view kPgbouncer = "pgbouncer";

Answer bad_argument(std::string message) {
    return Answer::failed(sqlstate::kInvalidParameterValue, std::move(message));
}

Answer wrong_state(std::string message) {
    return Answer::failed(sqlstate::kObjectNotInPrerequisiteState, std::move(message));
}

std::string_view verb_text(Verb verb) {
    switch (verb) {
        case Verb::Pause: return "pause";
        case Verb::Resume: return "resume";
        case Verb::Disable: return "disable";
        case Verb::Enable: return "enable";
        case Verb::Reconnect: return "reconnect";
        case Verb::Kill: return "kill";
        case Verb::KillClient: return "kill_client";
        case Verb::ResetBreaker: return "reset_breaker";
        case Verb::ClearCache: return "clear_cache";
        case Verb::RunJob: return "run_job";
        case Verb::Suspend: return "suspend";
        case Verb::Shutdown: return "shutdown";
        case Verb::WaitClose: return "wait_close";
        case Verb::Reload: return "reload";
        case Verb::Set: return "set";
    }
    return "";
}

/// PgBouncer's word for what cannot be done to the admin database.
std::string_view deed(Verb verb) {
    return verb == Verb::WaitClose ? "wait in" : verb_text(verb);
}

}  // namespace

std::uint64_t Control::give(Order order, Done done) {
    const std::uint64_t id = next_id_.fetch_add(1);
    loop_.post(
        [this, id, order = std::move(order), done = std::move(done)] { begin(id, order, done); });
    return id;
}

void Control::withdraw(std::uint64_t order) {
    loop_.post([this, order] {
        const Waiting* waiting = find(order);
        if (waiting == nullptr) {
            return;
        }
        const Waiting left = *waiting;
        finish(order, Answer::failed(sqlstate::kQueryCanceled, "canceled by user request"));
        give_up(left);
    });
}

/// Undoes what nobody waits for any more, unless somebody else waits for the same.
void Control::give_up(const Waiting& waiting) {
    const Verb verb = waiting.order.verb;
    if (verb != Verb::Pause && verb != Verb::Suspend) {
        return;
    }
    const bool is_shared =
        std::any_of(waiting_.begin(), waiting_.end(), [&waiting](const Waiting& other) {
            return other.order.verb == waiting.order.verb &&
                   other.order.database == waiting.order.database;
        });
    if (!is_shared) {
        end_hold(waiting.order.database, "its order was withdrawn");
    }
}

void Control::begin(std::uint64_t id, const Order& order, Done done) {
    log::info("admin_order",
              {{"order", verb_text(order.verb)},
               {"database", order.database},
               {"client", order.client},
               {"job", order.job},
               {"key", order.key}});
    if (Answer problem = problem_with(order); !problem.is_done) {
        done(std::move(problem));
        return;
    }
    switch (order.verb) {
        case Verb::Pause: pause(id, order, std::move(done)); return;
        case Verb::Resume: done(resume(order)); return;
        case Verb::Disable:
        case Verb::Enable: switch_database(order, std::move(done)); return;
        case Verb::Reconnect: reconnect(order, std::move(done)); return;
        case Verb::Kill: kill(order, std::move(done)); return;
        case Verb::KillClient: kill_client(order, std::move(done)); return;
        case Verb::ResetBreaker: done(host_.reset_breaker(order.member)); return;
        case Verb::ClearCache: done(host_.clear_cache(order)); return;
        case Verb::RunJob: done(host_.run_job(order.job)); return;
        case Verb::Suspend: suspend(id, order, std::move(done)); return;
        case Verb::Shutdown: done(host_.shut_down(order.shutdown)); return;
        case Verb::WaitClose: wait(id, order, std::move(done)); return;
        case Verb::Reload: host_.reload(std::move(done)); return;
        case Verb::Set: host_.set(order.key, order.value, std::move(done)); return;
    }
}

Answer Control::problem_with(const Order& order) const {
    const bool is_paused = holds_->is_paused || holds_->is_suspended;
    const bool needs_peace =
        order.verb == Verb::Pause || order.verb == Verb::Suspend || order.verb == Verb::Kill;
    if (needs_peace && is_paused) {
        return wrong_state("already suspended/paused");
    }
    if ((needs_peace || order.verb == Verb::Resume) && host_.is_shutting_down()) {
        return Answer::failed(sqlstate::kCannotConnectNow, "pooler is shutting down");
    }
    if (order.verb == Verb::Suspend && !holds_->paused.empty()) {
        return wrong_state("cannot suspend with paused databases");
    }
    if (order.database.empty()) {
        return {};
    }
    const conf::ConfigPtr config = host_.config();
    if (order.database == config->admin.database || order.database == kPgbouncer) {
        return bad_argument("cannot " + std::string{deed(order.verb)} +
                            " admin db: " + order.database);
    }
    if (order.database == "*" || config->find_database(order.database) == nullptr) {
        return Answer::failed(sqlstate::kInvalidCatalogName, "no such database: " + order.database);
    }
    return {};
}

void Control::pause(std::uint64_t id, const Order& order, Done done) {
    Holds holds = *holds_;
    if (order.database.empty()) {
        holds.is_paused = true;
    } else {
        holds.paused.insert(order.database);
    }
    if (order.timeout) {
        ends_at_[order.database] = loop_.now() + *order.timeout;
    }
    wait(id, order, std::move(done));
    publish(holds, [this, id] { tell_told(id); });
}

void Control::suspend(std::uint64_t id, const Order& order, Done done) {
    Holds holds = *holds_;
    holds.is_suspended = true;
    wait(id, order, std::move(done));
    find(id)->due = deadline_after(loop_.now(), host_.config()->admin.suspend_timeout);
    publish(holds, [this, id] { tell_told(id); });
}

/// WAIT_CLOSE has nothing to tell, but what was ordered before it is to be known everywhere.
void Control::wait(std::uint64_t id, const Order& order, Done done) {
    waiting_.push_back(Waiting{id, order, std::move(done)});
    if (order.verb == Verb::WaitClose) {
        publish(Holds{*holds_}, [this, id] { tell_told(id); });
    }
}

void Control::tell_told(std::uint64_t id) {
    if (Waiting* waiting = find(id); waiting != nullptr) {
        waiting->is_told = true;
        look();
    }
}

Answer Control::resume(const Order& order) {
    if (order.database.empty()) {
        if (!holds_->is_paused && !holds_->is_suspended) {
            return wrong_state("pooler is not paused/suspended");
        }
    } else if (!holds_->paused.contains(order.database)) {
        return wrong_state("database " + order.database + " is not paused");
    }
    end_hold(order.database, "RESUME");
    return {};
}

/// Ends PAUSE (of one database, or the one of all) or SUSPEND; whoever still waits for it is told
/// why.
void Control::end_hold(const std::string& database, const std::string& why) {
    Holds holds = *holds_;
    if (database.empty()) {
        holds.is_paused = false;
        holds.is_suspended = false;
    } else {
        holds.paused.erase(database);
    }
    ends_at_.erase(database);
    std::vector<std::uint64_t> ended;
    for (const Waiting& waiting : waiting_) {
        const Verb verb = waiting.order.verb;
        if ((verb == Verb::Pause || verb == Verb::Suspend) && waiting.order.database == database) {
            ended.push_back(waiting.id);
        }
    }
    publish(holds, nullptr);
    for (const std::uint64_t id : ended) {
        finish(id, Answer::failed(sqlstate::kQueryCanceled, "ended before it was done: " + why));
    }
    schedule();
}

void Control::switch_database(const Order& order, Done done) {
    Holds holds = *holds_;
    if (order.verb == Verb::Disable) {
        holds.disabled.insert(order.database);
    } else {
        holds.disabled.erase(order.database);
    }
    publish(holds, [done = std::move(done)] { done({}); });
}

void Control::reconnect(const Order& order, Done done) {
    Holds holds = *holds_;
    ++(order.database.empty() ? holds.reconnects_of_all : holds.reconnects[order.database]);
    publish(holds, [done = std::move(done)] { done({}); });
}

void Control::kill(const Order& order, Done done) {
    Holds holds = *holds_;
    if (order.database.empty()) {
        holds.is_paused = true;
    } else {
        holds.paused.insert(order.database);
    }
    publish(holds, nullptr);
    tell_all([database = order.database](Worker& worker) { worker.kill(database); },
             [done = std::move(done)] { done({}); });
}

void Control::kill_client(const Order& order, Done done) {
    auto was_there = std::make_shared<std::atomic<bool>>(false);
    tell_all(
        [id = order.client, was_there](Worker& worker) {
            if (worker.kill_client(id)) {
                was_there->store(true);
            }
        },
        [done = std::move(done), was_there] {
            done(was_there->load()
                     ? Answer{}
                     : Answer::failed(sqlstate::kUndefinedObject, "client not found"));
        });
}

/// @param then runs on this loop once every worker obeys; may be empty
void Control::publish(const Holds& holds, const std::function<void()>& then) {
    holds_ = std::make_shared<const Holds>(holds);
    tell_all([now = holds_](Worker& worker) { worker.obey(now); }, then);
}

void Control::tell_all(const Task& task, const std::function<void()>& then) {
    const auto count_one = [left = std::make_shared<std::size_t>(shared_.workers.size()), then] {
        if (--*left == 0 && then) {
            then();
        }
    };
    for (const auto& worker : shared_.workers) {
        worker->post([this, task, count_one](Worker& target) {
            task(target);
            loop_.post(count_one);
        });
    }
}

Control::Waiting* Control::find(std::uint64_t id) {
    const auto found = std::find_if(
        waiting_.begin(), waiting_.end(), [id](const Waiting& one) { return one.id == id; });
    return found == waiting_.end() ? nullptr : &*found;
}

void Control::finish(std::uint64_t id, Answer answer) {
    const auto found = std::find_if(
        waiting_.begin(), waiting_.end(), [id](const Waiting& one) { return one.id == id; });
    if (found == waiting_.end()) {
        return;
    }
    const Done done = std::move(found->done);
    waiting_.erase(found);
    done(std::move(answer));
}

void Control::look() {
    const TimePoint now = loop_.now();
    std::vector<std::uint64_t> ids;
    for (const Waiting& waiting : waiting_) {
        ids.push_back(waiting.id);
    }
    for (const std::uint64_t id : ids) {
        if (Waiting* waiting = find(id); waiting != nullptr && waiting->is_told) {
            look_at(*waiting, now);
        }
    }
    end_overdue(now);
    leave_nobody_suspended();
    schedule();
}

void Control::look_at(Waiting& waiting, TimePoint now) {
    switch (waiting.order.verb) {
        case Verb::Pause:
            if (open_backends(waiting.order.database) == 0) {
                finish(waiting.id, {});
            }
            return;
        case Verb::WaitClose:
            ask_workers(waiting, [database = waiting.order.database](Worker& worker) {
                return worker.stale_backends(database) == 0;
            });
            return;
        case Verb::Suspend:
            if (now >= waiting.due) {
                log::warn("suspend_timed_out");
                waiting.due = kNever;
                tell_all([](Worker& worker) { worker.drop_unflushed(); }, nullptr);
            }
            ask_workers(waiting, [](Worker& worker) { return worker.is_flushed(); });
            return;
        default: return;
    }
}

/// Also those that are on their way from one worker to another.
unsigned Control::open_backends(const std::string& database) const {
    constexpr std::string_view kPrefix = "database:";
    return database.empty() ? shared_.budgets.open_below(kPrefix)
                            : shared_.budgets.open_of(std::string{kPrefix} + database);
}

void Control::ask_workers(Waiting& waiting, std::function<bool(Worker&)> is_ready) {
    if (std::exchange(waiting.is_asking, true)) {
        return;
    }
    auto all_ready = std::make_shared<std::atomic<bool>>(true);
    tell_all(
        [all_ready, is_ready = std::move(is_ready)](Worker& worker) {
            if (!is_ready(worker)) {
                all_ready->store(false);
            }
        },
        [this, all_ready, id = waiting.id] {
            if (all_ready->load()) {
                finish(id, {});
            } else if (Waiting* still = find(id); still != nullptr) {
                still->is_asking = false;
            }
        });
}

void Control::end_overdue(TimePoint now) {
    std::vector<std::string> overdue;
    for (const auto& [database, due] : ends_at_) {
        if (now >= due) {
            overdue.push_back(database);
        }
    }
    for (const std::string& database : overdue) {
        log::info("pause_timed_out", {{"database", database}});
        end_hold(database, "its TIMEOUT has passed");
    }
}

/// As in PgBouncer: with the last console goes who could say RESUME.
void Control::leave_nobody_suspended() {
    if (!holds_->is_suspended) {
        return;
    }
    const bool is_watched = std::any_of(shared_.workers.begin(),
                                        shared_.workers.end(),
                                        [](const auto& worker) { return worker->consoles() > 0; });
    if (!is_watched) {
        log::warn("resumed", {{"reason", "admin disappeared when suspended, doing RESUME"}});
        end_hold({}, "the last admin has left");
    }
}

void Control::schedule() {
    TimePoint due = kNever;
    if (!waiting_.empty() || holds_->is_suspended) {
        due = loop_.now() + kLookEvery;
    }
    for (const auto& [database, ends] : ends_at_) {
        due = std::min(due, ends);
    }
    loop_.set_deadline(tick_, due);
}

void Control::on_deadline(net::Deadline& /*deadline*/) {
    look();
}

}  // namespace weir::proxy
