#pragma once

#include "protocol/scram.hpp"

#include <optional>
#include <string>

namespace weir::pool {

/// How Weir proves to PostgreSQL that it may log in as a pool's user.
struct Credentials {
    std::string secret;                       ///< plain or "md5…"; "" = none. Never logged.
    std::optional<protocol::ScramKeys> keys;  ///< from a client's own SCRAM proof

    [[nodiscard]] bool operator==(const Credentials&) const = default;

    [[nodiscard]] bool empty() const { return secret.empty() && !keys; }
};

}  // namespace weir::pool
