#include "proxy/client_auth.hpp"

#include "base/check.hpp"
#include "base/crypto.hpp"
#include "base/random.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_writer.hpp"
#include "proxy/hba_match.hpp"

#include <pwd.h>

#include <algorithm>
#include <span>
#include <string_view>
#include <utility>

namespace weir::proxy {

using conf::HbaMethod;
using pool::UserAnswer;
using protocol::SecretKind;

namespace {

HbaMethod method_of(conf::AuthMethod method) {
    switch (method) {
        case conf::AuthMethod::Trust: return HbaMethod::Trust;
        case conf::AuthMethod::Password: return HbaMethod::Password;
        case conf::AuthMethod::Md5: return HbaMethod::Md5;
        case conf::AuthMethod::ScramSha256: return HbaMethod::ScramSha256;
        case conf::AuthMethod::Cert: return HbaMethod::Cert;
        case conf::AuthMethod::Hba: break;
    }
    return HbaMethod::Reject;
}

/// Where some have a secret that md5 can check, a stranger is taken for one of them.
bool has_secret_for_md5(const conf::Config& config) {
    constexpr std::string_view kVerifierPrefix = "SCRAM-SHA-256$";
    return std::any_of(config.users.begin(), config.users.end(), [&](const auto& user) {
        return user.second.has_secret && user.second.secret.rfind(kVerifierPrefix, 0) != 0;
    });
}

/// May ask a directory server: never on an event loop.
/// @return "" for nobody that is known
std::string name_of_system_user(uid_t uid) {
    constexpr std::size_t kEntryBytes = std::size_t{16} * 1024;
    std::vector<char> buffer(kEntryBytes);
    passwd entry{};
    passwd* found = nullptr;
    ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    return found == nullptr ? std::string{} : std::string{entry.pw_name};
}

}  // namespace

ClientAuth::ClientAuth(const conf::Config& config, ClientFacts facts, AuthCache& cache)
    : facts_{std::move(facts)}, cache_{cache} {
    find_user(config);
    find_rule(config);
}

void ClientAuth::find_user(const conf::Config& config) {
    const conf::UserSettings* user = config.find_user(facts_.user);
    is_known_ = user != nullptr;
    if (is_known_ && user->has_secret) {
        secret_ = user->secret;
    }
    // A section without a password says how to treat a user, not who that is.
    const bool is_open = user == nullptr || (!user->has_secret && !user->is_from_users_file);
    if (is_open) {
        question_ = config.user_query_for(facts_.database);
    }
}

void ClientAuth::find_rule(const conf::Config& config) {
    if (facts_.is_own) {
        method_ = HbaMethod::Trust;
        return;
    }
    method_ = method_of(config.auth.method);
    map_ = config.auth.cert_map;
    if (config.auth.method == conf::AuthMethod::Hba) {
        const conf::HbaRule* rule = proxy::find_rule(config.hba, facts_, net::own_networks);
        method_ = rule == nullptr ? HbaMethod::Reject : rule->method;
        if (method_ == HbaMethod::Reject) {
            rejection_ = rejection_text(rule, facts_);
            return;
        }
        map_ = rule->map;
        client_cert_ = rule->client_cert;
    }
    if (method_ == HbaMethod::Md5 && !secret_) {
        const bool has_query = !question_.query.empty() || !config.auth.query.empty();
        is_stranger_asked_for_md5_ =
            has_query ? cache_.looked_up_kind != SecretKind::Scram : has_secret_for_md5(config);
    }
    if (method_ == HbaMethod::Cert || method_ == HbaMethod::Peer) {
        ident_ = config.ident;
    }
}

/// md5 turns into SCRAM for a user whose stored secret is a SCRAM verifier, as in PostgreSQL.
bool ClientAuth::asks_by_scram() const {
    if (method_ != HbaMethod::Md5) {
        return method_ == HbaMethod::ScramSha256;
    }
    return secret_ ? protocol::kind_of(*secret_) == SecretKind::Scram : !is_stranger_asked_for_md5_;
}

ClientAuth::Status ClientAuth::start(ByteWriter& output) {
    if (method_ == HbaMethod::Reject) {
        return refuse(sqlstate::kInvalidAuthorizationSpecification, rejection_, "hba");
    }
    if (const auto refused = check_certificate()) {
        return *refused;
    }
    if (!question_.query.empty()) {
        step_ = Step::LookingUp;
        return Status::NeedsLookup;
    }
    return begin(output);
}

ClientAuth::Status ClientAuth::looked_up(const UserAnswer& answer, ByteWriter& output) {
    WEIR_ASSERT(step_ == Step::LookingUp);
    switch (answer.outcome) {
        case UserAnswer::Outcome::Found:
            is_known_ = true;
            if (!answer.secret.empty()) {
                secret_ = answer.secret;
                cache_.looked_up_kind = protocol::kind_of(answer.secret);
            }
            return begin(output);
        case UserAnswer::Outcome::Unknown: return begin(output);
        case UserAnswer::Outcome::Unreachable:
        case UserAnswer::Outcome::Failed: break;
    }
    if (method_ == HbaMethod::Trust) {
        return begin(output);  // nothing had to be known
    }
    // What exactly went wrong is in the log: a stranger is not told.
    if (answer.outcome == UserAnswer::Outcome::Unreachable) {
        return refuse(sqlstate::kCannotConnectNow,
                      "cannot look up users now: the database that knows them does not answer "
                      "(auth.query)",
                      "auth_query");
    }
    if (answer.sqlstate == sqlstate::kInvalidCatalogName) {
        return refuse(sqlstate::kInvalidCatalogName,
                      "database \"" + facts_.database + "\" does not exist",
                      "no_database");
    }
    return refuse(
        sqlstate::kConfigFileError, "bouncer config error (auth.query failed)", "auth_query");
}

ClientAuth::Status ClientAuth::begin(ByteWriter& output) {
    if (asks_by_scram()) {
        return start_scram(output);
    }
    switch (method_) {
        case HbaMethod::Trust: return let_in();
        case HbaMethod::Cert:
            // Strangers and those with another's certificate are told the same.
            if (!is_known_ || !conf::may_be(ident_, map_, facts_.certificate_name, facts_.user)) {
                return refuse(sqlstate::kInvalidAuthorizationSpecification,
                              "TLS certificate name mismatch",
                              "certificate");
            }
            return let_in();
        case HbaMethod::Peer: return ask_whose_peer();
        case HbaMethod::Password:
            step_ = Step::Password;
            protocol::write_authentication_cleartext(output);
            return Status::Continue;
        case HbaMethod::Md5:
            step_ = Step::Md5;
            fill_random(salt_);
            protocol::write_authentication_md5(output, salt_);
            return Status::Continue;
        case HbaMethod::Reject:
        case HbaMethod::ScramSha256: break;
    }
    return wrong_password();
}

/// @return nothing when the client has the certificate it needs, if any
std::optional<ClientAuth::Status> ClientAuth::check_certificate() {
    if (method_ != HbaMethod::Cert && client_cert_ == conf::HbaClientCert::Any) {
        return std::nullopt;
    }
    if (!facts_.is_tls) {
        return refuse(
            sqlstate::kInvalidAuthorizationSpecification, "TLS connection required", "certificate");
    }
    if (!facts_.has_certificate) {
        return refuse(sqlstate::kInvalidAuthorizationSpecification,
                      "TLS client certificate required",
                      "certificate");
    }
    if (client_cert_ == conf::HbaClientCert::VerifyFull && method_ != HbaMethod::Cert &&
        facts_.certificate_name != facts_.user) {
        return refuse(sqlstate::kInvalidAuthorizationSpecification,
                      "TLS certificate name mismatch",
                      "certificate");
    }
    return std::nullopt;
}

ClientAuth::Status ClientAuth::ask_whose_peer() {
    step_ = Step::AskingWhosePeer;
    hashing_ = std::make_shared<Hashing>();
    work_ = [hashing = hashing_, uid = facts_.peer_uid] {
        hashing->system_user = uid ? name_of_system_user(*uid) : std::string{};
    };
    return Status::NeedsHash;
}

/// Without a password to learn: what is stored may serve PostgreSQL too.
ClientAuth::Status ClientAuth::let_in() {
    pool::Credentials learnt;
    if (secret_ && protocol::kind_of(*secret_) != SecretKind::Scram) {
        learnt.secret = *secret_;
    }
    return succeed(std::move(learnt));
}

ClientAuth::Status ClientAuth::feed(ByteView body, ByteWriter& output) {
    switch (step_) {
        case Step::Password: return on_password(body);
        case Step::Md5: return on_md5(body);
        case Step::ScramFirst: return on_scram_first(body, output);
        case Step::ScramFinal: return on_scram_final(body, output);
        case Step::Start:
        case Step::LookingUp:
        case Step::HashingVerifier:
        case Step::HashingPassword:
        case Step::AskingWhosePeer:
        case Step::Done: break;
    }
    return refuse(Error{
        ErrorCode::ProtocolViolation, sqlstate::kProtocolViolation, "unexpected password message"});
}

ClientAuth::Status ClientAuth::hashed(ByteWriter& output) {
    const std::shared_ptr<Hashing> hashing = std::exchange(hashing_, nullptr);
    if (step_ == Step::HashingVerifier) {
        if (cache_.verifiers.size() >= AuthCache::kVerifiersMax) {
            cache_.verifiers.clear();  // a query can know any name that strangers come up with
        }
        cache_.verifiers.insert_or_assign(facts_.user,
                                          AuthCache::Entry{*secret_, *hashing->verifier});
        return offer_scram(*hashing->verifier, protocol::ScramAccount::Known, output);
    }
    if (step_ == Step::AskingWhosePeer) {
        if (!is_known_ || !conf::may_be(ident_, map_, hashing->system_user, facts_.user)) {
            return refuse(
                sqlstate::kInvalidAuthorizationSpecification, "unix socket login rejected", "peer");
        }
        return let_in();
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
    constexpr std::array<std::string_view, 2> kMechanisms = {protocol::kScramPlusMechanism,
                                                             protocol::kScramMechanism};
    const bool has_plus = !facts_.end_point.empty();
    if (has_plus) {
        scram_->offer_plus(facts_.end_point);
    }
    protocol::write_authentication_sasl(output, std::span{kMechanisms}.subspan(has_plus ? 0 : 1));
    return Status::Continue;
}

ClientAuth::Status ClientAuth::on_scram_first(ByteView body, ByteWriter& output) {
    const auto initial = protocol::read_sasl_initial(body);
    if (!initial) {
        return refuse(initial.error());
    }
    const bool is_plus =
        initial->mechanism == protocol::kScramPlusMechanism && !facts_.end_point.empty();
    if (!is_plus && initial->mechanism != protocol::kScramMechanism) {
        return refuse(Error{ErrorCode::ProtocolViolation,
                            sqlstate::kProtocolViolation,
                            "client selected an invalid SASL authentication mechanism"});
    }
    const auto reply = scram_->client_first(
        initial->data, is_plus ? protocol::ScramChoice::Plus : protocol::ScramChoice::Plain);
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

ClientAuth::Status ClientAuth::refuse(SqlState sqlstate, std::string message, const char* reason) {
    step_ = Step::Done;
    failure_ = {sqlstate, std::move(message), reason};
    return Status::Failed;
}

ClientAuth::Status ClientAuth::refuse(const Error& error) {
    return error.code() == ErrorCode::AuthenticationFailed
               ? wrong_password()
               : refuse(error.sqlstate(), std::string{error.what()}, "malformed");
}

ClientAuth::Status ClientAuth::wrong_password() {
    return refuse(sqlstate::kInvalidPassword,
                  "password authentication failed for user \"" + facts_.user + "\"",
                  "password");
}

}  // namespace weir::proxy
