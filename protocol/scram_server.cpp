// The server's half of scram.hpp. Texts of refusals are PostgreSQL's (auth-scram.c), without its
// details.

#include "base/check.hpp"
#include "protocol/limits.hpp"
#include "protocol/scram.hpp"
#include "protocol/scram_attributes.hpp"

#include <algorithm>
#include <utility>

namespace weir::protocol {

namespace {

auto malformed() {
    return fail(
        ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "malformed SCRAM message");
}

auto unsupported_extension() {
    return fail(ErrorCode::Unsupported,
                sqlstate::kFeatureNotSupported,
                "client requires an unsupported SCRAM extension");
}

/// @return what comes behind the channel binding flag; the flag goes with the mechanism
Result<std::string_view> read_binding_flag(std::string_view message,
                                           ScramChoice choice,
                                           bool is_plus_offered) {
    if (choice == ScramChoice::Plus) {
        constexpr std::string_view kFlag = "p=tls-server-end-point,";
        if (message.starts_with(kFlag)) {
            return message.substr(kFlag.size());
        }
        if (message.starts_with("p=")) {
            return fail(ErrorCode::ProtocolViolation,
                        sqlstate::kProtocolViolation,
                        "unsupported SCRAM channel-binding type");
        }
        return malformed();
    }
    if (message.starts_with("y,") && is_plus_offered) {
        return fail(ErrorCode::Rejected,
                    sqlstate::kInvalidAuthorizationSpecification,
                    "SCRAM channel binding negotiation error");
    }
    if (!message.starts_with("y,") && !message.starts_with("n,")) {
        return malformed();
    }
    constexpr std::size_t kFlagBytes = 2;
    return message.substr(kFlagBytes);
}

/// @return length of the GS2 header "n,,", "y,," or "p=…,,"
Result<std::size_t> read_gs2_header(std::string_view message,
                                    ScramChoice choice,
                                    bool is_plus_offered) {
    const auto rest = read_binding_flag(message, choice, is_plus_offered);
    if (!rest) {
        return fail(rest.error());
    }
    if (rest->starts_with('a')) {
        return fail(ErrorCode::Unsupported,
                    sqlstate::kFeatureNotSupported,
                    "client uses authorization identity, but it is not supported");
    }
    if (!rest->starts_with(',')) {
        return malformed();
    }
    return message.size() - rest->size() + 1;
}

/// @return the client's nonce
Result<std::string_view> read_client_first_bare(std::string_view bare) {
    detail::ScramAttributes attributes{bare};
    if (attributes.next_is('m')) {
        return unsupported_extension();
    }
    // The user name is the startup packet's; libpq sends none here.
    const auto user = attributes.take('n');
    const auto nonce = attributes.take('r');
    if (!user || !nonce || !detail::is_scram_nonce(*nonce)) {
        return malformed();
    }
    while (!attributes.at_end()) {
        if (!attributes.take_any()) {
            return malformed();
        }
    }
    return *nonce;
}

struct ClientFinal {
    std::string_view channel_binding;
    std::string_view nonce;
    std::string_view without_proof;
    std::vector<std::byte> proof;
};

Result<ClientFinal> read_client_final(std::string_view message) {
    detail::ScramAttributes attributes{message};
    const auto channel_binding = attributes.take('c');
    const auto nonce = attributes.take('r');
    if (!channel_binding || !nonce) {
        return malformed();
    }
    for (;;) {
        const auto attribute = attributes.take_any();
        if (!attribute) {
            return malformed();
        }
        if (attribute->name != 'p') {
            continue;  // an optional extension
        }
        auto proof = crypto::base64_decode(attribute->value);
        if (!attributes.at_end() || !proof || proof->size() != crypto::kSha256Bytes) {
            return malformed();
        }
        constexpr std::string_view kProofStart = ",p=";
        const std::size_t tail = kProofStart.size() + attribute->value.size();
        return ClientFinal{
            *channel_binding, *nonce, message.substr(0, message.size() - tail), std::move(*proof)};
    }
}

bool is_plausible(std::string_view message) {
    return message.size() <= kMaxAuthMessageBytes && message.find('\0') == std::string_view::npos;
}

}  // namespace

ScramServer::ScramServer(ScramVerifier verifier, ScramAccount account)
    : verifier_{std::move(verifier)}, account_{account}, nonce_{detail::make_scram_nonce()} {}

Result<std::string> ScramServer::client_first(std::string_view message, ScramChoice choice) {
    // Every way out but the last one ends the exchange.
    if (std::exchange(step_, Step::Failed) != Step::ClientFirst || !is_plausible(message)) {
        return malformed();
    }
    if (choice == ScramChoice::Plus && end_point_.empty()) {
        return malformed();
    }
    choice_ = choice;
    const auto header_bytes = read_gs2_header(message, choice, !end_point_.empty());
    if (!header_bytes) {
        return fail(header_bytes.error());
    }
    const std::string_view bare = message.substr(*header_bytes);
    const auto client_nonce = read_client_first_bare(bare);
    if (!client_nonce) {
        return fail(client_nonce.error());
    }
    gs2_header_ = message.substr(0, *header_bytes);
    client_first_bare_ = bare;
    nonce_.insert(0, *client_nonce);
    server_first_ = "r=" + nonce_ + ",s=" + crypto::base64_encode(verifier_.salt) +
                    ",i=" + std::to_string(verifier_.iterations);
    step_ = Step::ClientFinal;
    return server_first_;
}

Result<std::string> ScramServer::client_final(std::string_view message) {
    if (std::exchange(step_, Step::Failed) != Step::ClientFinal || !is_plausible(message)) {
        return malformed();
    }
    const auto final = read_client_final(message);
    if (!final) {
        return fail(final.error());
    }
    const bool is_bound = choice_ == ScramChoice::Plus;
    if (final->channel_binding !=
        detail::channel_binding(gs2_header_, is_bound ? ByteView{end_point_} : ByteView{})) {
        if (is_bound) {
            return fail(ErrorCode::Rejected,
                        sqlstate::kInvalidAuthorizationSpecification,
                        "SCRAM channel binding check failed");
        }
        return fail(ErrorCode::ProtocolViolation,
                    sqlstate::kProtocolViolation,
                    "unexpected SCRAM channel-binding attribute in client-final-message");
    }
    if (final->nonce != nonce_) {
        return fail(
            ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "invalid SCRAM response");
    }
    std::string auth_message = client_first_bare_ + ',' + server_first_ + ',';
    auth_message += final->without_proof;
    // A mock does the same work before it fails, so that its answer takes as long.
    const bool holds = proof_holds(final->proof, auth_message);
    if (!holds || account_ == ScramAccount::Mock) {
        return fail(ErrorCode::AuthenticationFailed,
                    sqlstate::kInvalidPassword,
                    "password authentication failed");
    }
    step_ = Step::Done;
    return "v=" +
           crypto::base64_encode(crypto::hmac_sha256(verifier_.server_key, as_bytes(auth_message)));
}

const crypto::Sha256& ScramServer::client_key() const {
    WEIR_CHECK(is_done());
    return client_key_;
}

bool ScramServer::proof_holds(ByteView proof, std::string_view auth_message) {
    WEIR_ASSERT(proof.size() == client_key_.size());
    const crypto::Sha256 signature =
        crypto::hmac_sha256(verifier_.stored_key, as_bytes(auth_message));
    std::transform(proof.begin(),
                   proof.end(),
                   signature.begin(),
                   client_key_.begin(),
                   [](std::byte left, std::byte right) { return left ^ right; });
    return crypto::equal_in_constant_time(crypto::sha256(client_key_), verifier_.stored_key);
}

}  // namespace weir::protocol
