#pragma once

#include "proxy/effects_memo.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace weir::proxy {

/// What a worker has learnt of what its clients' requests leave in their sessions.
/// @thread its worker's
struct SessionKnowledge {
    static constexpr std::size_t kCustomSettingsMax = 256;

    EffectsMemo effects;
    /// Names with a dot that a request has mentioned: PostgreSQL does not list such settings.
    std::vector<std::string> custom_settings;

    /// @return false: there are too many to ask for all of them
    [[nodiscard]] bool learn_custom_setting(const std::string& name) {
        const auto place = std::lower_bound(custom_settings.begin(), custom_settings.end(), name);
        if (place != custom_settings.end() && *place == name) {
            return true;
        }
        if (custom_settings.size() >= kCustomSettingsMax) {
            return false;
        }
        custom_settings.insert(place, name);
        return true;
    }
};

}  // namespace weir::proxy
