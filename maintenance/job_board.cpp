#include "maintenance/job_board.hpp"

#include "base/log.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace weir::maintenance {

void JobBoard::show_all(std::vector<status::Job> jobs) {
    const std::lock_guard lock{mutex_};
    jobs_ = std::move(jobs);
    phase_.clear();
}

void JobBoard::show_partitioned(std::vector<status::Partitioned> tables) {
    const std::lock_guard lock{mutex_};
    partitioned_ = std::move(tables);
}

std::vector<status::Partitioned> JobBoard::partitioned() const {
    const std::lock_guard lock{mutex_};
    return partitioned_;
}

void JobBoard::show(const status::Job& job) {
    const std::lock_guard lock{mutex_};
    for (status::Job& shown : jobs_) {
        if (shown.name == job.name) {
            shown = job;
        }
    }
    phase_.clear();
}

status::Job* JobBoard::find(const std::string& job) {
    const auto found = std::find_if(
        jobs_.begin(), jobs_.end(), [&job](const status::Job& one) { return one.name == job; });
    return found == jobs_.end() ? nullptr : &*found;
}

void JobBoard::held_back(const std::string& job, std::string_view why) {
    const std::lock_guard lock{mutex_};
    if (status::Job* shown = find(job); shown != nullptr) {
        shown->state = why.empty() ? "running" : "held";
        shown->message = why;
    }
}

void JobBoard::progress(const std::string& job, const Progress& progress, TimePoint now) {
    const std::lock_guard lock{mutex_};
    status::Job* shown = find(job);
    if (shown == nullptr) {
        return;
    }
    if (progress.phase != phase_ || progress.done < phase_first_) {
        phase_ = progress.phase;
        phase_began_ = now;
        phase_first_ = progress.done;
    }
    shown->phase = progress.phase;
    shown->unit = progress.unit;
    shown->done = progress.done;
    shown->total = progress.total;
    shown->per_second.reset();
    shown->left_s.reset();
    const double seconds = std::chrono::duration<double>(now - phase_began_).count();
    if (progress.done > phase_first_ && seconds > 0) {
        shown->per_second = static_cast<double>(progress.done - phase_first_) / seconds;
        if (progress.total >= progress.done) {
            shown->left_s = std::llround(static_cast<double>(progress.total - progress.done) /
                                         *shown->per_second);
        }
    }
}

std::vector<status::Job> JobBoard::jobs() const {
    const std::lock_guard lock{mutex_};
    return jobs_;
}

void BoardReporter::progress(const Progress& progress) {
    board_.progress(job_, progress, Clock::now());
}

void BoardReporter::held_back(std::string_view why) {
    board_.held_back(job_, why);
    Reporter::held_back(why);
}

void BoardReporter::note(std::string_view line) {
    log::info("job_note", {{"job", job_}, {"note", line}});
}

void BoardReporter::warn(std::string_view line) {
    log::warn("job_warning", {{"job", job_}, {"warning", line}});
}

void BoardReporter::statement(std::string_view sql, std::string_view locks) {
    log::debug("job_statement", {{"job", job_}, {"sql", sql}, {"locks", locks}});
}

}  // namespace weir::maintenance
