#include "maintenance/maintain.hpp"

#include "base/clock.hpp"

#include <chrono>
#include <map>
#include <string_view>

namespace weir::maintenance {

namespace {

using End = JobResult::End;

/// @return how much of a person's attention it takes
int weight_of(End end) {
    switch (end) {
        case End::Skipped: return 0;
        case End::Done: return 1;
        case End::Standby: return 2;
        case End::Later:
        case End::PutOff: return 3;
        case End::Failed: return 4;
    }
    return 0;
}

/// @return what it says of the table that the step is named after
std::string_view text_of(const MaintainStep& step, const JobResult& result) {
    std::string_view text = result.text;
    const std::size_t space = step.name.find(' ');
    if (space != std::string::npos) {
        const std::string subject = step.name.substr(space + 1) + ": ";
        if (text.starts_with(subject)) {
            text.remove_prefix(subject.size());
        }
    }
    return text;
}

std::string line_of(const MaintainStep& step,
                    const JobResult& result,
                    std::chrono::milliseconds took) {
    std::string line = step.name + ": " + std::string{name_of(result.end)};
    if (const std::string_view text = text_of(step, result); !text.empty()) {
        line.append(", ").append(text);
    }
    return line + " (" + std::to_string(took.count()) + " ms)";
}

std::string summary_of(const std::map<int, std::pair<End, std::size_t>>& ends) {
    std::string text;
    for (const auto& [weight, counted] : ends) {
        text += (text.empty() ? "" : ", ") + std::to_string(counted.second) + " " +
                std::string{name_of(counted.first)};
    }
    return text;
}

}  // namespace

JobResult maintain(JobContext& job, const std::vector<MaintainStep>& steps) {
    JobResult all{End::Skipped, 0, {}};
    std::map<int, std::pair<End, std::size_t>> ends;
    for (const MaintainStep& step : steps) {
        if (job.should_end()) {
            all.end = weight_of(all.end) < weight_of(End::Later) ? End::Later : all.end;
            job.reporter.note(step.name + ": not begun");
            continue;
        }
        const TimePoint began = Clock::now();
        const JobResult result = step.run(job);
        const auto took =
            std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began);
        const std::string line = line_of(step, result, took);
        if (result.end == End::Failed) {
            job.reporter.warn(line);
        } else {
            job.reporter.note(line);
        }
        const int weight = weight_of(result.end);
        ends.try_emplace(weight, result.end, 0).first->second.second += 1;
        all.end = weight > weight_of(all.end) ? result.end : all.end;
        all.rows += result.rows;
    }
    all.text = std::to_string(steps.size()) + " steps: " + summary_of(ends);
    return all;
}

}  // namespace weir::maintenance
