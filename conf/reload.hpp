#pragma once

#include "conf/model.hpp"

#include <string>
#include <vector>

namespace weir::conf {

/// What a reload would do.
struct ReloadPlan {
    /// Keys that take effect now. A section that came or went is one entry: "database.shop
    /// (added)".
    std::vector<std::string> changed;
    /// Keys whose new value waits for a restart.
    std::vector<std::string> needs_restart;
};

/// @return the difference of two configurations, by key; no values, so that it may be logged
[[nodiscard]] ReloadPlan compare(const Config& running, const Config& wanted);

}  // namespace weir::conf
