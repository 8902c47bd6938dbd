#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace weir::net {

/// An address of this machine's, and the network it is in. IPv4 in the first four bytes.
struct OwnNetwork {
    bool is_v6 = false;
    std::array<std::uint8_t, 16> address{};
    std::array<std::uint8_t, 16> mask{};
};

/// Asks the kernel, some ten microseconds. Thread: any.
[[nodiscard]] std::vector<OwnNetwork> own_networks();

}  // namespace weir::net
