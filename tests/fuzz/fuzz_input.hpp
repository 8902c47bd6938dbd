#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <vector>

/// What the fuzz targets share. They check properties, so a broken one must stop the fuzzer in
/// every build.
namespace weir::fuzz {

inline void require(
    bool holds) {  // NOLINT: the one function of tests that takes a bool, like assert()
    if (!holds) {
        std::abort();
    }
}

/// @return a heap block of exactly this size, so that AddressSanitizer sees a read past the end
[[nodiscard]] inline std::vector<std::byte> exact_copy(ByteView bytes) {
    return {bytes.begin(), bytes.end()};
}

[[nodiscard]] inline ByteView input(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span<const std::uint8_t>{data, size});
}

}  // namespace weir::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
