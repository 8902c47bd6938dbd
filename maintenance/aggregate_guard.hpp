#pragma once

#include "maintenance/identifier.hpp"
#include "maintenance/job.hpp"

#include <string>

namespace weir::maintenance {

/// Whether an aggregate still needs rows of a table: what is dropped cannot be summed up any more.
///
/// @param lo the beginning of what is to go, as PostgreSQL reads a timestamptz; "" or MINVALUE = no
/// beginning
/// @param hi its end; "" or MAXVALUE = no end
/// @return "" or why it may not go yet
[[nodiscard]] Answer<std::string> why_needed_by_aggregates(JobContext& job,
                                                           const Relation& table,
                                                           const std::string& lo,
                                                           const std::string& hi);

}  // namespace weir::maintenance
