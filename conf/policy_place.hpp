#pragma once

#include "conf/model.hpp"

#include <string>
#include <string_view>

namespace weir::conf {

/// Says where the value comes from that Config::policy_for() has for a key.
/// @param user who the client is
/// @param key of [policy]: "row_limit"; asserted
/// @return "user.app.policy", "database.shop.policy", "policy" or, where the value is the one it
/// has when nobody writes it, "default"
[[nodiscard]] std::string policy_place(const Config& config,
                                       std::string_view database,
                                       std::string_view user,
                                       std::string_view key);

}  // namespace weir::conf
