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
}
