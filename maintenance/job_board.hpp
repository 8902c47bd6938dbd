#pragma once

#include "base/clock.hpp"
#include "base/status.hpp"
#include "maintenance/job.hpp"

#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace weir::maintenance {

/// What jobs do, for whoever asks: written by the thread that runs them, read by any.
class JobBoard {
public:
    /// Shows these jobs, and no progress any more.
    void show_all(std::vector<status::Job> jobs);
    /// One of them changes.
    void show(const status::Job& job);
    /// How far the one that runs is.
    void progress(const std::string& job, const Progress& progress, TimePoint now);
    /// The one that runs waits, as the database is too busy for it.
    /// @param why "" = it goes on
    void held_back(const std::string& job, std::string_view why);
    [[nodiscard]] std::vector<status::Job> jobs() const;
    /// How far partitioned tables are provided for.
    void show_partitioned(std::vector<status::Partitioned> tables);
    [[nodiscard]] std::vector<status::Partitioned> partitioned() const;

private:
    /// @pre mutex_ is held
    [[nodiscard]] status::Job* find(const std::string& job);

    mutable std::mutex mutex_;
    std::vector<status::Job> jobs_;
    std::vector<status::Partitioned> partitioned_;
    std::string phase_;
    TimePoint phase_began_{};
    std::int64_t phase_first_ = 0;  // done when it began
};

/// Tells the board how far a job is, and the log what it says.
///
/// @thread the one that runs the job
class BoardReporter final : public Reporter {
public:
    BoardReporter(JobBoard& board, std::string job) : board_{board}, job_{std::move(job)} {}

    void progress(const Progress& progress) override;
    void held_back(std::string_view why) override;
    void note(std::string_view line) override;
    void warn(std::string_view line) override;
    void statement(std::string_view sql, std::string_view locks) override;

private:
    JobBoard& board_;
    std::string job_;
};

}  // namespace weir::maintenance
