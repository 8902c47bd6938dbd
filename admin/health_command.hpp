#pragma once

#include "conf/model.hpp"

#include <cstdint>
#include <ostream>

namespace weir::admin {

enum class HealthForm : std::uint8_t {
    Text,
    Json,  ///< as /api/health gives it
};

/// `weir health`: asks the process that runs with this configuration over its HTTP port, and prints
/// what it says.
///
/// @param problems gets why it could not be asked
/// @return the exit status: 0 healthy, 1 degraded, 2 critical or not to be asked
/// @thread any; blocks for 5 s at most, but for looking up a name
[[nodiscard]] int print_health(const conf::HttpSettings& settings,
                               HealthForm form,
                               std::ostream& out,
                               std::ostream& problems);

}  // namespace weir::admin
