#pragma once

#include "base/bytes.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// The two older password exchanges, and what a stored secret is.
///
/// @source PostgreSQL 15 manual, "Message Flow", AuthenticationMD5Password; pg_authid.rolpassword
namespace weir::protocol {

enum class SecretKind : std::uint8_t {
    Plain,
    Md5,    ///< "md5" and 32 lower-case hexadecimal digits
    Scram,  ///< what ScramVerifier::parse() reads
};

/// Tells the three apart exactly as PostgreSQL does: what only resembles a hash is a plain
/// password.
[[nodiscard]] SecretKind kind_of(std::string_view secret);

/// @return what is stored for the md5 method: "md5" and the digits of md5(password + user)
[[nodiscard]] std::string md5_password(std::string_view user, std::string_view password);

/// @param stored_md5 what md5_password() returns
/// @return the PasswordMessage's text: "md5" and the digits of md5(digits + salt)
[[nodiscard]] std::string md5_response(std::string_view stored_md5,
                                       std::span<const std::byte, 4> salt);

/// Compares a cleartext password with a stored secret of any kind, in time that does not depend on
/// where they differ. Slow when the secret is a SCRAM verifier (PBKDF2): then never on an event
/// loop.
///
/// @return false also for an empty secret or password: PostgreSQL lets nobody in with an empty one
[[nodiscard]] bool password_matches(std::string_view secret,
                                    std::string_view user,
                                    std::string_view password);

}  // namespace weir::protocol
