#pragma once

#include "base/bytes.hpp"
#include "conf/model.hpp"
#include "pool/credentials.hpp"
#include "protocol/scram.hpp"
#include "proxy/client_facts.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace weir::proxy {

/// Verifiers derived from plain passwords, so that each costs its hashing once per worker; and what
/// mock exchanges are made of. One per worker.
struct AuthCache {
    struct Entry {
        std::string secret;  ///< what the verifier was derived from: a changed password is noticed
        protocol::ScramVerifier verifier;
    };

    std::map<std::string, Entry, std::less<>> verifiers;
    std::array<std::byte, 32> mock_secret{};  ///< the same in all workers
};

/// One client's proof of who it is, without I/O: password messages in, authentication requests out.
///
/// An unknown user goes through the same motions as a known one and fails with the same words.
class ClientAuth {
public:
    enum class Status : std::uint8_t {
        Continue,   ///< send `output`, feed the client's next password message
        NeedsHash,  ///< slow: run take_work() off the loop, then call hashed()
        Ok,
        Failed,  ///< failure() says what the client is told
    };

    ClientAuth(const conf::Config& config, ClientFacts facts, AuthCache& cache);

    [[nodiscard]] Status start(ByteWriter& output);
    /// @param body a whole PasswordMessage's body
    [[nodiscard]] Status feed(ByteView body, ByteWriter& output);

    /// @return what to run off the loop: owns all it touches
    [[nodiscard]] std::function<void()> take_work() { return std::exchange(work_, nullptr); }

    [[nodiscard]] Status hashed(ByteWriter& output);

    /// @return after Ok: how to log in to PostgreSQL as this user; empty when nothing was learnt
    [[nodiscard]] const pool::Credentials& learnt() const { return learnt_; }

    [[nodiscard]] const Error& failure() const { return failure_; }

private:
    enum class Method : std::uint8_t { Trust, Password, Md5, Scram };
    enum class Step : std::uint8_t {
        Start,
        Password,
        Md5,
        ScramFirst,
        ScramFinal,
        HashingVerifier,
        HashingPassword,
        Done
    };

    /// What the background thread computes; shared so that either side may go first.
    struct Hashing {
        std::optional<protocol::ScramVerifier> verifier;
        bool matches = false;
    };

    [[nodiscard]] Method method() const;
    [[nodiscard]] Status start_scram(ByteWriter& output);
    [[nodiscard]] Status start_scram_from_password(ByteWriter& output);
    [[nodiscard]] Status offer_scram(protocol::ScramVerifier verifier,
                                     protocol::ScramAccount account,
                                     ByteWriter& output);
    [[nodiscard]] Status derive_verifier();
    [[nodiscard]] Status on_password(ByteView body);
    [[nodiscard]] Status on_md5(ByteView body);
    [[nodiscard]] Status on_scram_first(ByteView body, ByteWriter& output);
    [[nodiscard]] Status on_scram_final(ByteView body, ByteWriter& output);
    [[nodiscard]] Status succeed(pool::Credentials learnt);
    [[nodiscard]] Status refuse(const Error& error);
    [[nodiscard]] Status wrong_password();

    conf::AuthMethod configured_;
    ClientFacts facts_;
    std::optional<std::string> secret_;  // nothing: unknown user
    AuthCache& cache_;
    Step step_ = Step::Start;
    std::array<std::byte, 4> salt_{};
    std::optional<protocol::ScramServer> scram_;
    std::shared_ptr<Hashing> hashing_;
    std::string password_;  // while it is being hashed
    std::function<void()> work_;
    pool::Credentials learnt_;
    Error failure_;
};

}  // namespace weir::proxy
