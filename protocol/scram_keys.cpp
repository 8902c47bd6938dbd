// The stored half of scram.hpp: verifiers and keys.

#include "base/check.hpp"
#include "base/saslprep.hpp"
#include "protocol/limits.hpp"
#include "protocol/scram.hpp"
#include "protocol/scram_attributes.hpp"

#include <algorithm>

namespace weir::protocol {

namespace {

constexpr std::string_view kVerifierPrefix = "SCRAM-SHA-256$";
/// As long as PostgreSQL's own (SCRAM_DEFAULT_SALT_LEN), so that a mock looks like one.
constexpr std::size_t kMockSaltBytes = 16;

/// @return the text up to the separator, which is consumed too; nothing when there is none
std::optional<std::string_view> take_until(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    if (end == std::string_view::npos) {
        return std::nullopt;
    }
    const std::string_view taken = text.substr(0, end);
    text.remove_prefix(end + 1);
    return taken;
}

std::optional<crypto::Sha256> decode_key(std::string_view text) {
    const auto bytes = crypto::base64_decode(text);
    crypto::Sha256 key{};
    if (!bytes || bytes->size() != key.size()) {
        return std::nullopt;
    }
    std::copy(bytes->begin(), bytes->end(), key.begin());
    return key;
}

/// One label per use, so that no two values made from one secret tell of each other.
crypto::Sha256 mock_bytes(ByteView secret, std::string_view label, std::string_view user) {
    return crypto::hmac_sha256(secret, as_bytes(std::string{label} + ':' + std::string{user}));
}

}  // namespace

std::optional<ScramVerifier> ScramVerifier::parse(std::string_view text) {
    if (!text.starts_with(kVerifierPrefix)) {
        return std::nullopt;
    }
    text.remove_prefix(kVerifierPrefix.size());
    const auto iterations_text = take_until(text, ':');
    const auto salt_text = take_until(text, '$');
    const auto stored_text = take_until(text, ':');
    if (!iterations_text || !salt_text || !stored_text) {
        return std::nullopt;
    }
    const auto iterations = detail::parse_iterations(*iterations_text);
    auto salt = crypto::base64_decode(*salt_text);
    const auto stored_key = decode_key(*stored_text);
    const auto server_key = decode_key(text);
    if (!iterations || !salt || !stored_key || !server_key) {
        return std::nullopt;
    }
    if (salt->empty() || salt->size() > kMaxScramSaltBytes) {
        return std::nullopt;
    }
    return ScramVerifier{*iterations, std::move(*salt), *stored_key, *server_key};
}

ScramVerifier ScramVerifier::derive(std::string_view password, ByteView salt, unsigned iterations) {
    const ScramKeys keys = ScramKeys::derive(password, salt, iterations);
    return {
        iterations, {salt.begin(), salt.end()}, crypto::sha256(keys.client_key), keys.server_key};
}

ScramVerifier ScramVerifier::mock(std::string_view user, ByteView secret) {
    ScramVerifier verifier;
    const crypto::Sha256 salt = mock_bytes(secret, "salt", user);
    verifier.salt.assign(salt.begin(), salt.begin() + kMockSaltBytes);
    verifier.stored_key = mock_bytes(secret, "stored key", user);
    verifier.server_key = mock_bytes(secret, "server key", user);
    return verifier;
}

std::string ScramVerifier::text() const {
    return std::string{kVerifierPrefix} + std::to_string(iterations) + ':' +
           crypto::base64_encode(salt) + '$' + crypto::base64_encode(stored_key) + ':' +
           crypto::base64_encode(server_key);
}

ScramKeys ScramKeys::derive(std::string_view password, ByteView salt, unsigned iterations) {
    WEIR_ASSERT(iterations >= 1);
    WEIR_ASSERT(iterations <= kMaxScramIterations);
    const crypto::Sha256 salted = crypto::pbkdf2_sha256(saslprep(password), salt, iterations);
    return {crypto::hmac_sha256(salted, as_bytes("Client Key")),
            crypto::hmac_sha256(salted, as_bytes("Server Key"))};
}

}  // namespace weir::protocol
