#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace weir::proxy {

/// Where clients come from, as it is told of their statements: of those told of last, so that it
/// need not be asked of the system and written out for each, and nothing is kept for the idle.
/// @thread the worker's
class ClientAddresses {
public:
    /// @param client never another one's
    /// @param ask called where it is not known
    template <class Ask>
    [[nodiscard]] const std::string& of(std::uint64_t client, const Ask& ask) {
        Known& known = known_[client % known_.size()];
        if (known.client != client) {
            known.address = ask();
            known.client = client;
        }
        return known.address;
    }

private:
    static constexpr std::size_t kKnown = 256;

    struct Known {
        std::uint64_t client = 0;
        std::string address;
    };

    std::array<Known, kKnown> known_;
};

}  // namespace weir::proxy
