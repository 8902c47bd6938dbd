#include "proxy/cancel_key.hpp"

#include "base/crypto.hpp"

#include <algorithm>

namespace weir::proxy {

std::vector<std::byte> secret_of(const CancelKey& key, ByteView seed) {
    ByteWriter text;
    text.u32(key.process_id);
    text.u32(static_cast<std::uint32_t>(key.session_id >> 32U));
    text.u32(static_cast<std::uint32_t>(key.session_id));
    text.u32(static_cast<std::uint32_t>(key.secret_bytes));
    const crypto::Sha256 digest = crypto::hmac_sha256(seed, text.bytes());
    return {
        digest.begin(),
        digest.begin() + static_cast<std::ptrdiff_t>(std::min(key.secret_bytes, digest.size()))};
}

bool is_secret_of(const CancelKey& key, ByteView seed, ByteView tried) {
    return crypto::equal_in_constant_time(secret_of(key, seed), tried);
}

}  // namespace weir::proxy
