// The client's half of scram.hpp.

#include "base/check.hpp"
#include "protocol/limits.hpp"
#include "protocol/scram.hpp"
#include "protocol/scram_attributes.hpp"

#include <algorithm>
#include <utility>

namespace weir::protocol {

namespace {

auto malformed() {
    return fail(ErrorCode::ProtocolViolation,
                sqlstate::kProtocolViolation,
                "malformed SCRAM message from backend");
}

auto refused() {
    return fail(ErrorCode::AuthenticationFailed,
                sqlstate::kInvalidPassword,
                "backend refused the SCRAM exchange");
}

bool is_plausible(std::string_view message) {
    return message.size() <= kMaxAuthMessageBytes && message.find('\0') == std::string_view::npos;
}

/// @return the value of "e=", fit for a log line
std::string printable(std::string_view text) {
    std::string result{text};
    std::erase_if(result, [](char c) { return c < ' ' || c > '~'; });
    return result;
}

}  // namespace

ScramClient::ScramClient() : nonce_{detail::make_scram_nonce()} {}

void ScramClient::bind_to(ScramEndPoint end_point, ScramChoice choice) {
    WEIR_ASSERT(step_ == Step::ClientFirst && !end_point.empty());
    if (choice == ScramChoice::Plus) {
        gs2_header_ = detail::kBoundGs2Header;
        end_point_ = std::move(end_point);
    } else {
        gs2_header_ = "y,,";
    }
}

std::string ScramClient::client_first() {
    WEIR_ASSERT(step_ == Step::ClientFirst);
    step_ = Step::ServerFirst;
    client_first_bare_ = "n=" + user_ + ",r=" + nonce_;
    return gs2_header_ + client_first_bare_;
}

Result<ScramClient::ServerFirst> ScramClient::server_first(std::string_view message) {
    // Every way out but the last one ends the exchange.
    if (std::exchange(step_, Step::Failed) != Step::ServerFirst || !is_plausible(message)) {
        return malformed();
    }
    detail::ScramAttributes attributes{message};
    if (const auto error = attributes.take('e')) {
        server_error_ = printable(*error);
        return refused();
    }
    if (attributes.next_is('m')) {
        return fail(ErrorCode::Unsupported,
                    sqlstate::kFeatureNotSupported,
                    "backend requires an unsupported SCRAM extension");
    }
    const auto nonce = attributes.take('r');
    const auto salt_text = attributes.take('s');
    const auto iterations_text = attributes.take('i');
    if (!nonce || !salt_text || !iterations_text || !attributes.at_end()) {
        return malformed();
    }
    if (!detail::is_scram_nonce(*nonce) || !nonce->starts_with(nonce_) ||
        nonce->size() == nonce_.size()) {
        return fail(ErrorCode::ProtocolViolation,
                    sqlstate::kProtocolViolation,
                    "invalid SCRAM nonce from backend");
    }
    auto salt = crypto::base64_decode(*salt_text);
    const auto iterations = detail::parse_iterations(*iterations_text);
    if (!salt || salt->empty() || salt->size() > kMaxScramSaltBytes || !iterations) {
        return malformed();
    }
    nonce_ = *nonce;
    server_first_ = message;
    step_ = Step::ClientFinal;
    return ServerFirst{std::move(*salt), *iterations};
}

std::string ScramClient::client_final(const ScramKeys& keys) {
    WEIR_CHECK(step_ == Step::ClientFinal);
    step_ = Step::ServerFinal;
    const std::string without_proof =
        "c=" + detail::channel_binding(gs2_header_, end_point_) + ",r=" + nonce_;
    const std::string auth_message = client_first_bare_ + ',' + server_first_ + ',' + without_proof;
    const crypto::Sha256 signature =
        crypto::hmac_sha256(crypto::sha256(keys.client_key), as_bytes(auth_message));
    crypto::Sha256 proof{};
    std::transform(signature.begin(),
                   signature.end(),
                   keys.client_key.begin(),
                   proof.begin(),
                   [](std::byte left, std::byte right) { return left ^ right; });
    server_signature_ = crypto::hmac_sha256(keys.server_key, as_bytes(auth_message));
    return without_proof + ",p=" + crypto::base64_encode(proof);
}

Result<void> ScramClient::server_final(std::string_view message) {
    if (std::exchange(step_, Step::Failed) != Step::ServerFinal || !is_plausible(message)) {
        return malformed();
    }
    detail::ScramAttributes attributes{message};
    if (const auto error = attributes.take('e')) {
        server_error_ = printable(*error);
        return refused();
    }
    const auto verifier_text = attributes.take('v');
    if (!verifier_text || !attributes.at_end()) {
        return malformed();
    }
    const auto signature = crypto::base64_decode(*verifier_text);
    if (!signature) {
        return malformed();
    }
    if (!crypto::equal_in_constant_time(*signature, server_signature_)) {
        return fail(ErrorCode::AuthenticationFailed,
                    sqlstate::kInvalidPassword,
                    "incorrect SCRAM server signature");
    }
    step_ = Step::Done;
    return {};
}

void ScramClient::set_identity_for_test(std::string user, std::string nonce) {
    user_ = std::move(user);
    nonce_ = std::move(nonce);
}

}  // namespace weir::protocol
