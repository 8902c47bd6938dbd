#pragma once

#include "maintenance/job.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace weir::maintenance {

/// Something of a database that calls for care, and the statement that gives it.
struct CareItem {
    std::uint32_t oid = 0;  ///< of the table
    std::string object;     ///< schema.name, for people
    std::string why;        ///< "31 % of 120000 rows are dead"
    std::string sql;        ///< "" = a person has to decide; `why` says what
    std::string locks;      ///< for people
    std::int64_t changes =
        -1;  ///< of a partitioned table: what is noted once it is done; -1 = none
};

/// What a job of care found.
struct CarePlan {
    std::vector<CareItem> items;         ///< most urgent first
    std::vector<std::string> forbidden;  ///< tables in need that this user may not maintain
};

/// Carries one out. @return a problem where it could not
using CareStep = Answer<void> (*)(JobContext& job, const CareItem& item);

/// Carries them out one at a time, with a border before each; what fails is warned of, and the
/// others are gone on with.
/// @param what one of them, for people: "table analyzed" is told as "3 tables analyzed"
/// @return Failed where all failed
[[nodiscard]] JobResult carry_out(JobContext& job,
                                  const CarePlan& plan,
                                  const std::string& phase,
                                  const std::string& unit,
                                  CareStep step);

/// @return "a, b, c and 4 more"
[[nodiscard]] std::string some_of(const std::vector<std::string>& names);

}  // namespace weir::maintenance
