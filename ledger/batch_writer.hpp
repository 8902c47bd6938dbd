#pragma once

#include "ledger/batch.hpp"
#include "ledger/connection.hpp"
#include "ledger/ids.hpp"
#include "ledger/row_times.hpp"

#include <cstdint>

namespace weir::ledger {

/// Bits of statement.flags.
inline constexpr std::int64_t kFlagRetried = 1;
inline constexpr std::int64_t kFlagCut = 2;

/// Writes rows within the transaction that is open. Each table's row id is its time in µs, or the
/// next one that is free: see RowTimes.
///
/// Thread: the writer's.
class BatchWriter {
public:
    BatchWriter(Connection& connection, Ids& ids) : connection_{&connection}, ids_{&ids} {}

    /// The row ids that were given last.
    struct Ends {
        RowTimes statement{{.last = "SELECT max(t) FROM statement",
                            .at_least = "SELECT min(t) FROM statement WHERE t >= ?"}};
        RowTimes session{{.last = "SELECT max(t) FROM session",
                          .at_least = "SELECT min(t) FROM session WHERE t >= ?"}};
        RowTimes event{{.last = "SELECT max(t) FROM event",
                        .at_least = "SELECT min(t) FROM event WHERE t >= ?"}};
        RowTimes job_run{{.last = "SELECT max(t) FROM job_run",
                          .at_least = "SELECT min(t) FROM job_run WHERE t >= ?"}};
    };

    /// Reads where the tables end. After opening the file.
    void find_ends();

    [[nodiscard]] const Ends& ends() const { return ends_; }

    /// After a transaction was undone: `ends` as it was before.
    void go_back_to(const Ends& ends) { ends_ = ends; }

    /// @param batch its samples, sessions, events and runs of jobs are put in the order of their
    /// times
    void write(Batch& batch);

private:
    [[nodiscard]] const std::string& plain_detail_of(const std::string& client);
    void write(const Sample& sample);
    void write(const Session& session);
    void write(const NotedEvent& noted);
    void write(const NotedDeed& noted);
    void write(const JobRun& run);

    Connection* connection_;
    Ids* ids_;
    Ends ends_;
    std::string plain_client_;
    std::string plain_detail_;
};

}  // namespace weir::ledger
