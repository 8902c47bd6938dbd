#pragma once

#include "base/events.hpp"
#include "ledger/job_run.hpp"
#include "ledger/recorder.hpp"
#include "ledger/statement.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::ledger {

struct NotedEvent {
    std::int64_t t = 0;  ///< µs since 1970
    events::Event event;
};

struct NotedDeed {
    std::int64_t t = 0;
    events::Deed deed;
};

/// Rows on their way to the file.
struct Batch {
    std::vector<Sample> samples;
    std::vector<Session> sessions;
    std::vector<NotedEvent> events;
    std::vector<NotedDeed> deeds;
    std::vector<JobRun> job_runs;

    [[nodiscard]] std::size_t size() const {
        return samples.size() + sessions.size() + events.size() + deeds.size() + job_runs.size();
    }

    void clear() {
        samples.clear();
        sessions.clear();
        events.clear();
        deeds.clear();
        job_runs.clear();
    }
};

}  // namespace weir::ledger
