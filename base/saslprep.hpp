#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace weir {

/// Longer passwords are not prepared: the time it takes grows with the square of the length, and a
/// stranger's guess may be as long as a message.
inline constexpr std::size_t kSaslprepBytesMax = 1024;

/// Brings a password into the form SCRAM hashes, as libpq and PostgreSQL do: ASCII stays as it is,
/// other UTF-8 goes through SASLprep (RFC 4013), and what is not valid UTF-8, holds prohibited
/// characters or is longer than kSaslprepBytesMax is taken byte by byte.
///
/// @thread any
/// @source RFC 5802 section 2.2; PostgreSQL 15 src/common/saslprep.c, pg_saslprep()
[[nodiscard]] std::string saslprep(std::string_view password);

}  // namespace weir
