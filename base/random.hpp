#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace weir {

/// Fills `out` from the kernel's generator; for keys, salts and nonces. Aborts where the kernel has
/// none. Thread: any.
void fill_random(std::span<std::byte> out);

[[nodiscard]] std::uint32_t random_u32();

/// @return a number in [0, 1), not secret; spreads deadlines so that many do not fall together.
/// Thread: any.
[[nodiscard]] double random_unit();

}  // namespace weir
