#include "protocol/scram.hpp"

#include "protocol/limits.hpp"
#include "protocol/scram_attributes.hpp"
#include "tests/support/feed_all_ways.hpp"

#include <doctest/doctest.h>

#include <string>

namespace weir::protocol {
namespace {

// The exchange of RFC 7677, section 3: user "user", password "pencil".
constexpr std::string_view kSaltText = "W22ZaJ0SNY7soEsUEjb6gQ==";
constexpr std::string_view kClientNonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerNonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view kClientFirst = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view kServerFirst =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view kClientFinal =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+"
    "Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view kServerFinal = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const ScramVerifier& pencil() {
    static const ScramVerifier kVerifier =
        ScramVerifier::derive("pencil", *crypto::base64_decode(kSaltText), kDefaultScramIterations);
    return kVerifier;
}

ScramServer server_of_rfc(ScramAccount account = ScramAccount::Known) {
    ScramServer server{pencil(), account};
    server.set_nonce_for_test(std::string{kServerNonce});
    return server;
}

/// A client that has sent its first message.
ScramClient client_of_rfc() {
    ScramClient client;
    client.set_identity_for_test("user", std::string{kClientNonce});
    REQUIRE(client.client_first() == kClientFirst);
    return client;
}

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
    std::string result{text};
    const std::size_t at = result.find(from);
    REQUIRE(at != std::string::npos);
    return result.replace(at, from.size(), to);
}

void check_client_final_refused(const std::string& message, ErrorCode code) {
    CAPTURE(message);
    ScramServer server = server_of_rfc();
    REQUIRE(server.client_first(kClientFirst));
    const auto result = server.client_final(message);
    REQUIRE(!result);
    CHECK(result.error().code() == code);
    CHECK(!server.is_done());
    CHECK(!server.client_final(kClientFinal));  // an error ends the exchange
}

TEST_SUITE("scram verifier") {
    TEST_CASE("verifier: parses what it prints") {
        const auto again = ScramVerifier::parse(pencil().text());
        REQUIRE(again);
        CHECK(again->iterations == 4096);
        CHECK(again->salt == pencil().salt);
        CHECK(again->stored_key == pencil().stored_key);
        CHECK(again->server_key == pencil().server_key);
        CHECK(again->text() == pencil().text());
    }

    TEST_CASE("verifier: anything else is not one") {
        const std::string good = pencil().text();
        test::for_each_truncation(
            as_bytes(good), [](ByteView prefix) { CHECK(!ScramVerifier::parse(as_text(prefix))); });
        CHECK(!ScramVerifier::parse(good + "="));
        CHECK(!ScramVerifier::parse(replaced(good, "SCRAM-SHA-256", "SCRAM-SHA-1")));
        for (const std::string_view iterations :
             {"", "0", "-1", "+1", "04096", " 4096", "4096 ", "10000001", "99999999999"}) {
            CAPTURE(iterations);
            CHECK(!ScramVerifier::parse(
                replaced(good, "$4096:", "$" + std::string{iterations} + ":")));
        }
        CHECK(!ScramVerifier::parse(replaced(good, kSaltText, "")));
        CHECK(!ScramVerifier::parse(replaced(good, kSaltText, "W22Z aJ0")));
        CHECK(ScramVerifier::parse(replaced(good, "$4096:", "$10000000:")));
    }

    TEST_CASE("verifier: a mock is steady per name and secret, and looks like a real one") {
        const test::Bytes secret = test::to_bytes("secret");
        const ScramVerifier mock = ScramVerifier::mock("ann", secret);
        CHECK(mock.text() == ScramVerifier::mock("ann", secret).text());
        CHECK(mock.salt.size() == 16);
        CHECK(mock.iterations == 4096);
        CHECK(mock.salt != ScramVerifier::mock("bob", secret).salt);
        CHECK(mock.salt != ScramVerifier::mock("ann", test::to_bytes("Secret")).salt);
        CHECK(mock.stored_key != mock.server_key);
    }
}

TEST_SUITE("scram server") {
    TEST_CASE("server: plays the exchange of RFC 7677 and learns the client's key") {
        ScramServer server = server_of_rfc();
        CHECK(server.client_first(kClientFirst).value() == kServerFirst);
        CHECK(!server.is_done());
        CHECK(server.client_final(kClientFinal).value() == kServerFinal);
        REQUIRE(server.is_done());
        CHECK(server.client_key() == ScramKeys::derive("pencil", pencil().salt, 4096).client_key);
    }

    TEST_CASE("server: the flag y is accepted and must be repeated") {
        ScramServer server = server_of_rfc();
        REQUIRE(server.client_first("y,,n=,r=abc"));
        CHECK(!server.client_final("c=biws,r=abc" + std::string{kServerNonce} +
                                   ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
        ScramServer other = server_of_rfc();
        REQUIRE(other.client_first("y,,n=,r=abc"));
        const auto result = other.client_final("c=eSws,r=abc" + std::string{kServerNonce} +
                                               ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        REQUIRE(!result);
        CHECK(result.error().code() ==
              ErrorCode::AuthenticationFailed);  // the form was right, the proof was not
    }

    TEST_CASE("server: optional extensions are skipped") {
        ScramServer server = server_of_rfc();
        CHECK(server.client_first("n,,n=user,r=abc,x=1,y="));
    }

    TEST_CASE("server: malformed first messages are refused") {
        for (const std::string_view message : {"",
                                               "n",
                                               "n,",
                                               "n,,",
                                               "n,,n",
                                               "n,,n=user",
                                               "n,,n=user,",
                                               "n,,n=user,r=",
                                               "n,,r=abc,n=user",
                                               "n,,n=user,r=abc,",
                                               "n,,n=user,r=abc,1=x",
                                               "n,,n=user,r=abc,xy",
                                               "n,,n=user,r=a b",
                                               "n,,n=user,r=a\x7f",
                                               "n,,n=user,r=\xc3\xa4",
                                               "n,x,n=user,r=abc",
                                               "N,,n=user,r=abc",
                                               "x,,n=user,r=abc",
                                               "p=tls-server-end-point,,n=user,r=abc",
                                               "p,,n=user,r=abc",
                                               "nn,,n=user,r=abc",
                                               ",,n=user,r=abc",
                                               "n,,=user,r=abc"}) {
            CAPTURE(message);
            ScramServer server = server_of_rfc();
            const auto result = server.client_first(message);
            REQUIRE(!result);
            CHECK(result.error().code() == ErrorCode::ProtocolViolation);
            CHECK(!server.client_first(kClientFirst));  // an error ends the exchange
        }
        ScramServer server = server_of_rfc();
        CHECK(!server.client_first(std::string_view{"n,,n=us\0er,r=abc", 16}));
        ScramServer flooded = server_of_rfc();
        CHECK(!flooded.client_first("n,,n=,r=" + std::string(kMaxAuthMessageBytes, 'x')));
    }

    TEST_CASE("server: well-formed requests we do not serve are told apart") {
        for (const std::string_view message : {"n,a=other,n=user,r=abc", "n,,m=new,n=user,r=abc"}) {
            CAPTURE(message);
            ScramServer server = server_of_rfc();
            const auto result = server.client_first(message);
            REQUIRE(!result);
            CHECK(result.error().code() == ErrorCode::Unsupported);
        }
    }

    TEST_CASE("server: malformed final messages are refused") {
        for (const std::string_view message : {"",
                                               "c",
                                               "c=",
                                               "-c=",
                                               "c=biws",
                                               "c=biws,",
                                               "c=biws,r=x",
                                               "r=x,c=biws,p=x",
                                               "c=biws,r=x,p=",
                                               "c=biws,r=x,p=%%%",
                                               "c=biws,r=x,p=AAAA",
                                               "c=biws,r=x,",
                                               "c=biws,r=x,,p=AAAA"}) {
            check_client_final_refused(std::string{message}, ErrorCode::ProtocolViolation);
        }
        check_client_final_refused(std::string{kClientFinal} + ",x=1",
                                   ErrorCode::ProtocolViolation);
        check_client_final_refused(std::string{kClientFinal} + ",", ErrorCode::ProtocolViolation);
        check_client_final_refused(replaced(kClientFinal, "c=biws", "c=eSws"),
                                   ErrorCode::ProtocolViolation);
        check_client_final_refused(replaced(kClientFinal, "c=biws", "c=cD10bHMtdW5pcXVlLCw="),
                                   ErrorCode::ProtocolViolation);
        check_client_final_refused(replaced(kClientFinal, "k0,p", "k1,p"),
                                   ErrorCode::ProtocolViolation);
        check_client_final_refused(replaced(kClientFinal, "k0,p", "k,p"),
                                   ErrorCode::ProtocolViolation);
    }

    TEST_CASE("server: every truncated final message is refused") {
        test::for_each_truncation(as_bytes(kClientFinal), [](ByteView prefix) {
            ScramServer server = server_of_rfc();
            REQUIRE(server.client_first(kClientFirst));
            CHECK(!server.client_final(as_text(prefix)));
        });
    }

    TEST_CASE("server: a wrong proof fails, an extension that was not signed too") {
        check_client_final_refused(replaced(kClientFinal, "p=dH", "p=eH"),
                                   ErrorCode::AuthenticationFailed);
        check_client_final_refused(replaced(kClientFinal, ",p=", ",x=1,p="),
                                   ErrorCode::AuthenticationFailed);
    }

    TEST_CASE("server: a mock account fails even with the right proof") {
        ScramServer server = server_of_rfc(ScramAccount::Mock);
        CHECK(server.client_first(kClientFirst).value() == kServerFirst);
        const auto result = server.client_final(kClientFinal);
        REQUIRE(!result);
        CHECK(result.error().code() == ErrorCode::AuthenticationFailed);
        CHECK(result.error().sqlstate().text() == "28P01");
        CHECK(!server.is_done());
    }

    TEST_CASE("server: messages out of turn are refused") {
        ScramServer early = server_of_rfc();
        CHECK(!early.client_final(kClientFinal));
        ScramServer twice = server_of_rfc();
        REQUIRE(twice.client_first(kClientFirst));
        CHECK(!twice.client_first(kClientFirst));
        ScramServer done = server_of_rfc();
        REQUIRE(done.client_first(kClientFirst));
        REQUIRE(done.client_final(kClientFinal));
        CHECK(!done.client_final(kClientFinal));
    }

    TEST_CASE("server: nonces differ from exchange to exchange") {
        ScramServer one{pencil()};
        ScramServer two{pencil()};
        CHECK(one.client_first(kClientFirst).value() != two.client_first(kClientFirst).value());
    }
}

TEST_SUITE("scram client") {
    TEST_CASE("client: plays the exchange of RFC 7677") {
        ScramClient client = client_of_rfc();
        const auto first = client.server_first(kServerFirst);
        REQUIRE(first);
        CHECK(first->iterations == 4096);
        CHECK(crypto::base64_encode(first->salt) == kSaltText);
        CHECK(client.client_final(ScramKeys::derive("pencil", first->salt, first->iterations)) ==
              kClientFinal);
        CHECK(client.server_final(kServerFinal));
        CHECK(client.is_done());
    }

    TEST_CASE("client: sends no user name of its own and a fresh nonce") {
        ScramClient one;
        ScramClient two;
        const std::string first = one.client_first();
        CHECK(first.starts_with("n,,n=,r="));
        CHECK(first.size() == std::string_view{"n,,n=,r="}.size() + 24);
        CHECK(first != two.client_first());
    }

    TEST_CASE("client: malformed server-first messages are refused") {
        for (const std::string_view message :
             {std::string_view{""},
              std::string_view{"r="},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqO,s=AAAA,i=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkq,s=AAAA,i=1"},
              std::string_view{"r=other,s=AAAA,i=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx y,s=AAAA,i=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=,i=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAA,i=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,i=1,s=AAAA"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=0"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=-1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i="},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1x"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=10000001"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=99999999999999999999"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1,x=1"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1,"},
              std::string_view{"r=rOprNGfwEbeRWgbNEkqOx,s=AAAA,i=1\0", 35}}) {
            CAPTURE(message);
            ScramClient client = client_of_rfc();
            const auto result = client.server_first(message);
            REQUIRE(!result);
            CHECK(result.error().code() == ErrorCode::ProtocolViolation);
            CHECK(!client.server_first(kServerFirst));  // an error ends the exchange
        }
    }

    TEST_CASE("client: a mandatory extension and a reported error are told apart") {
        ScramClient client = client_of_rfc();
        CHECK(client.server_first("m=x," + std::string{kServerFirst}).error().code() ==
              ErrorCode::Unsupported);
        ScramClient other = client_of_rfc();
        CHECK(other.server_first("e=unknown-user").error().code() ==
              ErrorCode::AuthenticationFailed);
        CHECK(other.server_error() == "unknown-user");
    }

    TEST_CASE("client: an impostor without the verifier is found out") {
        const ScramKeys keys = ScramKeys::derive("pencil", pencil().salt, 4096);
        for (const std::string_view message : {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
                                               "v=AAAA",
                                               "v=",
                                               "v=%",
                                               "e=invalid-proof",
                                               "",
                                               "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=,x=1",
                                               "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4"}) {
            CAPTURE(message);
            ScramClient client = client_of_rfc();
            REQUIRE(client.server_first(kServerFirst));
            REQUIRE(client.client_final(keys) == kClientFinal);
            CHECK(!client.server_final(message));
            CHECK(!client.is_done());
            CHECK(!client.server_final(kServerFinal));  // an error ends the exchange
        }
    }

    TEST_CASE("client: what the server reports is fit for a log line") {
        ScramClient client = client_of_rfc();
        REQUIRE(client.server_first(kServerFirst));
        (void)client.client_final(ScramKeys{});
        CHECK(!client.server_final("e=other-error\n\x1b[31m"));
        CHECK(client.server_error() == "other-error[31m");
    }

    TEST_CASE("client: messages out of turn are refused") {
        ScramClient client = client_of_rfc();
        CHECK(!client.server_final(kServerFinal));
    }
}

TEST_SUITE("scram both") {
    TEST_CASE("client and server: agree on the right password only") {
        const test::Bytes salt = test::to_bytes("0123456789abcdef");
        for (const std::string_view password : {"pencil", "", "p\xc3\xa4ss,word=", "Pencil"}) {
            CAPTURE(password);
            ScramServer server{ScramVerifier::derive("pencil", salt, 10)};
            ScramClient client;
            const auto server_first = server.client_first(client.client_first());
            REQUIRE(server_first);
            const auto first = client.server_first(*server_first);
            REQUIRE(first);
            const auto server_final = server.client_final(
                client.client_final(ScramKeys::derive(password, first->salt, first->iterations)));
            CHECK(server_final.has_value() == (password == "pencil"));
            if (server_final) {
                CHECK(client.server_final(*server_final));
            }
        }
    }

    TEST_CASE("pass-through: the key a client revealed logs in elsewhere without the password") {
        const test::Bytes salt = test::to_bytes("0123456789abcdef");
        const ScramVerifier verifier = ScramVerifier::derive("pencil", salt, 10);
        ScramServer proxy{verifier};
        ScramClient application;
        const auto proxy_first = proxy.client_first(application.client_first());
        const auto application_first = application.server_first(proxy_first.value());
        REQUIRE(application_first);
        REQUIRE(
            proxy.client_final(application.client_final(ScramKeys::derive("pencil", salt, 10))));

        const ScramKeys keys{proxy.client_key(), proxy.verifier().server_key};
        ScramServer backend{verifier};
        ScramClient to_backend;
        const auto backend_first = backend.client_first(to_backend.client_first());
        REQUIRE(to_backend.server_first(backend_first.value()));
        const auto backend_final = backend.client_final(to_backend.client_final(keys));
        REQUIRE(backend_final);
        CHECK(to_backend.server_final(*backend_final));
    }

    TEST_CASE("attributes: taken from the front, strictly letter=value") {
        detail::ScramAttributes attributes{"a=1=2,b=,c=x"};
        CHECK(!attributes.take('b'));
        CHECK(attributes.take('a') == "1=2");
        CHECK(attributes.next_is('b'));
        CHECK(attributes.take('b') == "");
        CHECK(!attributes.at_end());
        CHECK(attributes.take_any()->name == 'c');
        CHECK(attributes.at_end());
        CHECK(!attributes.take_any());
        CHECK(!attributes.next_is('c'));
    }
}

}  // namespace
}  // namespace weir::protocol
