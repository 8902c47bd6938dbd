#pragma once

#include "base/bytes.hpp"
#include "conf/model.hpp"
#include "pool/credentials.hpp"
#include "pool/user_lookup.hpp"
#include "protocol/password.hpp"
#include "protocol/scram.hpp"
#include "proxy/client_facts.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weir::proxy {

/// Verifiers derived from plain passwords, so that each costs its hashing once per worker; and what
/// mock exchanges are made of. One per worker.
struct AuthCache {
    struct Entry {
        std::string secret;  ///< what the verifier was derived from: a changed password is noticed
        protocol::ScramVerifier verifier;
    };

    /// Far above the users whose passwords are kept in plain text; some 3 MB.
    static constexpr std::size_t kVerifiersMax = 10'000;

    std::map<std::string, Entry, std::less<>> verifiers;
    std::array<std::byte, 32> mock_secret{};  ///< the same in all workers
    /// What the user looked up last has for a secret: a stranger is asked in the same way.
    protocol::SecretKind looked_up_kind = protocol::SecretKind::Scram;
};

/// One client's proof of who it is, without I/O: password messages in, authentication requests out.
///
/// An unknown user goes through the same motions as a known one and fails with the same words.
class ClientAuth {
public:
    enum class Status : std::uint8_t {
        Continue,     ///< send `output`, feed the client's next password message
        NeedsHash,    ///< slow: run take_work() off the loop, then call hashed()
        NeedsLookup,  ///< ask question() about the user, then call looked_up()
        Ok,
        Failed,  ///< failure() says what the client is told
    };

    /// What the client is told, FATAL.
    struct Failure {
        SqlState sqlstate = sqlstate::kInvalidPassword;
        std::string message;
        const char* reason = "password";  ///< label of weir_client_logins_failed_total
    };

    ClientAuth(const conf::Config& config, ClientFacts facts, AuthCache& cache);

    [[nodiscard]] Status start(ByteWriter& output);
    /// @param body a whole PasswordMessage's body
    [[nodiscard]] Status feed(ByteView body, ByteWriter& output);

    /// @return what to run off the loop: owns all it touches
    [[nodiscard]] std::function<void()> take_work() { return std::exchange(work_, nullptr); }

    [[nodiscard]] Status hashed(ByteWriter& output);

    [[nodiscard]] const conf::UserQuery& question() const { return question_; }

    [[nodiscard]] Status looked_up(const pool::UserAnswer& answer, ByteWriter& output);

    /// @return after Ok: how to log in to PostgreSQL as this user; empty when nothing was learnt
    [[nodiscard]] const pool::Credentials& learnt() const { return learnt_; }

    [[nodiscard]] const Failure& failure() const { return failure_; }

private:
    enum class Step : std::uint8_t {
        Start,
        LookingUp,
        Password,
        Md5,
        ScramFirst,
        ScramFinal,
        HashingVerifier,
        HashingPassword,
        AskingWhosePeer,
        Done
    };

    /// What the background thread computes; shared so that either side may go first.
    struct Hashing {
        std::optional<protocol::ScramVerifier> verifier;
        bool matches = false;
        std::string system_user;
    };

    void find_user(const conf::Config& config);
    void find_rule(const conf::Config& config);
    [[nodiscard]] bool asks_by_scram() const;
    [[nodiscard]] Status begin(ByteWriter& output);
    [[nodiscard]] std::optional<Status> check_certificate();
    [[nodiscard]] Status ask_whose_peer();
    [[nodiscard]] Status let_in();
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
    [[nodiscard]] Status refuse(SqlState sqlstate, std::string message, const char* reason);
    [[nodiscard]] Status refuse(const Error& error);
    [[nodiscard]] Status wrong_password();

    ClientFacts facts_;
    conf::HbaMethod method_ = conf::HbaMethod::Reject;
    conf::HbaClientCert client_cert_ = conf::HbaClientCert::Any;
    std::string map_;
    std::vector<conf::IdentRule> ident_;  // where the method has to do with names
    std::string rejection_;               // why nobody is let in from there; "" = they may try
    bool is_known_ = false;               // configured, or found by look-up
    bool is_stranger_asked_for_md5_ = true;
    std::optional<std::string> secret_;  // nothing: there is none to check a password with
    conf::UserQuery question_;           // empty: nobody is to be asked
    AuthCache& cache_;
    Step step_ = Step::Start;
    std::array<std::byte, 4> salt_{};
    std::optional<protocol::ScramServer> scram_;
    std::shared_ptr<Hashing> hashing_;
    std::string password_;  // while it is being hashed
    std::function<void()> work_;
    pool::Credentials learnt_;
    Failure failure_;
};

}  // namespace weir::proxy
