#pragma once

#include "base/clock.hpp"
#include "conf/maintenance_settings.hpp"
#include "maintenance/connection.hpp"
#include "maintenance/stop_signal.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir::maintenance {

/// How far a job is.
struct Progress {
    std::string phase;  ///< "create", "copy 2026-10", …: one or two words
    std::int64_t done = 0;
    std::int64_t total = 0;  ///< 0 = not known
    std::string unit;        ///< what is counted: "partitions", "rows", "buckets"
};

/// Who is told what a job does: a terminal, the ledger, SHOW JOBS.
class Reporter {
public:
    Reporter() = default;
    Reporter(const Reporter&) = delete;
    Reporter& operator=(const Reporter&) = delete;
    Reporter(Reporter&&) = delete;
    Reporter& operator=(Reporter&&) = delete;
    virtual ~Reporter() = default;

    /// May be called as often as one likes.
    virtual void progress(const Progress& progress) = 0;
    /// What was done, or what somebody should know: "public.events_p202612 attached".
    virtual void note(std::string_view line) = 0;

    /// The database is too busy for the job, which waits.
    /// @param why "" = it goes on
    virtual void held_back(std::string_view why) {
        if (!why.empty()) {
            note("held back: " + std::string{why});
        }
    }

    /// What is wrong and did not keep the job from going on.
    virtual void warn(std::string_view line) = 0;
    /// A statement that changes something: shown by --dry-run instead of being run.
    /// @param locks what it takes, for a person; "" = nothing worth a word
    virtual void statement(std::string_view sql, std::string_view locks) = 0;
};

/// What holds jobs back while clients suffer.
class Governor {
public:
    Governor() = default;
    Governor(const Governor&) = delete;
    Governor& operator=(const Governor&) = delete;
    Governor(Governor&&) = delete;
    Governor& operator=(Governor&&) = delete;
    virtual ~Governor() = default;

    /// @return "" while jobs may go on, else why they may not: "p95 of clients 12.1 ms, 1.5 times
    /// as much as usual"
    [[nodiscard]] virtual std::string why_wait() = 0;
};

/// What a job is given to work with.
///
/// @thread the one that runs it
struct JobContext {
    Connection& db;
    const conf::MaintenanceSettings& settings;
    const StopSignal& stop;
    Reporter& reporter;
    TimePoint deadline = TimePoint::max();  ///< the job ends at the next chunk border past it
    Governor* governor = nullptr;           ///< null = nothing holds it back
    bool is_dry = false;                    ///< statements are told and not run

    /// To be asked at every border. @return whether the job is to end and go on another time
    [[nodiscard]] bool should_end() const;
    /// Waits while the database is busy, at most until should_end().
    void hold_back() const;

    /// Runs what changes something, or tells it where is_dry.
    /// @return no rows where is_dry
    [[nodiscard]] Answer<void> change(const std::string& sql, std::string_view locks = {}) const;
};

/// What became of a run.
struct JobResult {
    enum class End : std::uint8_t {
        Done,
        Later,    ///< stopped at a border; the next run goes on there
        PutOff,   ///< others' locks were in the way; it is tried again in a while
        Standby,  ///< another Weir has it
        Skipped,  ///< there was nothing to be done, or it could not be now: `text` says why
        Failed,
    };

    End end = End::Done;
    std::int64_t rows = 0;  ///< rows, partitions, tables: what the job counts
    std::string text;       ///< one line for a person

    [[nodiscard]] static JobResult failed(const Problem& problem) {
        return {End::Failed, 0, problem.line()};
    }
};

[[nodiscard]] std::string_view name_of(JobResult::End end);

}  // namespace weir::maintenance
