#include "protocol/password.hpp"

#include "base/check.hpp"
#include "base/crypto.hpp"
#include "protocol/scram.hpp"

#include <algorithm>

namespace weir::protocol {

namespace {

constexpr std::string_view kMd5Prefix = "md5";
constexpr std::size_t kMd5Digits = 32;

bool is_md5_secret(std::string_view secret) {
    constexpr std::string_view kHexDigits = "0123456789abcdef";
    return secret.size() == kMd5Prefix.size() + kMd5Digits && secret.starts_with(kMd5Prefix) &&
           secret.find_first_not_of(kHexDigits, kMd5Prefix.size()) == std::string_view::npos;
}

std::string md5_of(std::string_view first, std::string_view second) {
    return std::string{kMd5Prefix} +
           crypto::md5_hex(as_bytes(std::string{first} + std::string{second}));
}

bool scram_matches(std::string_view secret, std::string_view password) {
    const auto stored = ScramVerifier::parse(secret);
    if (!stored) {
        return false;
    }
    const ScramVerifier tried = ScramVerifier::derive(password, stored->salt, stored->iterations);
    return crypto::equal_in_constant_time(tried.stored_key, stored->stored_key);
}

}  // namespace

SecretKind kind_of(std::string_view secret) {
    if (is_md5_secret(secret)) {
        return SecretKind::Md5;
    }
    return ScramVerifier::parse(secret) ? SecretKind::Scram : SecretKind::Plain;
}

std::string md5_password(std::string_view user, std::string_view password) {
    return md5_of(password, user);
}

std::string md5_response(std::string_view stored_md5, std::span<const std::byte, 4> salt) {
    WEIR_ASSERT(is_md5_secret(stored_md5));
    return md5_of(stored_md5.substr(std::min(kMd5Prefix.size(), stored_md5.size())), as_text(salt));
}

bool password_matches(std::string_view secret, std::string_view user, std::string_view password) {
    // PostgreSQL refuses the empty password whatever is stored.
    if (secret.empty() || password.empty()) {
        return false;
    }
    switch (kind_of(secret)) {
        case SecretKind::Plain:
            return crypto::equal_in_constant_time(as_bytes(secret), as_bytes(password));
        case SecretKind::Md5:
            return crypto::equal_in_constant_time(as_bytes(secret),
                                                  as_bytes(md5_password(user, password)));
        case SecretKind::Scram: return scram_matches(secret, password);
    }
    return false;
}

}  // namespace weir::protocol
