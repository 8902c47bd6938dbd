#include "maintenance/care_item.hpp"

#include <cstddef>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

struct Tally {
    std::int64_t done = 0;
    std::size_t failed = 0;
    std::size_t put_off = 0;
    std::size_t left_to_people = 0;
};

/// @return whether it was a lock that somebody else has
bool is_put_off(const Problem& problem) {
    return problem.is(state::kLockNotAvailable) || problem.is(state::kDeadlock) ||
           problem.is(state::kObjectInUse);
}

void carry_out_one(JobContext& job, const CareItem& item, CareStep step, Tally& tally) {
    if (item.sql.empty()) {
        job.reporter.warn(item.object + ": " + item.why);
        ++tally.left_to_people;
        return;
    }
    const Answer<void> done = step(job, item);
    if (done) {
        ++tally.done;
        job.reporter.note(item.object + ": " + item.why + (job.is_dry ? "" : ": done"));
        return;
    }
    const bool waits = is_put_off(done.error());
    ++(waits ? tally.put_off : tally.failed);
    job.reporter.warn(item.object + ": " + (waits ? "put off: " : "") + done.error().line());
}

}  // namespace

std::string some_of(const std::vector<std::string>& names) {
    constexpr std::size_t kShown = 10;
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < kShown; ++i) {
        text += (i == 0 ? "" : ", ") + names[i];
    }
    return names.size() > kShown ? text + " and " + std::to_string(names.size() - kShown) + " more"
                                 : text;
}

JobResult carry_out(JobContext& job,
                    const CarePlan& plan,
                    const std::string& phase,
                    const std::string& unit,
                    CareStep step) {
    if (!plan.forbidden.empty()) {
        job.reporter.note("left alone, because they belong to others: " + some_of(plan.forbidden));
    }
    Tally tally;
    JobResult result;
    std::int64_t at = 0;
    for (const CareItem& item : plan.items) {
        job.hold_back();
        if (job.should_end()) {
            result.end = End::Later;
            break;
        }
        job.reporter.progress({phase, at++, static_cast<std::int64_t>(plan.items.size()), unit});
        carry_out_one(job, item, step, tally);
    }
    result.rows = tally.done;
    result.text =
        std::to_string(tally.done) + " of " + std::to_string(plan.items.size()) + " " + unit;
    result.text += tally.put_off > 0 ? ", " + std::to_string(tally.put_off) + " put off" : "";
    result.text += tally.failed > 0 ? ", " + std::to_string(tally.failed) + " failed" : "";
    if (tally.failed > 0 && tally.failed == plan.items.size()) {
        result.end = End::Failed;
    } else if (tally.put_off > 0 && tally.done == 0 && result.end == End::Done) {
        result.end = End::PutOff;
    } else if (plan.items.empty()) {
        result = {End::Skipped, 0, "no " + unit + " need it"};
    }
    return result;
}

}  // namespace weir::maintenance
