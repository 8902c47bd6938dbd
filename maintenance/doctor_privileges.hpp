#pragma once

#include "conf/model.hpp"
#include "maintenance/connection.hpp"
#include "maintenance/doctor_check.hpp"

namespace weir::maintenance {

/// @return what the user of maintenance lacks for each [[partition]], [[aggregate]] and
/// [[materialized_view]], with the GRANT that gives it; and whether the server knows the time zone
[[nodiscard]] Answer<DoctorChecks> check_privileges(Connection& db, const conf::Config& config);

}  // namespace weir::maintenance
