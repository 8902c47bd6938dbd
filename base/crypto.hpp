#pragma once

#include "base/bytes.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The hashes PostgreSQL's password methods need, from OpenSSL. Thread: any.
namespace weir::crypto {

inline constexpr std::size_t kSha256Bytes = 32;
using Sha256 = std::array<std::byte, kSha256Bytes>;

[[nodiscard]] Sha256 sha256(ByteView data);
[[nodiscard]] Sha256 hmac_sha256(ByteView key, ByteView data);

/// PBKDF2-HMAC-SHA-256, RFC 5802's Hi(). Takes milliseconds: never on an event loop.
[[nodiscard]] Sha256 pbkdf2_sha256(std::string_view password, ByteView salt, unsigned iterations);

/// @return 32 lower-case hexadecimal digits
[[nodiscard]] std::string md5_hex(ByteView data);

[[nodiscard]] std::string base64_encode(ByteView data);
/// @return nothing for anything but canonical base64 with padding
[[nodiscard]] std::optional<std::vector<std::byte>> base64_decode(std::string_view text);

/// Compares in time that depends on the lengths only.
[[nodiscard]] bool equal_in_constant_time(ByteView left, ByteView right);

}  // namespace weir::crypto
