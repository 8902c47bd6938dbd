#pragma once

#include "conf/load.hpp"
#include "conf/units.hpp"

#include <set>
#include <string>
#include <string_view>

namespace weir::conf {

/// Replaces ${NAME} and ${NAME:-default} in one pass (what is put in is not looked at again); `$${`
/// stands for `${`.
///
/// @param used receives the names that were asked for, found or not
[[nodiscard]] Parsed<std::string> interpolate(std::string_view text,
                                              const Environment& environment,
                                              std::set<std::string>& used);

}  // namespace weir::conf
