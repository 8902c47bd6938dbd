#pragma once

#include "maintenance/default_plan.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A DEFAULT partition is copied, row by row to where it belongs, while clients go on writing to
/// it: a trigger notes the keys that they touch, and these rows are copied again. What is copied to
/// is a partitioned table of its own, whose partitions are the ones that are to be.
class DefaultCopy {
public:
    /// @param columns default_key()
    DefaultCopy(JobContext& job,
                const PartitionSet& set,
                const DefaultPlan& plan,
                std::vector<std::string> columns);

    /// Drops what an interrupted run has left.
    [[nodiscard]] Answer<void> clear();
    /// Makes the tables, and the journal.
    [[nodiscard]] Answer<void> prepare();
    /// @return whether it came to the end, and was not stopped before
    [[nodiscard]] Answer<bool> copy();
    /// Copies what was touched until little is left of that, and looks that no row is missing.
    [[nodiscard]] Answer<void> catch_up();
    /// Puts the copies in DEFAULT's place.
    [[nodiscard]] Answer<void> swap();

    /// @return what DEFAULT is called behind the swap
    [[nodiscard]] Relation old() const;

private:
    [[nodiscard]] Relation beside(const char* suffix) const;
    [[nodiscard]] Relation fresh() const;
    /// @return a problem where a table has the name that is somebody else's
    [[nodiscard]] Answer<bool> is_left(const Relation& table) const;
    [[nodiscard]] Answer<void> read_columns();
    [[nodiscard]] Answer<void> make_table(const Relation& child, const PartitionRange* range);
    [[nodiscard]] Answer<void> make_journal();
    [[nodiscard]] std::vector<std::string> journal_sql() const;
    [[nodiscard]] std::string function_sql() const;
    /// @return as SQL: what was touched is in the copies as it is in DEFAULT
    [[nodiscard]] std::vector<std::string> again_sql() const;
    [[nodiscard]] std::vector<std::string> swap_sql() const;
    /// What the transaction does that holds the locks.
    [[nodiscard]] Answer<void> replace(JobContext& job) const;
    /// @return how many touched rows were copied again
    [[nodiscard]] Answer<std::int64_t> copy_again(bool is_first);
    [[nodiscard]] Answer<void> check_counts();
    [[nodiscard]] Answer<void> check_truncated(JobContext& job) const;
    [[nodiscard]] std::string list(const std::string& before, const std::string& behind) const;

    JobContext& job_;
    const PartitionSet& set_;
    const DefaultPlan& plan_;
    std::vector<std::string> key_;
    Relation from_;
    Relation stage_;
    Relation journal_;
    std::string columns_;  ///< that can be written
    std::vector<std::string> foreign_keys_;
};

}  // namespace weir::maintenance
