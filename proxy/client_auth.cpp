#include "proxy/client_auth.hpp"

#include "base/check.hpp"
#include "base/crypto.hpp"
#include "base/random.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_writer.hpp"
#include "protocol/password.hpp"

#include <string_view>
#include <utility>

namespace weir::proxy {

using protocol::SecretKind;

ClientAuth::ClientAuth(const conf::Config& config, ClientFacts facts, AuthCache& cache)
    : configured_{config.auth.method},
      facts_{std::move(facts)},
      cache_{cache},
      failure_{ErrorCode::AuthenticationFailed,
               sqlstate::kInvalidPassword,
               "password authentication failed"} {
    if (const conf::UserSettings* known = config.find_user(facts_.user);
        known != nullptr && known->has_secret) {
        secret_ = known->secret;
    }
}

/// md5 turns into SCRAM for a user whose stored secret is a SCRAM verifier, as in PostgreSQL.
ClientAuth::Method ClientAuth::method() const {
    switch (configured_) {
        case conf::AuthMethod::Trust: return Method::Trust;
        case conf::AuthMethod::Password: return Method::Password;
        case conf::AuthMethod::Md5:
            return secret_ && protocol::kind_of(*secret_) == SecretKind::Scram ? Method::Scram
                                                                               : Method::Md5;
        case conf::AuthMethod::ScramSha256: return Method::Scram;
    }
    return Method::Scram;
}

ClientAuth::Status ClientAuth::start(ByteWriter& output) {
    switch (method()) {
        case Method::Trust: {
            pool::Credentials learnt;
            if (secret_ && protocol::kind_of(*secret_) != SecretKind::Scram) {
                learnt.secret = *secret_;
            }
            return succeed(std::move(learnt));
        }
        case Method::Password:
            step_ = Step::Password;
            protocol::write_authentication_cleartext(output);
            return Status::Continue;
        case Method::Md5:
            step_ = Step::Md5;
            fill_random(salt_);
            protocol::write_authentication_md5(output, salt_);
            return Status::Continue;
        case Method::Scram: return start_scram(output);
    }
    return refuse(failure_);
}

ClientAuth::Status ClientAuth::feed(ByteView body, ByteWriter& output) {
    switch (step_) {
        case Step::Password: return on_password(body);
        case Step::Md5: return on_md5(body);
        case Step::ScramFirst: return on_scram_first(body, output);
        case Step::ScramFinal: return on_scram_final(body, output);
        case Step::Start:
        case Step::HashingVerifier:
        case Step::HashingPassword:
        case Step::Done: break;
    }
    return refuse(Error{
        ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "unexpected password message"});
}

ClientAuth::Status ClientAuth::hashed(ByteWriter& output) {
    const std::shared_ptr<Hashing> hashing = std::exchange(hashing_, nullptr);
    if (step_ == Step::HashingVerifier) {
        cache_.verifiers.insert_or_assign(facts_.user,
                                          AuthCache::Entry{*secret_, *hashing->verifier});
        return offer_scram(*hashing->verifier, protocol::ScramAccount::Known, output);
    }
    pool::Credentials learnt;
    learnt.secret = std::exchange(password_, {});
    return hashing->matches ? succeed(std::move(learnt)) : wrong_password();
}

ClientAuth::Status ClientAuth::on_password(ByteView body) {
    const auto password = protocol::read_password(body);
    if (!password) {
        return refuse(password.error());
    }
    step_ = Step::HashingPassword;
    password_ = std::string{*password};
    hashing_ = std::make_shared<Hashing>();
    // Also for secrets that are quick to check and for unknown users: how long it takes tells a
    // stranger nothing.
    const std::string stored =
        secret_ && protocol::kind_of(*secret_) == SecretKind::Scram
            ? *secret_
            : protocol::ScramVerifier::mock(facts_.user, cache_.mock_secret).text();
    work_ = [hashing = hashing_,
             secret = secret_.value_or(""),
             stored,
             user = facts_.user,
             password = password_] {
        const bool matches_stored = protocol::password_matches(stored, user, password);
        hashing->matches =
            stored == secret ? matches_stored : protocol::password_matches(secret, user, password);
    };
    return Status::NeedsHash;
}

ClientAuth::Status ClientAuth::on_md5(ByteView body) {
    const auto response = protocol::read_password(body);
    if (!response) {
        return refuse(response.error());
    }
    const std::string secret = secret_.value_or("");
    const std::string stored = protocol::kind_of(secret) == SecretKind::Md5
                                   ? secret
                                   : protocol::md5_password(facts_.user, secret);
    const std::string expected = protocol::md5_response(stored, salt_);
    const bool matches = crypto::equal_in_constant_time(as_bytes(expected), as_bytes(*response));
    if (!matches || secret.empty()) {
        return wrong_password();
    }
    pool::Credentials learnt;
    learnt.secret = secret;
    return succeed(std::move(learnt));
}

ClientAuth::Status ClientAuth::start_scram(ByteWriter& output) {
    if (secret_ && !secret_->empty()) {
        switch (protocol::kind_of(*secret_)) {
            case SecretKind::Scram:
                return offer_scram(*protocol::ScramVerifier::parse(*secret_),
                                   protocol::ScramAccount::Known,
                                   output);
            case SecretKind::Plain: return start_scram_from_password(output);
            case SecretKind::Md5: break;  // an md5 hash cannot answer SCRAM
        }
    }
    return offer_scram(protocol::ScramVerifier::mock(facts_.user, cache_.mock_secret),
                       protocol::ScramAccount::Mock,
                       output);
}

ClientAuth::Status ClientAuth::start_scram_from_password(ByteWriter& output) {
    const auto cached = cache_.verifiers.find(facts_.user);
    if (cached != cache_.verifiers.end() && cached->second.secret == *secret_) {
        return offer_scram(cached->second.verifier, protocol::ScramAccount::Known, output);
    }
    return derive_verifier();
}

ClientAuth::Status ClientAuth::derive_verifier() {
    step_ = Step::HashingVerifier;
    hashing_ = std::make_shared<Hashing>();
    // An unknown user's salt: the same in all workers, so that it tells nobody who is known.
    work_ = [hashing = hashing_,
             password = *secret_,
             salt = protocol::ScramVerifier::mock(facts_.user, cache_.mock_secret).salt] {
        hashing->verifier =
            protocol::ScramVerifier::derive(password, salt, protocol::kDefaultScramIterations);
    };
    return Status::NeedsHash;
}

ClientAuth::Status ClientAuth::offer_scram(protocol::ScramVerifier verifier,
                                           protocol::ScramAccount account,
                                           ByteWriter& output) {
    scram_.emplace(std::move(verifier), account);
    step_ = Step::ScramFirst;
    constexpr std::array<std::string_view, 1> kMechanisms = {protocol::kScramMechanism};
    protocol::write_authentication_sasl(output, kMechanisms);
    return Status::Continue;
}

ClientAuth::Status ClientAuth::on_scram_first(ByteView body, ByteWriter& output) {
    const auto initial = protocol::read_sasl_initial(body);
    if (!initial) {
        return refuse(initial.error());
    }
    if (initial->mechanism != protocol::kScramMechanism) {
        return refuse(Error{ErrorCode::ProtocolViolation,
                            sqlstate::kProtocolViolation,
                            "client selected an invalid SASL authentication mechanism"});
    }
    const auto reply = scram_->client_first(initial->data);
    if (!reply) {
        return refuse(reply.error());
    }
    step_ = Step::ScramFinal;
    protocol::write_authentication_sasl_continue(output, *reply);
    return Status::Continue;
}

ClientAuth::Status ClientAuth::on_scram_final(ByteView body, ByteWriter& output) {
    const auto reply = scram_->client_final(as_text(body));
    if (!reply) {
        return refuse(reply.error());
    }
    protocol::write_authentication_sasl_final(output, *reply);
    pool::Credentials learnt;
    if (protocol::kind_of(*secret_) == SecretKind::Plain) {
        learnt.secret = *secret_;
    } else {
        learnt.keys = protocol::ScramKeys{scram_->client_key(), scram_->verifier().server_key};
    }
    return succeed(std::move(learnt));
}

ClientAuth::Status ClientAuth::succeed(pool::Credentials learnt) {
    step_ = Step::Done;
    learnt_ = std::move(learnt);
    return Status::Ok;
}

ClientAuth::Status ClientAuth::refuse(const Error& error) {
    step_ = Step::Done;
    failure_ = error;
    return Status::Failed;
}

ClientAuth::Status ClientAuth::wrong_password() {
    return refuse(Error{ErrorCode::AuthenticationFailed,
                        sqlstate::kInvalidPassword,
                        "password authentication failed"});
}

}  // namespace weir::proxy
