#include "pool/backend_login.hpp"

#include "protocol/frame.hpp"
#include "protocol/frontend_views.hpp"
#include "protocol/message_writer.hpp"
#include "protocol/password.hpp"
#include "protocol/startup.hpp"

#include <doctest/doctest.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace weir;
using pool::BackendLogin;
using pool::Credentials;
using protocol::BackendMessage;

namespace {

using Status = BackendLogin::Status;

Credentials with_secret(std::string secret) {
    return {std::move(secret), std::nullopt};
}

BackendLogin make_login(Credentials credentials) {
    return {{"app", "shop", {}}, std::move(credentials), {}};
}

/// Feeds the one message that was written.
Status feed(BackendLogin& login, const ByteWriter& message, ByteWriter& output) {
    const auto header = protocol::read_header(message.bytes()).header;
    return login.feed(static_cast<BackendMessage>(header.type),
                      protocol::body_of(message.bytes(), header),
                      output);
}

ByteView body_of_first(const ByteWriter& output) {
    return protocol::body_of(output.bytes(), protocol::read_header(output.bytes()).header);
}

void finish(BackendLogin& login) {
    ByteWriter output;
    ByteWriter ok;
    protocol::write_authentication_ok(ok);
    CHECK(feed(login, ok, output) == Status::Continue);
    ByteWriter parameter;
    protocol::write_parameter_status(parameter, "TimeZone", "Europe/Rome");
    CHECK(feed(login, parameter, output) == Status::Continue);
    ByteWriter key;
    protocol::write_backend_key_data(key, 4711, as_bytes("abcd"));
    CHECK(feed(login, key, output) == Status::Continue);
    ByteWriter ready;
    protocol::write_ready_for_query(ready, protocol::TransactionStatus::Idle);
    CHECK(feed(login, ready, output) == Status::Done);
    CHECK(login.process_id() == 4711);
    CHECK(as_text(login.cancel_secret()) == "abcd");
    CHECK(login.take_parameters() == pool::ReportedParameters{{"TimeZone", "Europe/Rome"}});
}

/// Plays the server's side of SCRAM against the login.
Status play_scram(BackendLogin& login, protocol::ScramServer& server, const std::string& password) {
    constexpr std::array<std::string_view, 1> kOffered = {protocol::kScramMechanism};
    ByteWriter request;
    protocol::write_authentication_sasl(request, kOffered);
    ByteWriter first;
    REQUIRE(feed(login, request, first) == Status::Continue);
    const auto server_first =
        server.client_first(protocol::read_sasl_initial(body_of_first(first))->data);
    REQUIRE(server_first);
    ByteWriter challenge;
    protocol::write_authentication_sasl_continue(challenge, *server_first);
    ByteWriter final;
    Status status = feed(login, challenge, final);
    if (status == Status::NeedsKeys) {
        const auto& wanted = login.key_request();
        status = login.give_keys(
            protocol::ScramKeys::derive(password, wanted.salt, wanted.iterations), final);
    }
    REQUIRE(status == Status::Continue);
    const auto server_final = server.client_final(as_text(body_of_first(final)));
    if (!server_final) {
        return Status::Failed;
    }
    ByteWriter proof;
    protocol::write_authentication_sasl_final(proof, *server_final);
    ByteWriter nothing;
    return feed(login, proof, nothing);
}

}  // namespace

TEST_SUITE("backend login") {
    TEST_CASE("backend login: no setting can stand for who it is, or for what") {
        const BackendLogin login{{"app", "shop", "database"},
                                 {},
                                 {{"user", "postgres"},
                                  {"timezone", "UTC"},
                                  {"database", "other"},
                                  {"replication", "true"},
                                  {"options", "-c role=postgres"},
                                  {"_pq_.x", "1"},
                                  {"USER", "postgres"}}};
        ByteWriter output;
        login.start(output);
        const auto packet = protocol::read_startup(output.bytes()).packet;
        using Parameters = std::vector<std::pair<std::string, std::string>>;
        // (To PostgreSQL, USER is the name of a setting: there is none.)
        CHECK(packet.parameters == Parameters{{"user", "app"},
                                              {"database", "shop"},
                                              {"replication", "database"},
                                              {"timezone", "UTC"},
                                              {"USER", "postgres"}});
        CHECK(packet.protocol_options.empty());
    }

    TEST_CASE("backend login: trust needs no proof") {
        BackendLogin login = make_login({});
        finish(login);
    }

    TEST_CASE("backend login: a cleartext password is sent only where one is known") {
        ByteWriter request;
        protocol::write_authentication_cleartext(request);
        ByteWriter output;
        BackendLogin login = make_login(with_secret("pencil"));
        REQUIRE(feed(login, request, output) == Status::Continue);
        CHECK(*protocol::read_password(body_of_first(output)) == "pencil");
        finish(login);
        for (const std::string& secret : {std::string{}, protocol::md5_password("app", "pencil")}) {
            BackendLogin poor = make_login(with_secret(secret));
            CHECK(feed(poor, request, output) == Status::Failed);
            CHECK(poor.failure().is_final);
        }
    }

    TEST_CASE("backend login: md5 is answered from the password and from its hash alike") {
        const std::array<std::byte, 4> salt = {
            std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};
        const std::string stored = protocol::md5_password("app", "pencil");
        ByteWriter request;
        protocol::write_authentication_md5(request, salt);
        for (const std::string& secret : {std::string{"pencil"}, stored}) {
            BackendLogin login = make_login(with_secret(secret));
            ByteWriter output;
            REQUIRE(feed(login, request, output) == Status::Continue);
            CHECK(*protocol::read_password(body_of_first(output)) ==
                  protocol::md5_response(stored, salt));
        }
    }

    TEST_CASE("backend login: SCRAM with the password, and with the keys of a client's proof") {
        const std::array<std::byte, 16> salt{};
        const auto verifier = protocol::ScramVerifier::derive("pencil", salt, 4096);
        protocol::ScramServer server{verifier};
        BackendLogin login = make_login(with_secret("pencil"));
        CHECK(play_scram(login, server, "pencil") == Status::Continue);
        finish(login);

        Credentials passed_through;
        passed_through.keys = protocol::ScramKeys{server.client_key(), verifier.server_key};
        protocol::ScramServer again{verifier};
        BackendLogin keyed = make_login(passed_through);
        CHECK(play_scram(keyed, again, "") == Status::Continue);
        finish(keyed);
    }

    TEST_CASE("backend login: a server that ends SCRAM without proving itself is refused") {
        constexpr std::array<std::string_view, 1> kOffered = {protocol::kScramMechanism};
        BackendLogin login = make_login(with_secret("pencil"));
        ByteWriter request;
        protocol::write_authentication_sasl(request, kOffered);
        ByteWriter output;
        REQUIRE(feed(login, request, output) == Status::Continue);
        ByteWriter ok;
        protocol::write_authentication_ok(ok);
        CHECK(feed(login, ok, output) == Status::Failed);
    }

    TEST_CASE(
        "backend login: a server that begins SCRAM again, or goes on before our keys, is refused") {
        constexpr std::array<std::string_view, 1> kMechanisms = {protocol::kScramMechanism};
        for (const bool is_again : {false, true}) {
            CAPTURE(is_again);
            BackendLogin login = make_login(with_secret("pencil"));
            ByteWriter output;
            login.start(output);
            output.clear();
            ByteWriter sasl;
            protocol::write_authentication_sasl(sasl, kMechanisms);
            REQUIRE(feed(login, sasl, output) == Status::Continue);
            ByteReader initial{body_of_first(output)};
            static_cast<void>(initial.cstring());
            static_cast<void>(initial.u32());
            const std::string first{as_text(initial.rest())};
            const std::string nonce = first.substr(first.find("r=") + 2);
            ByteWriter go_on;
            protocol::write_authentication_sasl_continue(go_on,
                                                         "r=" + nonce + "x,s=c2FsdA==,i=4096");
            REQUIRE(feed(login, go_on, output) == Status::NeedsKeys);
            CHECK(feed(login, is_again ? sasl : go_on, output) == Status::Failed);
        }
    }

    TEST_CASE("backend login: the server's own error is kept, and whether it may pass") {
        for (const auto& [sqlstate, is_final] : {std::pair{sqlstate::kInvalidCatalogName, true},
                                                 std::pair{sqlstate::kInvalidPassword, true},
                                                 std::pair{sqlstate::kTooManyConnections, false},
                                                 std::pair{sqlstate::kCannotConnectNow, false}}) {
            BackendLogin login = make_login({});
            ByteWriter error;
            protocol::write_error(error,
                                  {protocol::Severity::Fatal, sqlstate, "no", "because", "try"});
            ByteWriter output;
            CHECK(feed(login, error, output) == Status::Failed);
            const bool same_state = login.failure().fields.sqlstate == sqlstate;
            CHECK(same_state);
            CHECK(login.failure().fields.message == "no");
            CHECK(login.failure().fields.detail == "because");
            CHECK(login.failure().is_final == is_final);
        }
    }

    TEST_CASE("backend login: ready before authentication, rows and truncated bodies are refused") {
        ByteWriter output;
        BackendLogin eager = make_login({});
        CHECK(eager.feed(BackendMessage::ReadyForQuery, as_bytes("I"), output) == Status::Failed);
        BackendLogin chatty = make_login({});
        CHECK(chatty.feed(BackendMessage::DataRow, {}, output) == Status::Failed);
        for (const BackendMessage type : {BackendMessage::Authentication,
                                          BackendMessage::BackendKeyData,
                                          BackendMessage::ParameterStatus,
                                          BackendMessage::ErrorResponse}) {
            BackendLogin cut = make_login({});
            CHECK(cut.feed(type, as_bytes("x"), output) == Status::Failed);
        }
    }
}
