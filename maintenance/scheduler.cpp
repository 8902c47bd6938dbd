#include "maintenance/scheduler.hpp"

#include "base/log.hpp"
#include "base/random.hpp"
#include "conf/suggest.hpp"
#include "maintenance/connect_options.hpp"
#include "maintenance/job_record.hpp"
#include "maintenance/runner_lock.hpp"

#include <pthread.h>

#include <algorithm>
#include <exception>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kConnectMost{30};  ///< the longest pause between two attempts
/// The longest sleep: the wall clock may be put forward.
constexpr seconds kSleepMost{10};

std::int64_t ms_of(WallTime when) {
    return when == WallTime::max() ? 0 : when.time_since_epoch().count();
}

TimerRules rules_of(const conf::MaintenanceSettings& settings) {
    // A zone was checked with the configuration; the system may have lost it since.
    const auto calendar = CronCalendar::in(settings.timezone);
    if (!calendar) {
        log::error("maintenance_timezone", {{"zone", settings.timezone}, {"used", "UTC"}});
    }
    TimerRules rules{.calendar = calendar ? *calendar : CronCalendar::in("UTC").value()};
    for (const std::string& text : settings.windows) {
        if (const auto window = conf::parse_time_window(text).value) {
            rules.windows.push_back(*window);
        }
    }
    rules.jitter = settings.jitter;
    return rules;
}

}  // namespace

Scheduler::Scheduler(conf::ConfigPtr config, SchedulerLinks links) : links_{std::move(links)} {
    take_config(std::move(config));  // here: who asks for the jobs next shall see them
    thread_ = std::thread{[this] {
        try {
            run();
        } catch (const std::exception& problem) {
            log::error("maintenance_ended", {{"why", problem.what()}});
        }
        const std::lock_guard lock{mutex_};
        has_ended_ = true;
        changed_.notify_all();
    }};
    pthread_setname_np(thread_.native_handle(), "weir-jobs");
}

Scheduler::~Scheduler() {
    stop({});
}

void Scheduler::apply(conf::ConfigPtr config) {
    const std::lock_guard lock{mutex_};
    new_config_ = std::move(config);
    is_called_ = true;
    changed_.notify_all();
}

control::Answer Scheduler::run_job(const std::string& name) {
    const std::vector<status::Job> jobs = board_.jobs();
    const auto job = std::find_if(
        jobs.begin(), jobs.end(), [&name](const status::Job& one) { return one.name == name; });
    if (job == jobs.end()) {
        std::vector<std::string_view> names;
        names.reserve(jobs.size());
        for (const status::Job& one : jobs) {
            names.emplace_back(one.name);
        }
        const std::string_view nearest = conf::nearest(name, names);
        return control::Answer::failed(
            sqlstate::kUndefinedObject,
            "no such job: " + name,
            jobs.empty()      ? "There are none: [maintenance] is not enabled."
            : nearest.empty() ? "SHOW JOBS lists them."
                              : "Perhaps \"" + std::string{nearest} + "\"; SHOW JOBS lists them.");
    }
    control::Answer answer;
    if (job->state == "running" || job->state == "held") {
        answer.notices.push_back(name + " is running already");
        return answer;
    }
    if (job->state == "standby") {
        answer.notices.push_back("another Weir has " + name + "; it runs here when that one ends");
    } else if (job->state == "unreachable") {
        answer.notices.push_back(name + " waits for the database: " + job->message);
    } else {
        answer.notices.push_back(name + " is started");
    }
    const std::lock_guard lock{mutex_};
    ordered_.insert(name);
    is_called_ = true;
    changed_.notify_all();
    return answer;
}

void Scheduler::ask_to_stop() {
    stop_.ask();
    const std::lock_guard lock{mutex_};
    is_called_ = true;
    changed_.notify_all();
}

void Scheduler::stop(milliseconds grace) {
    if (!thread_.joinable()) {
        return;
    }
    ask_to_stop();
    {
        std::unique_lock lock{mutex_};
        const bool has_ended = changed_.wait_for(lock, grace, [this] { return has_ended_; });
        if (!has_ended) {
            stop_.cut();
        }
    }
    thread_.join();
}

void Scheduler::run() {
    remember();
    while (!stop_.is_asked()) {
        take_news();
        const WallTime now = wall_now();
        if (Job* const job = next_job(now)) {
            serve(*job);
        } else if (wants_to_look(now)) {
            look_at_partitions();
        } else {
            wait(now);
        }
    }
    connection_.reset();
}

void Scheduler::remember() {
    if (!links_.last_successes) {
        return;
    }
    remembered_ = links_.last_successes();
    for (Job& job : jobs_) {
        learn_remembered(job);
    }
    show_all();
}

void Scheduler::learn_remembered(Job& job) const {
    if (const auto last = remembered_.find(job.spec.name); last != remembered_.end()) {
        job.timer.learn({.covers = last->second}, *rules_, random_unit());
        job.shown.success_unix_ms = ms_of(last->second);
    }
}

void Scheduler::take_news() {
    conf::ConfigPtr config;
    std::set<std::string> ordered;
    {
        const std::lock_guard lock{mutex_};
        is_called_ = false;
        config = std::exchange(new_config_, nullptr);
        ordered = std::exchange(ordered_, {});
    }
    if (config != nullptr) {
        take_config(std::move(config));
    }
    for (Job& job : jobs_) {
        if (ordered.contains(job.spec.name)) {
            job.is_wanted = true;
            job.look_again = {};
            connect_at_ = {};
        }
    }
}

/// Jobs of a new configuration; those that were there already keep what is known of them.
void Scheduler::take_config(conf::ConfigPtr config) {
    const WallTime now = wall_now();
    rules_ = rules_of(config->maintenance);
    if (links_.load) {
        governor_.emplace(config->maintenance.governor, links_.load);
    }
    std::vector<Job> jobs;
    for (JobSpec& spec : jobs_of(*config)) {
        const auto known = std::find_if(jobs_.begin(), jobs_.end(), [&spec](const Job& job) {
            return job.spec.name == spec.name;
        });
        if (known == jobs_.end()) {
            jobs.push_back(begin(spec, now));
            continue;
        }
        known->timer.change(spec.when, now, *rules_, random_unit());
        known->spec = std::move(spec);
        jobs.push_back(std::move(*known));
    }
    jobs_ = std::move(jobs);
    connection_.reset();  // it may lead elsewhere now
    connect_at_ = look_at_ = {};
    config_ = std::move(config);
    board_.show_partitioned({});
    show_all();
}

Scheduler::Job Scheduler::begin(const JobSpec& spec, WallTime now) const {
    Job job{.spec = spec, .timer = JobTimer{spec.when}};
    job.timer.begin(now, *rules_, random_unit());
    learn_remembered(job);
    return job;
}

/// @return when something is to be done about it
WallTime Scheduler::due(const Job& job, WallTime now) const {
    if (job.is_new) {
        return {};
    }
    const WallTime due = job.is_wanted ? WallTime{} : job.timer.due(now, *rules_);
    return job.is_standby ? std::max(due, job.look_again) : due;
}

/// @return what comes next of what is due: what was ordered, then what has waited longest
Scheduler::Job* Scheduler::next_job(WallTime now) {
    if (now < connect_at_) {
        return nullptr;
    }
    const auto rank = [](const Job& job) {
        return job.is_wanted || job.is_new ? WallTime{} : job.timer.at();
    };
    Job* next = nullptr;
    for (Job& job : jobs_) {
        if (due(job, now) <= now && (next == nullptr || rank(job) < rank(*next))) {
            next = &job;
        }
    }
    return next;
}

/// Until something may be due, at most; closes a connection that nobody needs.
void Scheduler::wait(WallTime now) {
    if (!rules_->windows.empty()) {
        show_all();  // one that was idle may wait for a window now
    }
    WallTime until = now + kSleepMost;
    for (const Job& job : jobs_) {
        until = std::min(until, std::max(due(job, now), connect_at_));
    }
    if (!config_->partitions.empty()) {
        until = std::min(until, std::max(look_at_, connect_at_));
    }
    if (connection_ && Clock::now() - used_at_ >= kIdle) {
        connection_.reset();
    }
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, std::max(until - now, milliseconds{1}), [this] { return is_called_; });
}

void Scheduler::serve(Job& job) {
    if (!connect()) {
        return;
    }
    if (job.is_new) {
        learn_all();
    }
    if (const WallTime now = wall_now(); due(job, now) <= now) {
        run_locked(job);
    }
}

bool Scheduler::connect() {
    if (connection_ && connection_->is_alive()) {
        return true;
    }
    connection_.reset();
    const auto options = connect_options(*config_);
    if (!options) {
        fail_to_connect(options.error());
        return false;
    }
    auto opened = Connection::open(*options, &stop_);
    if (!opened) {
        fail_to_connect(opened.error());
        return false;
    }
    connection_.emplace(std::move(*opened));
    used_at_ = Clock::now();
    attempts_ = 0;
    connect_at_ = {};
    if (!std::exchange(problem_, {}).empty()) {
        log::info("maintenance_connected");
        show_all();
    }
    keeps_records_ = true;
    if (const Answer<void> records = prepare_job_records(*connection_); !records) {
        forget_records(records.error());
    }
    return true;
}

/// They cannot be had: until the next connection this Weir knows of its own runs alone.
void Scheduler::forget_records(const Problem& problem) {
    keeps_records_ = false;
    const std::string line = problem.line();
    if (line != std::exchange(records_problem_, line)) {
        log::warn("job_records",
                  {{"why", line},
                   {"effect", "each Weir knows of its own runs alone"},
                   {"right",
                    "CREATE SCHEMA weir AUTHORIZATION <the user of maintenance>, or GRANT SELECT, "
                    "INSERT, UPDATE ON weir.job TO it"}});
    }
}

/// There is none, or it is of no use: tried again after growing pauses.
void Scheduler::fail_to_connect(const Problem& problem) {
    constexpr unsigned kDoublings = 5;
    connection_.reset();
    const seconds pause = std::min(kConnectMost, seconds{1U << std::min(attempts_, kDoublings)});
    ++attempts_;
    connect_at_ = wall_now() + pause;
    const std::string line = problem.line();
    if (line != problem_) {
        log::warn("maintenance_unreachable", {{"why", line}});
        problem_ = line;
    }
    show_all();
}

/// What other Weirs, and this one before, have done of jobs that nothing is known of.
void Scheduler::learn_all() {
    std::map<std::string, JobMemory> records;
    if (keeps_records_) {
        auto read = read_job_records(*connection_);
        if (read) {
            records = std::move(*read);
        } else if (connection_->is_alive()) {
            forget_records(read.error());
        } else {
            fail_to_connect(read.error());
            return;
        }
    }
    for (Job& job : jobs_) {
        const auto record = records.find(job.spec.name);
        if (job.is_new && record != records.end()) {
            job.timer.learn(record->second, *rules_, random_unit());
        }
        job.is_new = false;
        refresh(job);
    }
}

/// Runs it, where it is nobody else's.
void Scheduler::run_locked(Job& job) {
    used_at_ = Clock::now();
    const Answer<Rows> recovery = connection_->run("SELECT pg_catalog.pg_is_in_recovery()");
    if (!recovery) {
        fail_to_connect(recovery.error());
        return;
    }
    if (recovery->flag(0, 0)) {
        fail_to_connect({"the server is a standby now", {}, {}});
        return;
    }
    const Answer<RunnerLock> lock = RunnerLock::try_take(*connection_, job.spec.name);
    if (!lock) {
        fail_to_connect(lock.error());
    } else if (!lock->is_held()) {
        stand_by(job);
    } else if (is_still_due(job)) {
        run_now(job);
    }
}

/// Another Weir may have run it while this one looked elsewhere.
bool Scheduler::is_still_due(Job& job) {
    job.is_standby = false;
    if (keeps_records_) {
        const auto record = read_job_record(*connection_, job.spec.name);
        if (!record) {
            forget_records(record.error());
        } else if (job.is_unsaved && (!*record || (*record)->covers <= job.timer.memory().covers)) {
            save(job, {JobResult::End::Failed, 0, job.message});  // what is known is from before
            job.is_unsaved = false;
        } else if (*record && **record != job.timer.memory()) {
            job.timer.learn(**record, *rules_, random_unit());
        }
    }
    const WallTime now = wall_now();
    if (due(job, now) <= now) {
        return true;
    }
    job.shown.outcome = "elsewhere";
    job.message = "another Weir has run it";
    refresh(job);
    return false;
}

void Scheduler::stand_by(Job& job) {
    log::debug("job_standby", {{"job", job.spec.name}});
    job.is_standby = true;
    job.look_again = wall_now() + kLookAgain;
    refresh(job);
}

TimePoint Scheduler::deadline(bool heeds_windows) const {
    const TimePoint deadline = deadline_after(Clock::now(), config_->maintenance.max_run);
    const WallTime now = wall_now();
    if (!heeds_windows || !rules_->calendar.is_open(rules_->windows, now)) {
        return deadline;
    }
    const WallTime closes = rules_->calendar.closes(rules_->windows, now);
    return closes == WallTime::max() ? deadline : std::min(deadline, Clock::now() + (closes - now));
}

void Scheduler::run_now(Job& job) {
    const WallTime began = wall_now();
    const bool was_wanted = job.is_wanted;
    JobResult result = carry_out(job);
    used_at_ = Clock::now();
    connection_->reset_session();  // what a job's own SQL has left is not for the next one
    if (job.spec.kind == "partition" || job.spec.kind == "retention") {
        look_at_ = {};
    }
    if (result.end == JobResult::End::Standby) {
        job.is_wanted = was_wanted;
        stand_by(job);
        return;
    }
    if (result.end == JobResult::End::Failed && stop_.is_cut()) {
        result.end = JobResult::End::Later;  // it was we who cancelled it
    } else if (result.end == JobResult::End::Later && !connection_->is_alive() &&
               !stop_.is_asked()) {
        result.end = JobResult::End::Failed;  // it may be its own doing, and would be again
        result.text += result.text.empty() ? "" : "; ";
        result.text += "the connection was lost";
    }
    const unsigned failures = job.timer.memory().failures;
    job.timer.ended(result.end, began, wall_now(), *rules_, random_unit());
    job.is_unsaved = !connection_->is_alive();
    if (keeps_records_ && !job.is_unsaved) {
        save(job, result);
    }
    note_end(job, result, began);
    tell_end(job, result, wall_now() - began, failures);
}

void Scheduler::save(const Job& job, const JobResult& result) {
    const Answer<void> written =
        write_job_record(*connection_, job.spec.name, job.timer.memory(), result);
    if (!written && !stop_.is_cut()) {
        forget_records(written.error());
    }
}

JobResult Scheduler::carry_out(Job& job) {
    status::Job running = job.shown;
    running.state = "running";
    running.message.clear();
    board_.show(running);
    const bool heeds_windows = !std::exchange(job.is_wanted, false);
    BoardReporter reporter{board_, job.spec.name};
    JobContext context{.db = *connection_,
                       .settings = config_->maintenance,
                       .stop = stop_,
                       .reporter = reporter,
                       .deadline = deadline(heeds_windows),
                       .governor = governor_ ? &*governor_ : nullptr};
    try {
        return job.spec.run(context);
    } catch (const std::exception& problem) {
        return {JobResult::End::Failed, 0, problem.what()};
    }
}

}  // namespace weir::maintenance
