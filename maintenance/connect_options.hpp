#pragma once

#include "conf/model.hpp"
#include "maintenance/connection.hpp"

#include <string>

namespace weir::maintenance {

/// @param database the NAME of a [database.NAME]; "" = maintenance.database, else the only one
/// there is
/// @return how to reach its primary: all members, as libpq tries them in turn
[[nodiscard]] Answer<ConnectOptions> connect_options(const conf::Config& config,
                                                     const std::string& database = {});

}  // namespace weir::maintenance
