#pragma once

#include "base/clock.hpp"
#include "base/control.hpp"
#include "base/events.hpp"
#include "base/status.hpp"
#include "conf/model.hpp"
#include "ledger/job_run.hpp"
#include "maintenance/connection.hpp"
#include "maintenance/governor.hpp"
#include "maintenance/job_board.hpp"
#include "maintenance/job_timer.hpp"
#include "maintenance/jobs.hpp"
#include "maintenance/stop_signal.hpp"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace weir::maintenance {

/// Whom a scheduler asks and tells. All outlive it.
struct SchedulerLinks {
    events::Sink* events = nullptr;  ///< null = no ledger
    std::function<void(ledger::JobRun)> on_ended;
    /// When each job last began a run that went well, as far as this Weir remembers; may block.
    std::function<std::map<std::string, WallTime>()> last_successes;
    /// How busy clients keep the database; empty = not known, and nothing holds jobs back.
    std::function<Load()> load;
};

/// Runs what is due, one job at a time, on a thread and a connection of its own; of several Weirs
/// with the same database each job is run by one. What is not to be had (the server, a lock) is
/// tried again; nothing of it concerns anybody else in the process.
///
/// @thread any
class Scheduler {
public:
    static constexpr std::chrono::seconds kIdle{60};      ///< then the connection is closed
    static constexpr std::chrono::seconds kLookAgain{2};  ///< after a job that another Weir has
    /// How far partitioned tables are provided for is asked so often, and after what changes it.
    static constexpr std::chrono::minutes kLookEvery{10};

    Scheduler(conf::ConfigPtr config, SchedulerLinks links);
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;
    Scheduler(Scheduler&&) = delete;
    Scheduler& operator=(Scheduler&&) = delete;
    ~Scheduler();

    /// What is due follows another configuration from now on; the job that runs ends first.
    void apply(conf::ConfigPtr config);

    /// Has a job run now, whatever its schedule and its windows say.
    [[nodiscard]] control::Answer run_job(const std::string& name);

    /// No job is begun any more; the one that runs ends at its next border.
    void ask_to_stop();

    /// What runs is cancelled. May be called from a signal handler.
    void cut() { stop_.cut(); }

    /// Waits for the end, for `grace` at most and then for what a cancelled statement takes.
    void stop(std::chrono::milliseconds grace);

    void add_to(status::Snapshot& snapshot) const {
        snapshot.jobs = board_.jobs();
        snapshot.partitioned = board_.partitioned();
    }

private:
    struct Job {
        JobSpec spec;
        JobTimer timer;
        status::Job shown = {};
        std::string message = {};  ///< of the last run
        bool is_new = true;        ///< what others know of it has not been asked
        bool is_wanted = false;    ///< by RUN JOB
        bool is_standby = false;
        bool is_unsaved = false;  ///< the record of its last run could not be written
        WallTime look_again{};    ///< is_standby: not before
    };

    void run();
    void remember();
    void learn_remembered(Job& job) const;
    void take_news();
    void take_config(conf::ConfigPtr config);
    [[nodiscard]] Job begin(const JobSpec& spec, WallTime now) const;
    void wait(WallTime now);
    [[nodiscard]] bool wants_to_look(WallTime now) const;
    void look_at_partitions();
    [[nodiscard]] WallTime due(const Job& job, WallTime now) const;
    [[nodiscard]] Job* next_job(WallTime now);
    void serve(Job& job);
    [[nodiscard]] bool connect();
    void fail_to_connect(const Problem& problem);
    void forget_records(const Problem& problem);
    void learn_all();
    void run_locked(Job& job);
    [[nodiscard]] bool is_still_due(Job& job);
    void run_now(Job& job);
    [[nodiscard]] JobResult carry_out(Job& job);
    [[nodiscard]] TimePoint deadline(bool heeds_windows) const;
    void note_end(Job& job, const JobResult& result, WallTime began);
    void tell_end(const Job& job,
                  const JobResult& result,
                  std::chrono::milliseconds took,
                  unsigned failures);
    void tell(const Job& job, events::Severity severity, std::string what) const;
    void stand_by(Job& job);
    void save(const Job& job, const JobResult& result);
    void refresh(Job& job);
    void show_all();

    const SchedulerLinks links_;
    JobBoard board_;
    StopSignal stop_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    bool is_called_ = false;  ///< under mutex_, as the next three
    conf::ConfigPtr new_config_;
    std::set<std::string> ordered_;  ///< by RUN JOB
    bool has_ended_ = false;

    // Of the thread:
    conf::ConfigPtr config_;
    std::optional<TimerRules> rules_;
    std::optional<LoadGovernor> governor_;
    std::vector<Job> jobs_;
    std::map<std::string, WallTime> remembered_;
    std::optional<Connection> connection_;
    TimePoint used_at_{};
    bool keeps_records_ = false;   ///< in the database
    std::string records_problem_;  ///< why not, the last time
    std::string problem_;          ///< why there is no connection
    unsigned attempts_ = 0;
    WallTime connect_at_{};
    WallTime look_at_{};  ///< at the partitioned tables
    std::thread thread_;
};

}  // namespace weir::maintenance
