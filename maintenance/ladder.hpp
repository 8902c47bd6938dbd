#pragma once

#include "maintenance/identifier.hpp"
#include "maintenance/job.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace weir::maintenance {

/// Who holds a table for so long that a step would stand in its queue, and everybody behind it.
struct Blocker {
    int pid = 0;
    std::string who;    ///< user and application
    std::string mode;   ///< "AccessShareLock"
    std::string since;  ///< how old its transaction is: "00:04:11"
    std::string query;  ///< up to its first literal

    [[nodiscard]] std::string line() const;
};

/// @param oids the tables a step locks; partitions count with their parents
/// @return those whose transaction is older than maintenance.max_blocker_age, oldest first
[[nodiscard]] Answer<std::vector<Blocker>> find_blockers(JobContext& job,
                                                         const std::vector<std::uint32_t>& oids);

/// @param what "attach public.events_p202609": said with the one that is in the way
/// @return 55P03 and who it is, where find_blockers() finds anybody
[[nodiscard]] Answer<void> refuse_blocked(JobContext& job,
                                          const std::vector<std::uint32_t>& oids,
                                          const std::string& what);

/// One short transaction that locks what clients use: tried again with growing patience, never
/// waiting long enough for a queue to form behind it.
struct LockedStep {
    std::string what;                 ///< for people: "attach public.events_p202612"
    std::vector<std::uint32_t> oids;  ///< what is looked at for blockers
    std::vector<std::string> sql;     ///< in this order, in one transaction
    std::string locks;                ///< what it takes, for people
    /// What else is to happen in that transaction, behind `sql`; empty = nothing.
    std::function<Answer<void>(JobContext&)> also = {};
    /// Where waiting keeps clients waiting as well: no rung waits longer than this, or
    /// maintenance.lock_timeout where that is more; zero = as the ladder has it.
    std::chrono::milliseconds most_patience{};
    bool is_alone = false;  ///< cannot run in a transaction (CONCURRENTLY): `sql` is one statement
};

/// Runs it: first maintenance.lock_timeout is the patience, then steps of up to a second, about a
/// quarter of a minute in all; a deadlock or a lock that was not to be had is tried again, anything
/// else is not.
/// @return a problem with SQLSTATE 55P03 where there was no way through, naming who is in it
[[nodiscard]] Answer<void> run_locked(JobContext& job, const LockedStep& step);

}  // namespace weir::maintenance
