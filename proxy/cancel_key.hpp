#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weir::proxy {

/// What a client was given to cancel its statements with, without the secret, which follows from
/// it.
struct CancelKey {
    std::uint32_t process_id = 0;
    std::uint64_t session_id = 0;
    std::size_t secret_bytes = 0;  ///< at most those of a SHA-256
};

/// @param seed random bytes that stay the same for the life of the process
[[nodiscard]] std::vector<std::byte> secret_of(const CancelKey& key, ByteView seed);

/// Compares in time that does not depend on where they differ; only the whole secret will do.
[[nodiscard]] bool is_secret_of(const CancelKey& key, ByteView seed, ByteView tried);

}  // namespace weir::proxy
