#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir::pool {

/// What a client waits for, or has waited for, when there was no backend for it at once.
enum class WaitReason : std::uint8_t {
    None,            ///< it does not wait
    PoolFull,        ///< all that the limits allow are in use
    Dialling,        ///< one is being opened or checked, or will be when the server is tried again
    ApplicationMax,  ///< its application has as many as pool.application_max allows
    Failover,        ///< there is no primary
    Paused,          ///< an operator has paused or suspended the pool
};

/// @return the word for people and logs; "" for None
[[nodiscard]] constexpr std::string_view name_of(WaitReason reason) {
    constexpr std::array<std::string_view, 6> kNames = {
        "", "pool_full", "dialling", "application_max", "failover", "paused"};
    return kNames[static_cast<std::size_t>(reason)];
}

}  // namespace weir::pool
