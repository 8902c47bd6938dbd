#include "proxy/client_auth.hpp"

#include "protocol/frame.hpp"
#include "protocol/message_writer.hpp"
#include "protocol/password.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>

using namespace weir;
using proxy::AuthCache;
using proxy::ClientAuth;
using Outcome = pool::UserAnswer::Outcome;
using Status = ClientAuth::Status;

namespace {

const std::array<std::byte, 16> kSalt{};

std::string verifier_text() {
    return protocol::ScramVerifier::derive("pencil", kSalt, 4096).text();
}

conf::Config config_with(conf::AuthMethod method, const std::string& secret) {
    conf::Config config;
    config.auth.method = method;
    conf::UserSettings user;
    user.name = "app";
    user.secret = secret;
    user.has_secret = true;
    config.users.emplace("app", user);
    return config;
}

proxy::ClientFacts facts_of(const std::string& user) {
    proxy::ClientFacts facts;
    facts.address = "127.0.0.1";
    facts.database = "shop";
    facts.user = user;
    return facts;
}

ByteView body_of(const ByteWriter& writer) {
    return protocol::body_of(writer.bytes(), protocol::read_header(writer.bytes()).header);
}

/// Runs what would run off the loop.
Status settle(ClientAuth& auth, Status status, ByteWriter& output) {
    while (status == Status::NeedsHash) {
        auth.take_work()();
        status = auth.hashed(output);
    }
    return status;
}

Status give_password(ClientAuth& auth, std::string_view text) {
    ByteWriter message;
    protocol::write_password(message, text);
    ByteWriter output;
    return settle(auth, auth.feed(body_of(message), output), output);
}

/// A whole SCRAM exchange with that password; `auth` has been started.
Status play_scram(ClientAuth& auth, const std::string& password) {
    protocol::ScramClient client;
    ByteWriter initial;
    protocol::write_sasl_initial_response(
        initial, protocol::kScramMechanism, client.client_first());
    ByteWriter challenge;
    if (auth.feed(body_of(initial), challenge) != Status::Continue) {
        return Status::Failed;
    }
    const auto first = client.server_first(as_text(body_of(challenge).subspan(4)));
    REQUIRE(first);
    ByteWriter final;
    protocol::write_sasl_response(
        final,
        client.client_final(protocol::ScramKeys::derive(password, first->salt, first->iterations)));
    ByteWriter outcome;
    const Status status = auth.feed(body_of(final), outcome);
    if (status == Status::Ok) {
        CHECK(client.server_final(as_text(body_of(outcome).subspan(4))));
    }
    return status;
}

/// @return ",s=<salt>,i=<iterations>" as a client of that name is challenged
std::string salt_offered(const conf::Config& config, const std::string& user, AuthCache& cache) {
    ClientAuth auth{config, facts_of(user), cache};
    ByteWriter output;
    REQUIRE(settle(auth, auth.start(output), output) == Status::Continue);
    protocol::ScramClient client;
    ByteWriter initial;
    protocol::write_sasl_initial_response(
        initial, protocol::kScramMechanism, client.client_first());
    ByteWriter challenge;
    REQUIRE(auth.feed(body_of(initial), challenge) == Status::Continue);
    const std::string_view text = as_text(body_of(challenge).subspan(4));
    return std::string{text.substr(text.find(",s="))};
}

Status log_in(const conf::Config& config,
              const std::string& user,
              const std::string& password,
              AuthCache& cache,
              pool::Credentials* learnt = nullptr) {
    ClientAuth auth{config, facts_of(user), cache};
    ByteWriter output;
    Status status = settle(auth, auth.start(output), output);
    if (status == Status::Continue) {
        const auto kind = ByteReader{body_of(output)}.u32();
        switch (*kind) {
            case 3: status = give_password(auth, password); break;
            case 5: {
                std::array<std::byte, 4> salt{};
                const ByteView sent = body_of(output).subspan(4);
                std::copy(sent.begin(), sent.end(), salt.begin());
                status = give_password(
                    auth, protocol::md5_response(protocol::md5_password(user, password), salt));
                break;
            }
            default: status = play_scram(auth, password); break;
        }
    }
    if (learnt != nullptr) {
        *learnt = auth.learnt();
    }
    if (status == Status::Failed) {
        CHECK(auth.failure().sqlstate == sqlstate::kInvalidPassword);
    }
    return status;
}

/// Also looks up who is configured nowhere.
conf::Config config_with_query(conf::AuthMethod method) {
    conf::Config config = config_with(method, "pencil");
    config.databases["shop"].name = "shop";
    config.auth.query = "SELECT $1, 'x'";
    config.auth.query_user = "asker";
    return config;
}

/// A login of "new", who is what `answer` says.
Status log_in_looked_up(const conf::Config& config,
                        const pool::UserAnswer& answer,
                        const std::string& password,
                        AuthCache& cache) {
    ClientAuth auth{config, facts_of("new"), cache};
    ByteWriter output;
    REQUIRE(auth.start(output) == Status::NeedsLookup);
    const Status status = settle(auth, auth.looked_up(answer, output), output);
    REQUIRE(status == Status::Continue);
    if (ByteReader{body_of(output)}.u32() != 5U) {
        return play_scram(auth, password);
    }
    std::array<std::byte, 4> salt{};
    const ByteView sent = body_of(output).subspan(4);
    std::copy(sent.begin(), sent.end(), salt.begin());
    return give_password(auth,
                         protocol::md5_response(protocol::md5_password("new", password), salt));
}

}  // namespace

TEST_SUITE("client auth") {
    TEST_CASE("client auth: each method takes each secret it can check, and no wrong password") {
        const std::string md5 = protocol::md5_password("app", "pencil");
        const std::string scram = verifier_text();

        struct Row {
            conf::AuthMethod method;
            std::string secret;
            bool can_check;
        };

        const std::array<Row, 9> rows = {{
            {conf::AuthMethod::Password, "pencil", true},
            {conf::AuthMethod::Password, md5, true},
            {conf::AuthMethod::Password, scram, true},
            {conf::AuthMethod::Md5, "pencil", true},
            {conf::AuthMethod::Md5, md5, true},
            {conf::AuthMethod::Md5, scram, true},  // by SCRAM, as PostgreSQL does
            {conf::AuthMethod::ScramSha256, "pencil", true},
            {conf::AuthMethod::ScramSha256, md5, false},
            {conf::AuthMethod::ScramSha256, scram, true},
        }};
        for (const Row& row : rows) {
            CAPTURE(row.secret);
            CAPTURE(static_cast<int>(row.method));
            AuthCache cache;
            const conf::Config config = config_with(row.method, row.secret);
            CHECK(log_in(config, "app", "pencil", cache) ==
                  (row.can_check ? Status::Ok : Status::Failed));
            CHECK(log_in(config, "app", "wrong", cache) == Status::Failed);
            CHECK(log_in(config, "stranger", "pencil", cache) == Status::Failed);
        }
    }

    TEST_CASE("client auth: trust lets everybody in") {
        AuthCache cache;
        const conf::Config config = config_with(conf::AuthMethod::Trust, "pencil");
        CHECK(log_in(config, "stranger", "", cache) == Status::Ok);
    }

    TEST_CASE("client auth: the process itself is let in, and what is configured is learnt") {
        for (const conf::AuthMethod method :
             {conf::AuthMethod::ScramSha256, conf::AuthMethod::Cert, conf::AuthMethod::Hba}) {
            AuthCache cache;
            proxy::ClientFacts facts = facts_of("app");
            facts.is_own = true;
            ClientAuth auth{config_with(method, "pencil"), facts, cache};
            ByteWriter output;
            CHECK(auth.start(output) == Status::Ok);
            CHECK(output.empty());
            CHECK(auth.learnt().secret == "pencil");
            facts.is_own = false;
            ClientAuth other{config_with(method, "pencil"), facts, cache};
            CHECK(settle(other, other.start(output), output) != Status::Ok);
        }
    }

    TEST_CASE("client auth: an empty secret opens nothing") {
        for (const conf::AuthMethod method :
             {conf::AuthMethod::Password, conf::AuthMethod::Md5, conf::AuthMethod::ScramSha256}) {
            AuthCache cache;
            CHECK(log_in(config_with(method, ""), "app", "", cache) == Status::Failed);
        }
    }

    TEST_CASE("client auth: a client's proof opens every server with the same verifier") {
        AuthCache cache;
        pool::Credentials learnt;
        REQUIRE(log_in(config_with(conf::AuthMethod::ScramSha256, verifier_text()),
                       "app",
                       "pencil",
                       cache,
                       &learnt) == Status::Ok);
        REQUIRE(learnt.keys.has_value());
        const auto expected = protocol::ScramKeys::derive("pencil", kSalt, 4096);
        CHECK(learnt.keys->client_key == expected.client_key);
        CHECK(learnt.keys->server_key == expected.server_key);
    }

    TEST_CASE("client auth: a cleartext password that held is what the pool logs in with") {
        AuthCache cache;
        pool::Credentials learnt;
        REQUIRE(log_in(config_with(conf::AuthMethod::Password, verifier_text()),
                       "app",
                       "pencil",
                       cache,
                       &learnt) == Status::Ok);
        CHECK(learnt.secret == "pencil");
    }

    TEST_CASE("client auth: a plain secret is hashed once, and again when it changes") {
        AuthCache cache;
        const conf::Config config = config_with(conf::AuthMethod::ScramSha256, "pencil");
        REQUIRE(log_in(config, "app", "pencil", cache) == Status::Ok);
        ByteWriter output;
        ClientAuth again{config, facts_of("app"), cache};
        CHECK(again.start(output) == Status::Continue);
        ClientAuth changed{
            config_with(conf::AuthMethod::ScramSha256, "crayon"), facts_of("app"), cache};
        CHECK(changed.start(output) == Status::NeedsHash);
    }

    TEST_CASE(
        "client auth: an unknown user is offered the same exchange, with the same salt each time") {
        AuthCache cache;
        const conf::Config config = config_with(conf::AuthMethod::ScramSha256, verifier_text());
        CHECK(salt_offered(config, "stranger", cache) == salt_offered(config, "stranger", cache));
    }

    TEST_CASE("client auth: all workers offer the same salt, known user or not") {
        AuthCache one;
        one.mock_secret.fill(std::byte{7});
        AuthCache other = one;
        const conf::Config config = config_with(conf::AuthMethod::ScramSha256, "pencil");
        CHECK(salt_offered(config, "app", one) == salt_offered(config, "app", other));
        CHECK(salt_offered(config, "stranger", one) == salt_offered(config, "stranger", other));
        // Nor does being added to the configuration show.
        const std::string before = salt_offered(conf::Config{config}, "app2", one);
        conf::Config later = config;
        later.users.emplace("app2", later.users.at("app"));
        CHECK(salt_offered(later, "app2", one) == before);
    }

    TEST_CASE("client auth: a message out of turn or cut short is refused") {
        AuthCache cache;
        const conf::Config config = config_with(conf::AuthMethod::ScramSha256, verifier_text());
        for (const std::string_view body : {std::string_view{},
                                            std::string_view{"x"},
                                            std::string_view{"SCRAM-SHA-256"},
                                            std::string_view{"SCRAM-SHA-256\0\0\0\0\x7f", 18}}) {
            ClientAuth auth{config, facts_of("app"), cache};
            ByteWriter output;
            REQUIRE(auth.start(output) == Status::Continue);
            CHECK(auth.feed(as_bytes(body), output) == Status::Failed);
            CHECK(auth.feed(as_bytes(body), output) == Status::Failed);
        }
    }

    TEST_CASE("client auth: who is configured nowhere is looked up, everybody else is not") {
        AuthCache cache;
        const conf::Config config = config_with_query(conf::AuthMethod::ScramSha256);
        ByteWriter output;
        ClientAuth known{config, facts_of("app"), cache};
        CHECK(settle(known, known.start(output), output) == Status::Continue);
        ClientAuth stranger{config, facts_of("stranger"), cache};
        CHECK(stranger.start(output) == Status::NeedsLookup);
        CHECK(stranger.question().user == "asker");
        CHECK(stranger.question().database == "shop");
        // A line in users_file with an empty secret says: known, without a password.
        conf::Config listed = config;
        listed.users["listed"].is_from_users_file = true;
        ClientAuth without{listed, facts_of("listed"), cache};
        CHECK(without.start(output) == Status::Continue);
        // A section without a password says how to treat the user.
        listed.users["listed"].is_from_users_file = false;
        ClientAuth section{listed, facts_of("listed"), cache};
        CHECK(section.start(output) == Status::NeedsLookup);
    }

    TEST_CASE("client auth: what was looked up checks the proof") {
        for (const std::string& secret : {std::string{"pencil"}, verifier_text()}) {
            AuthCache cache;
            const conf::Config config = config_with_query(conf::AuthMethod::ScramSha256);
            CHECK(log_in_looked_up(config, {Outcome::Found, secret, {}, {}}, "pencil", cache) ==
                  Status::Ok);
            CHECK(log_in_looked_up(config, {Outcome::Found, secret, {}, {}}, "crayon", cache) ==
                  Status::Failed);
            CHECK(log_in_looked_up(config, {}, "pencil", cache) == Status::Failed);
            CHECK(log_in_looked_up(config, {Outcome::Found, "", {}, {}}, "", cache) ==
                  Status::Failed);
        }
    }

    TEST_CASE("client auth: a look-up that failed is told, but not in detail") {
        AuthCache cache;
        const conf::Config config = config_with_query(conf::AuthMethod::ScramSha256);
        const auto failure_of = [&](Outcome outcome, SqlState sqlstate) {
            ClientAuth auth{config, facts_of("stranger"), cache};
            ByteWriter output;
            REQUIRE(auth.start(output) == Status::NeedsLookup);
            REQUIRE(auth.looked_up({outcome, {}, "in detail", sqlstate}, output) == Status::Failed);
            CHECK(auth.failure().message.find("detail") == std::string::npos);
            return auth.failure().sqlstate;
        };
        CHECK(failure_of(Outcome::Unreachable, sqlstate::kConnectionFailure) ==
              sqlstate::kCannotConnectNow);
        CHECK(failure_of(Outcome::Failed, sqlstate::kInvalidPassword) ==
              sqlstate::kConfigFileError);
        CHECK(failure_of(Outcome::Failed, sqlstate::kInvalidCatalogName) ==
              sqlstate::kInvalidCatalogName);
        conf::Config trusting = config;
        trusting.auth.method = conf::AuthMethod::Trust;
        ClientAuth auth{trusting, facts_of("stranger"), cache};
        ByteWriter output;
        REQUIRE(auth.start(output) == Status::NeedsLookup);
        CHECK(auth.looked_up({Outcome::Unreachable, {}, {}, {}}, output) == Status::Ok);
    }

    TEST_CASE("client auth: under md5 a stranger is asked as the others are") {
        const auto asked_by_md5 = [](const conf::Config& config, AuthCache& cache) {
            ClientAuth auth{config, facts_of("stranger"), cache};
            ByteWriter output;
            Status status = auth.start(output);
            if (status == Status::NeedsLookup) {
                status = auth.looked_up({}, output);
            }
            REQUIRE(status == Status::Continue);
            return ByteReader{body_of(output)}.u32() == 5U;
        };
        AuthCache cache;
        CHECK(asked_by_md5(config_with(conf::AuthMethod::Md5, "pencil"), cache));
        CHECK_FALSE(asked_by_md5(config_with(conf::AuthMethod::Md5, verifier_text()), cache));
        const conf::Config config = config_with_query(conf::AuthMethod::Md5);
        CHECK_FALSE(asked_by_md5(config, cache));  // what PostgreSQL stores unless told otherwise
        CHECK(log_in_looked_up(config,
                               {Outcome::Found, protocol::md5_password("new", "pencil"), {}, {}},
                               "pencil",
                               cache) == Status::Ok);
        CHECK(asked_by_md5(config, cache));
    }

    TEST_CASE("client auth: a certificate must be there, and say the name or one mapped to it") {
        AuthCache cache;
        conf::Config config = config_with(conf::AuthMethod::Cert, "pencil");
        const auto outcome_of = [&](const proxy::ClientFacts& facts) {
            ClientAuth auth{config, facts, cache};
            ByteWriter output;
            return auth.start(output) == Status::Ok ? std::string{} : auth.failure().message;
        };
        proxy::ClientFacts facts = facts_of("app");
        CHECK(outcome_of(facts) == "TLS connection required");
        facts.is_tls = true;
        CHECK(outcome_of(facts) == "TLS client certificate required");
        facts.has_certificate = true;
        CHECK(outcome_of(facts) == "TLS certificate name mismatch");
        facts.certificate_name = "app";
        CHECK(outcome_of(facts).empty());
        facts.certificate_name = "App";
        CHECK(outcome_of(facts) == "TLS certificate name mismatch");
        facts.user = facts.certificate_name = "stranger";
        CHECK(outcome_of(facts) == "TLS certificate name mismatch");
        config.auth.cert_map = "people";
        config.ident = {{"people",
                         conf::NamePattern::exactly("Ann"),
                         false,
                         conf::NamePattern::exactly("app")}};
        facts.user = "app";
        facts.certificate_name = "Ann";
        CHECK(outcome_of(facts).empty());
        facts.certificate_name = "app";
        CHECK(outcome_of(facts) == "TLS certificate name mismatch");
    }

    TEST_CASE("client auth: a rule's certificate comes on top of its password") {
        AuthCache cache;
        conf::Config config = config_with(conf::AuthMethod::Hba, "pencil");
        conf::HbaRule rule;
        rule.connection = conf::HbaConnection::HostSsl;
        rule.databases = {{conf::HbaDatabase::Kind::All}};
        rule.is_for_all_users = true;
        rule.method = conf::HbaMethod::Password;
        rule.client_cert = conf::HbaClientCert::VerifyFull;
        config.hba = {rule};
        const auto start = [&](const proxy::ClientFacts& facts) {
            ClientAuth auth{config, facts, cache};
            ByteWriter output;
            return auth.start(output);
        };
        proxy::ClientFacts facts = facts_of("app");
        CHECK(start(facts) == Status::Failed);  // no rule fits without TLS
        facts.is_tls = true;
        CHECK(start(facts) == Status::Failed);
        facts.has_certificate = true;
        facts.certificate_name = "other";
        CHECK(start(facts) == Status::Failed);
        config.hba.front().client_cert = conf::HbaClientCert::VerifyCa;
        CHECK(start(facts) == Status::Continue);
        config.hba.front().client_cert = conf::HbaClientCert::VerifyFull;
        facts.certificate_name = "app";
        CHECK(start(facts) == Status::Continue);
    }

    TEST_CASE("client auth: a message while the database is asked is refused") {
        AuthCache cache;
        const conf::Config config = config_with_query(conf::AuthMethod::Password);
        ClientAuth auth{config, facts_of("stranger"), cache};
        ByteWriter output;
        REQUIRE(auth.start(output) == Status::NeedsLookup);
        CHECK(auth.feed(as_bytes(std::string_view{"pencil\0", 7}), output) == Status::Failed);
    }
}
