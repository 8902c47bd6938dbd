// Both roles of SCRAM. The input is text: its first character chooses what it is given to, a line
// feed separates two messages of one exchange. A "$" stands for the part of the nonce that the
// other side made up, so that a mutated message can get past its check.

#include "protocol/scram.hpp"

#include "protocol/limits.hpp"
#include "protocol/password.hpp"
#include "tests/fuzz/fuzz_input.hpp"

#include <string>

namespace {

using namespace weir::protocol;

using weir::as_bytes;
using weir::as_text;
using weir::fuzz::require;

constexpr std::string_view kServerNonce = "servernonce";
constexpr std::string_view kClientNonce = "clientnonce";

std::string with_nonce(std::string_view text, std::string_view nonce) {
    std::string result;
    for (const char c : text) {
        if (c == '$') {
            result += nonce;
        } else {
            result += c;
        }
    }
    return result;
}

struct TwoMessages {
    std::string_view first;
    std::string_view second;
};

TwoMessages split(std::string_view text) {
    const std::size_t end = text.find('\n');
    return {text.substr(0, end), end == std::string_view::npos ? "" : text.substr(end + 1)};
}

void play_server(std::string_view text, ScramAccount account) {
    static const ScramVerifier kVerifier = ScramVerifier::derive("pencil", as_bytes("salt"), 1);
    const TwoMessages messages = split(text);
    ScramServer server{kVerifier, account};
    server.set_nonce_for_test(std::string{kServerNonce});
    const auto reply = server.client_first(messages.first);
    require(!server.is_done());
    const auto final = server.client_final(with_nonce(messages.second, kServerNonce));
    require(final.has_value() == server.is_done());
    // Whoever gets in knows the password: nobody does here but one whose proof was signed for this
    // very exchange.
    require(!final || (reply && account == ScramAccount::Known));
    require(!server.client_final(messages.second));
}

void play_client(std::string_view text) {
    static const ScramKeys kKeys = ScramKeys::derive("pencil", as_bytes("salt"), 1);
    const TwoMessages messages = split(text);
    ScramClient client;
    client.set_identity_for_test("", std::string{kClientNonce});
    require(client.client_first() == "n,,n=,r=clientnonce");
    const auto first = client.server_first(with_nonce(messages.first, kClientNonce));
    if (first) {
        require(first->iterations >= 1 && first->iterations <= kMaxScramIterations);
        require(!first->salt.empty() && first->salt.size() <= kMaxScramSaltBytes);
        require(client.client_final(kKeys).starts_with("c=biws,r=clientnonce"));
    }
    const auto final = client.server_final(messages.second);
    require(final.has_value() == client.is_done());
    require(first || !final);
}

void parse_verifier(std::string_view text) {
    const auto verifier = ScramVerifier::parse(text);
    require((kind_of(text) == SecretKind::Scram) == verifier.has_value());
    if (verifier) {
        require(verifier->text() == text);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto copy = weir::fuzz::exact_copy(weir::fuzz::input(data, size));
    if (copy.empty()) {
        return 0;
    }
    const std::string_view text = as_text(copy).substr(1);
    switch (as_text(copy).front()) {
        case 's': play_server(text, ScramAccount::Known); break;
        case 'm': play_server(text, ScramAccount::Mock); break;
        case 'c': play_client(text); break;
        default: parse_verifier(text); break;
    }
    return 0;
}
