#pragma once

#include <string>
#include <string_view>

namespace weir {

/// Brings a password into the form SCRAM hashes, as libpq and PostgreSQL do: ASCII stays as it is,
/// other UTF-8 goes through SASLprep (RFC 4013), and what is not valid UTF-8 or holds prohibited
/// characters is taken byte by byte.
///
/// @thread any
/// @source RFC 5802 section 2.2; PostgreSQL 15 src/common/saslprep.c, pg_saslprep()
[[nodiscard]] std::string saslprep(std::string_view password);

}  // namespace weir
