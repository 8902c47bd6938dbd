#pragma once

#include "maintenance/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// A table or materialized view that has rows of its own.
struct TableFacts {
    std::uint32_t oid = 0;
    std::string name;        ///< for people
    std::string sql;         ///< quoted
    std::uint32_t root = 0;  ///< the partitioned table above all, 0 = none
    std::int64_t live = 0;
    std::int64_t dead = 0;
    std::int64_t modified = 0;  ///< since the last ANALYZE
    std::int64_t xid_age = 0;   ///< the older of the table's own and its TOAST table's
    std::int64_t mxid_age = 0;  ///< of multixact ids, likewise
    /// mxid_age in proportion: autovacuum allows more multixacts than transactions before it forces
    /// a freeze.
    std::int64_t scaled_mxid_age = 0;
    bool was_analyzed = false;
    bool has_pages = false;
    bool may_maintain = false;

    [[nodiscard]] double dead_share() const;
    /// @return how near wraparound is, by whichever kind of id is nearer, in transactions
    [[nodiscard]] std::int64_t freeze_age() const;
    [[nodiscard]] double modified_share() const;
};

/// @return all but temporary ones and the system's
[[nodiscard]] Answer<std::vector<TableFacts>> read_tables(Connection& db);

/// A partitioned table that is no partition itself.
struct ParentFacts {
    std::uint32_t oid = 0;
    std::string name;
    std::string sql;
    std::int64_t live = 0;      ///< of all partitions, as the following
    std::int64_t changes = 0;   ///< inserted, updated and deleted since counting began
    std::int64_t modified = 0;  ///< since each was analyzed
    bool was_analyzed = false;  ///< as a whole
    bool may_maintain = false;
};

[[nodiscard]] Answer<std::vector<ParentFacts>> read_parents(Connection& db);

}  // namespace weir::maintenance
