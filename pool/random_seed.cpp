#include "pool/random_seed.hpp"

#include "base/random.hpp"
#include "protocol/message_writer.hpp"

#include <array>
#include <cstdint>
#include <string>

namespace weir::pool {

int write_reseed(ByteWriter& writer) {
    std::array<std::byte, sizeof(std::uint64_t)> bytes{};
    fill_random(bytes);
    std::uint64_t value = 0;
    for (const std::byte byte : bytes) {
        value = value << 8U | std::to_integer<std::uint64_t>(byte);
    }
    constexpr std::uint64_t kDigits = 1'000'000'000'000'000;  // what a double tells apart below 1
    const std::string digits = std::to_string(kDigits + value % kDigits).substr(1);
    protocol::write_query(writer, "SET seed TO " + std::string{"0."} + digits);
    return 1;
}

}  // namespace weir::pool
