#include "maintenance/job.hpp"

#include <thread>

namespace weir::maintenance {

namespace {

constexpr std::chrono::milliseconds kLookAgain{250};

}  // namespace

bool JobContext::should_end() const {
    return stop.is_asked() || Clock::now() >= deadline || !db.is_alive();
}

void JobContext::hold_back() const {
    if (governor == nullptr || is_dry) {
        return;
    }
    std::string why = governor->why_wait();
    if (why.empty()) {
        return;
    }
    reporter.held_back(why);
    while (!why.empty() && !should_end()) {
        std::this_thread::sleep_for(kLookAgain);
        why = governor->why_wait();
    }
    reporter.held_back({});
}

Answer<void> JobContext::change(const std::string& sql, std::string_view locks) const {
    reporter.statement(sql, locks);
    if (is_dry) {
        return {};
    }
    const Answer<Rows> done = db.run(sql);
    return done ? Answer<void>{} : Answer<void>{weir::failed(done.error())};
}

std::string_view name_of(JobResult::End end) {
    switch (end) {
        case JobResult::End::Done: return "done";
        case JobResult::End::Later:
        case JobResult::End::PutOff: return "later";
        case JobResult::End::Standby: return "standby";
        case JobResult::End::Skipped: return "skipped";
        case JobResult::End::Failed: return "failed";
    }
    return "";
}

}  // namespace weir::maintenance
