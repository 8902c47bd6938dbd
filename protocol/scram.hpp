#pragma once

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// SCRAM-SHA-256 and SCRAM-SHA-256-PLUS in both roles, as text in and text out. PLUS also proves
/// that both ends are on the same TLS connection (channel binding, "tls-server-end-point"); the
/// caller knows the connection and brings the hash of the server's certificate.
///
/// Passwords go through SASLprep first (base/saslprep.hpp), as libpq's and PostgreSQL's do.
///
/// @source RFC 5802 and RFC 7677; PostgreSQL 15 manual, "SASL Authentication"
namespace weir::protocol {

inline constexpr std::string_view kScramMechanism = "SCRAM-SHA-256";
inline constexpr std::string_view kScramPlusMechanism = "SCRAM-SHA-256-PLUS";

/// RFC 5929's tls-server-end-point: the hash of the server's certificate.
using ScramEndPoint = std::vector<std::byte>;

/// Which of the two mechanisms a client chose.
enum class ScramChoice : std::uint8_t { Plain, Plus };
/// PostgreSQL's default, and therefore what a mock must announce to be no different.
inline constexpr unsigned kDefaultScramIterations = 4096;

/// What a server stores instead of a password: pg_authid.rolpassword.
struct ScramVerifier {
    unsigned iterations = kDefaultScramIterations;
    std::vector<std::byte> salt;
    crypto::Sha256 stored_key{};
    crypto::Sha256 server_key{};

    /// @param text "SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>", three in base64
    /// @return nothing for anything else, also for iterations outside 1..kMaxScramIterations
    [[nodiscard]] static std::optional<ScramVerifier> parse(std::string_view text);

    /// Slow (PBKDF2): never on an event loop.
    /// @param iterations 1..kMaxScramIterations
    [[nodiscard]] static ScramVerifier derive(std::string_view password,
                                              ByteView salt,
                                              unsigned iterations);

    /// What an unknown user's exchange is played with: the same salt every time the same name is
    /// tried, so that a stranger cannot tell it from a real one, and keys no password leads to.
    /// Give it to a ScramServer as ScramAccount::Mock.
    /// @param secret random bytes that stay the same for the life of the process
    [[nodiscard]] static ScramVerifier mock(std::string_view user, ByteView secret);

    /// @return the spelling parse() reads
    [[nodiscard]] std::string text() const;
};

/// What logs in to a backend without the password. Either derived from the password and the
/// backend's salt, or put together from a client's own proof (ScramServer::client_key()) and the
/// verifier's server key.
struct ScramKeys {
    crypto::Sha256 client_key{};
    crypto::Sha256 server_key{};

    [[nodiscard]] bool operator==(const ScramKeys&) const = default;

    /// Slow (PBKDF2): never on an event loop.
    /// @param iterations 1..kMaxScramIterations
    [[nodiscard]] static ScramKeys derive(std::string_view password,
                                          ByteView salt,
                                          unsigned iterations);
};

enum class ScramAccount : std::uint8_t {
    Known,
    Mock,  ///< goes through all the motions and always fails
};

/// The server's half of one exchange. Used once: an error ends it.
class ScramServer {
public:
    explicit ScramServer(ScramVerifier verifier, ScramAccount account = ScramAccount::Known);

    /// PLUS is offered too. Before client_first().
    void offer_plus(ScramEndPoint end_point) { end_point_ = std::move(end_point); }

    /// @param message the client-first message, e.g. "n,,n=,r=fyko+d2lbbFgONRv9qkxdawL"
    /// @param choice Plus only where it was offered
    /// @return the server-first message
    /// @errors ProtocolViolation 08P01 (malformed, out of turn, or with a channel binding that does
    ///         not go with the mechanism); Unsupported 0A000 (an authorisation identity, a
    ///         mandatory extension); Rejected 28000 (the client could bind and believes that we
    ///         cannot: somebody between us took PLUS out of the offer)
    [[nodiscard]] Result<std::string> client_first(std::string_view message,
                                                   ScramChoice choice = ScramChoice::Plain);

    /// @param message the client-final message, "c=…,r=…,p=…"
    /// @return the server-final message, "v=…"
    /// @errors ProtocolViolation 08P01 (malformed, out of turn, another nonce or channel binding);
    ///         Rejected 28000 (bound to another connection); AuthenticationFailed 28P01 (the proof
    ///         does not hold, or the account is a mock)
    [[nodiscard]] Result<std::string> client_final(std::string_view message);

    [[nodiscard]] bool is_done() const { return step_ == Step::Done; }

    /// Call only when is_done().
    /// @return the client's key as its proof revealed it: with the verifier's server key it logs in
    ///         to every backend that stores the same verifier
    [[nodiscard]] const crypto::Sha256& client_key() const;

    [[nodiscard]] const ScramVerifier& verifier() const { return verifier_; }

    /// Replaces the random part of the nonce, for published test vectors.
    void set_nonce_for_test(std::string nonce) { nonce_ = std::move(nonce); }

private:
    enum class Step : std::uint8_t { ClientFirst, ClientFinal, Done, Failed };

    /// Keeps the client's key when it does.
    [[nodiscard]] bool proof_holds(ByteView proof, std::string_view auth_message);

    ScramVerifier verifier_;
    ScramAccount account_;
    Step step_ = Step::ClientFirst;
    std::string nonce_;        ///< ours at first, then the client's and ours
    std::string gs2_header_;   ///< what the client's "c=" must repeat
    ScramEndPoint end_point_;  ///< empty: PLUS is not offered
    ScramChoice choice_ = ScramChoice::Plain;
    std::string client_first_bare_;  ///< part of what both sides sign
    std::string server_first_;       ///< likewise
    crypto::Sha256 client_key_{};
};

/// The client's half of one exchange. Used once: an error ends it.
///
/// Order of calls: client_first, server_first, client_final, server_final.
class ScramClient {
public:
    ScramClient();

    /// The connection can be bound to. Before client_first().
    /// @param choice Plus where the server offers it; Plain tells it that it did not
    void bind_to(ScramEndPoint end_point, ScramChoice choice);

    /// @return the client-first message; its user name is empty, since PostgreSQL takes the one in
    ///         the startup packet
    [[nodiscard]] std::string client_first();

    struct ServerFirst {
        std::vector<std::byte> salt;  ///< 1..kMaxScramSaltBytes bytes
        unsigned iterations = 0;      ///< 1..kMaxScramIterations
    };

    /// @return what ScramKeys::derive() needs
    /// @errors ProtocolViolation 08P01 (malformed, out of turn, a nonce that does not extend ours);
    ///         Unsupported 0A000 (a mandatory extension); AuthenticationFailed 28P01 ("e=…" came)
    [[nodiscard]] Result<ServerFirst> server_first(std::string_view message);

    /// Call only after server_first() succeeded.
    [[nodiscard]] std::string client_final(const ScramKeys& keys);

    /// Checks that the backend knows the verifier too.
    /// @errors ProtocolViolation 08P01 (malformed, out of turn);
    ///         AuthenticationFailed 28P01 (another signature, or "e=…" came)
    [[nodiscard]] Result<void> server_final(std::string_view message);

    [[nodiscard]] bool is_done() const { return step_ == Step::Done; }

    /// @return the value of the "e=" the server sent, printable characters only; "" without one
    [[nodiscard]] const std::string& server_error() const { return server_error_; }

    /// Replaces the user name and our nonce, for published test vectors.
    void set_identity_for_test(std::string user, std::string nonce);

private:
    enum class Step : std::uint8_t {
        ClientFirst,
        ServerFirst,
        ClientFinal,
        ServerFinal,
        Done,
        Failed
    };

    Step step_ = Step::ClientFirst;
    std::string gs2_header_ = "n,,";
    ScramEndPoint end_point_;  ///< empty unless PLUS was chosen
    std::string user_;
    std::string nonce_;              ///< ours at first, then ours and the server's
    std::string client_first_bare_;  ///< part of what both sides sign
    std::string server_first_;       ///< likewise
    crypto::Sha256 server_signature_{};
    std::string server_error_;
};

}  // namespace weir::protocol
