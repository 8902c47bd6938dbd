#pragma once

#include "pool/hold.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace weir::proxy {

/// What operators have ordered, as of one moment: made by the control loop, never changed, given to
/// every worker.
struct Holds {
    bool is_paused = false;     ///< all databases
    bool is_suspended = false;  ///< all traffic
    std::set<std::string> paused;
    std::set<std::string> disabled;
    std::map<std::string, std::uint64_t> reconnects;  ///< orders for one database
    std::uint64_t reconnects_of_all = 0;

    [[nodiscard]] pool::Hold of(const std::string& database) const {
        if (is_suspended) {
            return pool::Hold::Suspended;
        }
        return is_paused || paused.contains(database) ? pool::Hold::Paused : pool::Hold::None;
    }

    [[nodiscard]] std::uint64_t reconnects_of(const std::string& database) const {
        const auto found = reconnects.find(database);
        return reconnects_of_all + (found == reconnects.end() ? 0 : found->second);
    }
};

using HoldsPtr = std::shared_ptr<const Holds>;

}  // namespace weir::proxy
