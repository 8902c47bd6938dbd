#pragma once

#include "conf/model.hpp"
#include "maintenance/doctor_check.hpp"

namespace weir::maintenance {

/// Logs in to every member of every cluster, or knocks where nobody is known to log in as; one
/// after the other, each within its connect_timeout.
/// @return a check for each: the time it took, its version and role, or why it cannot be reached
[[nodiscard]] DoctorChecks check_members(const conf::Config& config);

}  // namespace weir::maintenance
