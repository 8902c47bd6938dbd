// The part of Scheduler that says what becomes of jobs: to the board, the log and the ledger.

#include "base/log.hpp"
#include "maintenance/scheduler.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

namespace weir::maintenance {

namespace {

using std::chrono::seconds;

constexpr seconds kLongRun{10};  ///< is worth a line in the log, however often it comes

std::int64_t ms_of(WallTime when) {
    return when == WallTime::max() ? 0 : when.time_since_epoch().count();
}

std::int64_t us_of(WallTime when) {
    return std::chrono::microseconds{when.time_since_epoch()}.count();
}

bool is_success(JobResult::End end) {
    return end == JobResult::End::Done || end == JobResult::End::Skipped;
}

}  // namespace

void Scheduler::note_end(Job& job, const JobResult& result, WallTime began) {
    const WallTime ended = wall_now();
    status::Job& shown = job.shown;
    shown.began_unix_ms = ms_of(began);
    shown.ended_unix_ms = ms_of(ended);
    shown.outcome = name_of(result.end);
    shown.rows = result.rows;
    ++shown.runs[shown.outcome];
    shown.rows_total += static_cast<std::uint64_t>(std::max<std::int64_t>(result.rows, 0));
    job.message = result.text;
    if (is_success(result.end)) {
        shown.success_unix_ms = ms_of(ended);
        remembered_[job.spec.name] = began;
    }
    refresh(job);
    if (links_.on_ended) {
        links_.on_ended({.job = job.spec.name,
                         .began_us = us_of(began),
                         .ended_us = us_of(ended),
                         .outcome = shown.outcome,
                         .rows = result.rows,
                         .text = result.text});
    }
}

/// @param failures in a row, before this run
void Scheduler::tell_end(const Job& job,
                         const JobResult& result,
                         std::chrono::milliseconds took,
                         unsigned failures) {
    const std::string& name = job.spec.name;
    const unsigned now = job.timer.memory().failures;
    if (result.end == JobResult::End::Failed) {
        log::warn("job_failed", {{"job", name}, {"why", result.text}, {"failures", now}});
        if (failures == 0) {
            tell(job, events::Severity::Warning, result.text);
        }
        if (job.timer.is_parked() && failures < JobTimer::kFailuresMax) {
            log::error("job_parked", {{"job", name}, {"why", result.text}, {"failures", now}});
            tell(job,
                 events::Severity::Error,
                 "parked after " + std::to_string(now) + " failures: " + result.text);
        }
        return;
    }
    if (is_success(result.end) && failures != 0) {
        log::info("job_recovered", {{"job", name}, {"failures", failures}});
        tell(job,
             events::Severity::Info,
             "well again after " + std::to_string(failures) + " failures");
    }
    const bool is_rare = job.spec.when.line.has_value();
    log::write(is_rare || took >= kLongRun ? log::Level::Info : log::Level::Debug,
               "job_ended",
               {{"job", name},
                {"outcome", name_of(result.end)},
                {"rows", result.rows},
                {"ms", took.count()},
                {"said", result.text}});
}

void Scheduler::tell(const Job& job, events::Severity severity, std::string what) const {
    if (links_.events != nullptr) {
        links_.events->note(events::Event{.kind = "job",
                                          .object = job.spec.name,
                                          .severity = severity,
                                          .what = std::move(what),
                                          .data = ""});
    }
}

void Scheduler::refresh(Job& job) {
    const WallTime now = wall_now();
    const WallTime due = job.timer.due(now, *rules_);
    status::Job& shown = job.shown;
    shown.name = job.spec.name;
    shown.kind = job.spec.kind;
    shown.schedule = job.spec.when.text;
    shown.next_unix_ms = ms_of(due);
    shown.failures = job.timer.memory().failures;
    shown.message = problem_.empty() ? job.message : problem_;
    if (!problem_.empty()) {
        shown.state = "unreachable";
    } else if (job.is_standby) {
        shown.state = "standby";
    } else if (job.timer.is_parked()) {
        shown.state = "parked";
    } else if (shown.failures != 0) {
        shown.state = "failing";
    } else {
        shown.state = job.timer.at() <= now && due > now ? "waiting" : "idle";
    }
    board_.show(shown);
}

/// All of them, with those that are new and without those that are gone.
void Scheduler::show_all() {
    std::vector<status::Job> shown;
    for (Job& job : jobs_) {
        refresh(job);
        shown.push_back(job.shown);
    }
    board_.show_all(std::move(shown));
}

}  // namespace weir::maintenance
